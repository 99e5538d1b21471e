import { toPromise } from "../runtime/application-code.js";
import { type SlowRule, type SubscriberPort, Subscription } from "./subscription.js";
import { EventPush } from "./subscription-frames.js";

/** Where the events come from, and what to make of them. */
export interface EventSource {
  /** Starts the application's generator. */
  start(): AsyncIterator<unknown>;
  /** JSON of an event. Throws, or rejects, when it is not as declared. */
  encode(event: unknown): string | Promise<string>;
  /** Aborts the generator's signal. */
  abort(): void;
  /** Logs what the generator threw. Returns the code for `subscription.ended`. */
  failed(thrown: unknown): number;
}

// events; a generator that is always ready would never let anybody else run
const maxFramesPerTurn = 64;

/**
 * A subscription with a generator of its own, which is pulled as long as there is room for what it
 * yields.
 */
export class GeneratorSubscription extends Subscription {
  readonly #source: EventSource;
  /** Pulled whether or not there is room. */
  readonly #isEager: boolean;
  #iterator: AsyncIterator<unknown> | undefined;
  #wake: (() => void) | undefined;

  /** Without a rule it is not pulled as long as its events would have to wait. */
  constructor(id: string, source: EventSource, rule: SlowRule | undefined, port: SubscriberPort) {
    super(id, rule ?? { overflow: "end", buffer: Number.POSITIVE_INFINITY }, port);
    this.#source = source;
    this.#isEager = rule !== undefined;
  }

  override begin(): void {
    if (this.state !== "opening") return;
    super.begin();
    if (this.#isOver) return;
    void this.#run(); // never rejects
  }

  /** Whether it has ended, also while it began. */
  get #isOver(): boolean {
    return this.state === "ended";
  }

  override resume(): void {
    super.resume();
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  protected release(): void {
    this.#source.abort();
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
    void leave(this.#iterator);
  }

  async #run(): Promise<void> {
    try {
      this.#iterator = this.#source.start();
      for (let pulled = 1; ; pulled++) {
        if (pulled % maxFramesPerTurn === 0 || this.port.isHigh()) await nextTurn();
        await this.#room();
        if (this.state === "ended") return;
        const { done, value } = await toPromise(this.#iterator.next());
        if (done === true) return this.end("completed");
        this.accept(new EventPush(this.id, await this.#source.encode(value)));
      }
    } catch (thrown) {
      if (this.state !== "ended") this.end("error", this.#source.failed(thrown));
    }
  }

  async #room(): Promise<void> {
    const mustWait = () => this.isPaused || this.port.isHigh() || !this.port.isLive();
    while (!this.#isEager && this.state !== "ended" && mustWait())
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }
}

/** What a generator throws on its way out is nobody's business any more. */
async function leave(iterator: AsyncIterator<unknown> | undefined): Promise<void> {
  try {
    await iterator?.return?.();
  } catch {
    return;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
