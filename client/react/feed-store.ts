import {
  type Client,
  DisconnectedError,
  gap,
  JotwireError,
  type StateChange,
  SubscriptionEndedError,
} from "../index.js";

/** A subscription, as a component sees it. */
export interface FeedView {
  /** Whether events may still come, and if not, how the subscription ended. */
  readonly status: "live" | "completed" | "failed";
  /** The last event; `undefined` before the first. */
  readonly event: unknown;
  /** How often events were lost: at each time, read the current state again. */
  readonly gaps: number;
  /** Why it has failed: a `SubscriptionEndedError`, or an error of a call. */
  readonly error: unknown;
}

export interface FeedListeners {
  readonly onEvent?: ((event: never) => void) | undefined;
  readonly onGap?: (() => void) | undefined;
}

/** The view of a component that has just been mounted, or is drawn on a server. */
export const beginning: FeedView = { status: "live", event: undefined, gaps: 0, error: undefined };

/**
 * One subscription of the client for as long as somebody listens; another one when another user has
 * signed in, when the client was closed and connects again, and after a logout: each begins with an
 * empty view. It begins and ends a microtask late, so that a component which React takes out and
 * puts back at once (StrictMode) costs one subscription.
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

  /** Sets the functions that are called at each event and each gap. */
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
    try {
      const events = this.#client.subscribe(this.#name, this.#params, { signal, gaps: true });
      const { gaps } = this.#view;
      this.#show(beginning);
      if (isAgain) this.#lost(gaps); // before the calls that read anew, which go out after it
      for await (const event of events) {
        if (event === gap) this.#lost();
        else this.#got(event);
      }
      const { state } = this.#client;
      if (state !== "ready" && state !== "refreshing")
        throw new DisconnectedError("no", "bye", 1000); // by the application's own close()
      this.#show({ ...this.#view, status: "completed" });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof JotwireError && error.code === "subject_changed")
        return this.#run(signal, true);
      this.#show({ ...this.#view, status: "failed", error });
      if (error instanceof DisconnectedError)
        this.#awaitReturn(signal, ({ from }) => from === "closed", this.#client.state !== "closed");
      else if (error instanceof SubscriptionEndedError && error.reason === "logout")
        this.#awaitReturn(signal, ({ to }) => to === "ready");
    }
  }

  /**
   * Subscribes anew once the state changes so. For another user, maybe: nothing of the old one is
   * shown.
   */
  #awaitReturn(signal: AbortSignal, isSo: (change: StateChange) => boolean, isSoNow = false): void {
    if (isSoNow) return this.#start(signal, true);
    const stop = this.#client.on("state", (change) => {
      if (!isSo(change)) return;
      stop();
      signal.removeEventListener("abort", stop);
      this.#start(signal, true);
    });
    signal.addEventListener("abort", stop);
  }

  #got(event: unknown): void {
    this.#show({ ...this.#view, event });
    this.#call(() => this.#told.onEvent?.(event as never));
  }

  #lost(before = this.#view.gaps): void {
    this.#show({ ...this.#view, gaps: before + 1 });
    this.#call(() => this.#told.onGap?.());
  }

  /**
   * Calls a component's function, unless the component is gone. The platform reports its error,
   * which ends nothing.
   */
  #call(told: () => void): void {
    if (this.#listeners.size === 0) return;
    try {
      told();
    } catch (error) {
      throwOutside(error);
    }
  }

  #show(view: FeedView): void {
    if (this.#view === view) return;
    this.#view = view;
    for (const changed of [...this.#listeners]) changed();
  }
}

/** Throws an error where nobody catches it, so that the platform reports it. */
function throwOutside(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
