import { type Client, DisconnectedError, gap } from "../index.js";
import { throwOutside } from "../options.js";

/** What a component sees of a subscription. */
export interface FeedView {
  readonly status: "live" | "completed" | "failed";
  /** The last event; `undefined` before the first. */
  readonly event: unknown;
  /** How often events were lost: each time, what the events have told must be read anew. */
  readonly gaps: number;
  /** Why it has failed: a `SubscriptionEnded`, or what a call rejects with. */
  readonly error: unknown;
}

export interface FeedListeners {
  readonly onEvent?: ((event: never) => void) | undefined;
  readonly onGap?: (() => void) | undefined;
}

const beginning: FeedView = { status: "live", event: undefined, gaps: 0, error: undefined };

/**
 * One subscription of the client for as long as somebody listens, another one when the client was closed and connects again. It begins and
 * ends a microtask late, so that a component which React takes out and puts back at once (StrictMode) costs one subscription.
 */
export class FeedStore {
  readonly #client: Client;
  readonly #name: string;
  readonly #params: unknown;
  readonly #listeners = new Set<() => void>();
  #told: FeedListeners = {};
  #view = beginning;
  #running: AbortController | undefined;

  constructor(client: Client, name: string, params: unknown) {
    this.#client = client;
    this.#name = name;
    this.#params = params;
  }

  /** Who is told of every event, beside the view. */
  tell(told: FeedListeners): void {
    this.#told = told;
  }

  readonly view = (): FeedView => this.#view;

  readonly subscribe = (changed: () => void): (() => void) => {
    this.#listeners.add(changed);
    queueMicrotask(() => this.#settle());
    return () => {
      this.#listeners.delete(changed);
      queueMicrotask(() => this.#settle());
    };
  };

  #settle(): void {
    if (this.#listeners.size === 0) {
      this.#running?.abort();
      this.#running = undefined;
    } else if (this.#running === undefined) {
      this.#running = new AbortController();
      this.#start(this.#running.signal);
    }
  }

  #start(signal: AbortSignal, isAgain = false): void {
    this.#run(signal, isAgain).catch(throwOutside);
  }

  async #run(signal: AbortSignal, isAgain: boolean): Promise<void> {
    const events = this.#client.subscribe(this.#name, this.#params, { signal, gaps: true });
    const { gaps } = this.#view;
    this.#show(beginning);
    try {
      if (isAgain) this.#lost(gaps); // before the calls that read anew, which go out after it
      for await (const event of events) {
        if (event === gap) this.#lost();
        else this.#got(event);
      }
      this.#show({ ...this.#view, status: "completed" });
    } catch (error) {
      if (signal.aborted) return;
      this.#show({ ...this.#view, status: "failed", error });
      if (error instanceof DisconnectedError) this.#awaitReturn(signal);
    }
  }

  /** The client is closed. Whoever opens it again wants its events again; for another user, maybe, so that none of the old ones is shown. */
  #awaitReturn(signal: AbortSignal): void {
    if (this.#client.state !== "closed") return this.#start(signal, true);
    const stop = this.#client.on("state", ({ from }) => {
      if (from !== "closed") return;
      stop();
      signal.removeEventListener("abort", stop);
      this.#start(signal, true);
    });
    signal.addEventListener("abort", stop);
  }

  #got(event: unknown): void {
    this.#show({ ...this.#view, event });
    (this.#told.onEvent as ((event: unknown) => void) | undefined)?.(event);
  }

  #lost(before = this.#view.gaps): void {
    this.#show({ ...this.#view, gaps: before + 1 });
    this.#told.onGap?.();
  }

  #show(view: FeedView): void {
    if (this.#view === view) return;
    this.#view = view;
    for (const changed of [...this.#listeners]) changed();
  }
}
