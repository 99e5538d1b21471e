import {
  type Client,
  DisconnectedError,
  gap,
  JotwireError,
  SubscriptionEndedError,
} from "../../../client/index.js";
import { membersOf, messagesIn } from "../message.js";
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
  /** The server has accepted it. */
  readonly isAccepted: boolean;
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
  readonly #announce: (text: string) => void;
  readonly #asked = new Map<string, number>(); // ids of requests that subscribe; what they are for

  /** `announce` is for people who don't see the page change. */
  constructor(pace: Pace, announce: (text: string) => void) {
    this.#announce = announce;
    this.#tell = paced(() => this.list.set(this.#open.map(({ view }) => view)), pace);
  }

  /** Throws when there are too many. */
  start(client: Client, name: string, params: unknown): void {
    this.#makeRoom(name);
    if (this.#open.length >= maxSubscriptions)
      throw new Error(`${maxSubscriptions} subscriptions are enough for one page: end some`);
    const controller = new AbortController();
    const view = {
      number: ++this.#count,
      name,
      params,
      isLive: true,
      isAccepted: false,
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

  /** Reads in a frame that a subscription is asked for, or that the server accepts it. */
  frame(direction: "out" | "in", text: string): void {
    const isPending = ({ view }: Open) => view.isLive && !view.isAccepted;
    if (!this.#open.some(isPending)) return this.#asked.clear();
    for (const { id, method, result } of messagesIn(text)) {
      if (id === undefined) continue;
      const key = JSON.stringify(id);
      if (direction === "out") {
        const known = new Set(this.#asked.values());
        const asked = this.#open.find(
          (open) => isPending(open) && open.view.name === method && !known.has(open.view.number),
        );
        if (asked !== undefined) this.#asked.set(key, asked.view.number);
      } else if (method === undefined) {
        const number = this.#asked.get(key);
        this.#asked.delete(key);
        const open = this.#open.find(({ view }) => view.number === number);
        if (open?.view.isLive && membersOf(result).$subscription === true) this.#accepted(open);
      }
    }
  }

  /** The socket is gone: what was asked on it won't be answered. */
  forgetAsked(): void {
    this.#asked.clear();
  }

  end(number: number): void {
    this.#open.find(({ view }) => view.number === number)?.end();
  }

  clear(): void {
    for (const { end } of this.#open) end();
    this.#open = [];
    this.#asked.clear();
    this.#tell();
  }

  /** Forgets what is over: of the same name, and the oldest of the others where there are too many. */
  #makeRoom(name: string): void {
    this.#open = this.#open.filter(({ view }) => view.isLive || view.name !== name);
    const oldest = this.#open.findIndex(({ view }) => !view.isLive);
    if (this.#open.length >= maxSubscriptions && oldest >= 0) this.#open.splice(oldest, 1);
  }

  #accepted(open: Open): void {
    open.view = { ...open.view, isAccepted: true };
    this.#announce(`Subscribed to ${open.view.name}`);
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
    if (this.#open.includes(open)) this.#announce(`Subscription to ${open.view.name}: ${why}`);
    this.#tell();
  }
}

function whyOf(error: unknown): string {
  if (error instanceof SubscriptionEndedError) return error.reason;
  if (error instanceof JotwireError && error.code === "aborted") return "unsubscribed";
  if (error instanceof DisconnectedError)
    return error.reason === "signed_out" ? "ended: you are logged out" : `ended: ${error.reason}`;
  return error instanceof Error ? error.message : String(error);
}
