import { type Client, gap } from "../browser.js";
import { FeedStore, statusIn } from "./feed-store.js";
import { throwOutside } from "./view-store.js";

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

/** The last event of a subscription, and how often events were lost. */
export class SubscriptionStore extends FeedStore<FeedView> {
  #told: FeedListeners = {};

  constructor(client: Client, name: string, params: unknown) {
    super(client, name, params, beginning);
  }

  /** Sets the functions that are called at each event and each gap. */
  tell(told: FeedListeners): void {
    this.#told = told;
  }

  protected open(signal: AbortSignal, isAgain: boolean): AsyncIterable<unknown> {
    const events = this.client.subscribe(this.name, this.params, { signal, gaps: true });
    const { gaps } = this.view();
    this.show({ ...beginning, status: statusIn(this.client.state) });
    if (isAgain) this.#lost(gaps); // before the calls that read anew, which go out after it
    return events;
  }

  protected take(event: unknown): void {
    if (event === gap) return this.#lost();
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
