import { type Client, gap, JotwireError, SubscriptionEndedError } from "../../../client/index.js";
import { maskedValue } from "../session/mask.js";
import { Store } from "../store.js";
import { type Pace, paced } from "./pace.js";

export interface EventView {
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** JSON, without secrets; null: some events were lost here. */
  readonly text: string | null;
}

export interface SubscriptionView {
  readonly number: number;
  readonly name: string;
  readonly params: unknown;
  readonly isLive: boolean;
  /** Why it is over. */
  readonly why: string;
  /** How many events have come. */
  readonly count: number;
  /** The newest first. */
  readonly events: readonly EventView[];
}

interface Open {
  view: SubscriptionView;
  end(): void;
}

const maxEvents = 50; // of one subscription; the timeline has more
const maxSubscriptions = 32;
const longestText = 4_000; // characters of one event

/** What this page has subscribed to, and what came. */
export class Subscriptions {
  readonly list = new Store<readonly SubscriptionView[]>([]);
  #open: Open[] = [];
  #count = 0;
  readonly #tell: () => void;

  constructor(pace: Pace) {
    this.#tell = paced(() => this.list.set(this.#open.map(({ view }) => view)), pace);
  }

  /** Throws when there are too many. */
  start(client: Client, name: string, params: unknown): void {
    // what is over makes room for the next
    this.#open = [...this.#open].filter(({ view }) => view.isLive || view.name !== name);
    if (this.#open.length >= maxSubscriptions)
      throw new Error(`${maxSubscriptions} subscriptions are enough for one page: end some`);
    const controller = new AbortController();
    const view = {
      number: ++this.#count,
      name,
      params,
      isLive: true,
      why: "",
      count: 0,
      events: [],
    };
    const open: Open = { view, end: () => controller.abort() };
    this.#open.push(open);
    this.#tell();
    this.#follow(
      open,
      client.subscribe(name, params, { gaps: true, signal: controller.signal }),
    ).catch(reportError);
  }

  end(number: number): void {
    this.#open.find(({ view }) => view.number === number)?.end();
  }

  clear(): void {
    for (const { end } of this.#open) end();
    this.#open = [];
    this.#tell();
  }

  async #follow(open: Open, events: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const event of events) this.#came(open, event);
      this.#over(open, "completed");
    } catch (error) {
      this.#over(open, whyOf(error));
    }
  }

  #came(open: Open, event: unknown): void {
    const { view } = open;
    const text = event === gap ? null : JSON.stringify(maskedValue(event)).slice(0, longestText);
    const came = { number: (view.events[0]?.number ?? 0) + 1, at: Date.now(), text };
    open.view = {
      ...view,
      count: view.count + (text === null ? 0 : 1),
      events: [came, ...view.events].slice(0, maxEvents),
    };
    this.#tell();
  }

  #over(open: Open, why: string): void {
    open.view = { ...open.view, isLive: false, why };
    this.#tell();
  }
}

function whyOf(error: unknown): string {
  if (error instanceof SubscriptionEndedError) return error.reason;
  if (error instanceof JotwireError && error.code === "aborted") return "unsubscribed";
  return error instanceof Error ? error.message : String(error);
}
