import {
  type Client,
  type ClientState,
  DisconnectedError,
  JotwireError,
  type StateChange,
  SubscriptionEndedError,
} from "../browser.js";
import { ObservedStore, throwOutside } from "./view-store.js";

/** What a component sees of anything that ends. */
export interface EndingView {
  readonly status: string;
  /** Why it has failed: a `SubscriptionEndedError`, or an error of a call. */
  readonly error: unknown;
}

/**
 * One subscription of the client for as long as somebody listens; another one when another user has
 * signed in, when the client was closed and connects again, and after a logout: each begins with an
 * empty view.
 */
export abstract class FeedStore<View extends EndingView> extends ObservedStore<View> {
  protected readonly client: Client;
  protected readonly name: string;
  protected readonly params: unknown;

  constructor(client: Client, name: string, params: unknown, view: View) {
    super(view);
    this.client = client;
    this.name = name;
    this.params = params;
  }

  /** Subscribes, and shows an empty view. */
  protected abstract open(signal: AbortSignal, isAgain: boolean): AsyncIterable<unknown>;

  /** Takes what the subscription gives. */
  protected abstract take(item: unknown): void;

  protected begin(signal: AbortSignal): void {
    const stop = this.client.on("state", ({ to }) => {
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
      for await (const item of this.open(signal, isAgain)) this.take(item);
      const { state } = this.client;
      if (state !== "ready" && state !== "refreshing")
        throw new DisconnectedError("no", "bye", 1000); // by the application's own close()
      this.show({ ...this.view(), status: "completed" });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof JotwireError && error.code === "subject_changed")
        return this.#run(signal, true);
      this.show({ ...this.view(), status: "failed", error });
      if (error instanceof DisconnectedError)
        this.#awaitReturn(signal, ({ from }) => from === "closed", this.client.state !== "closed");
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
    const stop = this.client.on("state", (change) => {
      if (!isSo(change)) return;
      stop();
      signal.removeEventListener("abort", stop);
      this.#start(signal, true);
    });
    signal.addEventListener("abort", stop);
  }
}

/** Whether events come in this state of the client. */
export function statusIn(state: ClientState): "waiting" | "live" {
  return state === "ready" ? "live" : "waiting";
}
