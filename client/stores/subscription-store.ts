import {
  type Client,
  type ClientState,
  DisconnectedError,
  gap,
  JotwireError,
  type StateChange,
  SubscriptionEndedError,
} from "../index.js";
import { ObservedStore, throwOutside } from "./view-store.js";

/** A subscription, as a component sees it. */
export interface FeedView {
  /**
   * `off`: it isn't enabled. `waiting`: there is no connection to a server, or no session; events
   * may have been missed, which a gap tells later. `live`: the connection is ready, and events come.
   * `completed`, `failed`: how it has ended.
   */
  readonly status: "off" | "waiting" | "live" | "completed" | "failed";
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
export const beginning: FeedView = {
  status: "waiting",
  event: undefined,
  gaps: 0,
  error: undefined,
};

/** The view of a subscription that isn't enabled. */
export const switchedOff: FeedView = { ...beginning, status: "off" };

/**
 * One subscription of the client for as long as somebody listens; another one when another user has
 * signed in, when the client was closed and connects again, and after a logout: each begins with an
 * empty view.
 */
export class SubscriptionStore extends ObservedStore<FeedView> {
  readonly #client: Client;
  readonly #name: string;
  readonly #params: unknown;
  #told: FeedListeners = {};

  constructor(client: Client, name: string, params: unknown) {
    super(beginning);
    this.#client = client;
    this.#name = name;
    this.#params = params;
  }

  /** Sets the functions that are called at each event and each gap. */
  tell(told: FeedListeners): void {
    this.#told = told;
  }

  protected begin(signal: AbortSignal): void {
    const stop = this.#client.on("state", ({ to }) => {
      const { status } = this.view();
      if (status === "waiting" || status === "live")
        this.show({ ...this.view(), status: statusIn(to) });
    });
    signal.addEventListener("abort", stop);
    this.#start(signal);
  }

  #start(signal: AbortSignal, isAgain = false): void {
    this.#run(signal, isAgain).catch(throwOutside);
  }

  async #run(signal: AbortSignal, isAgain: boolean): Promise<void> {
    try {
      const events = this.#client.subscribe(this.#name, this.#params, { signal, gaps: true });
      const { gaps } = this.view();
      this.show({ ...beginning, status: statusIn(this.#client.state) });
      if (isAgain) this.#lost(gaps); // before the calls that read anew, which go out after it
      for await (const event of events) {
        if (event === gap) this.#lost();
        else this.#got(event);
      }
      const { state } = this.#client;
      if (state !== "ready" && state !== "refreshing")
        throw new DisconnectedError("no", "bye", 1000); // by the application's own close()
      this.show({ ...this.view(), status: "completed" });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof JotwireError && error.code === "subject_changed")
        return this.#run(signal, true);
      this.show({ ...this.view(), status: "failed", error });
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
    this.show({ ...this.view(), event });
    this.#call(() => this.#told.onEvent?.(event as never));
  }

  #lost(before = this.view().gaps): void {
    this.show({ ...this.view(), gaps: before + 1 });
    this.#call(() => this.#told.onGap?.());
  }

  /**
   * Calls a component's function, unless the component is gone. The platform reports its error,
   * which ends nothing.
   */
  #call(told: () => void): void {
    if (!this.isObserved) return;
    try {
      told();
    } catch (error) {
      throwOutside(error);
    }
  }
}

function statusIn(state: ClientState): "waiting" | "live" {
  return state === "ready" ? "live" : "waiting";
}
