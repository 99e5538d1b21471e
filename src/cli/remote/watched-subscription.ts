/** One subscription of a command, over all connections of its client. */
import { type Client, DisconnectedError, SubscriptionEndedError } from "../../../client/node.js";
import {
  type Position,
  type SubscribeResult,
  type SubscriptionNotifications,
  sinceMember,
  subscriptionMark,
} from "../../protocol/messages.js";
import { CliError } from "../cli-error.js";

type EventOf = SubscriptionNotifications["subscription.event"];
type EndOf = SubscriptionNotifications["subscription.ended"];

export interface Watched {
  readonly name: string;
  readonly params: object | undefined;
  /** The place of the last event that somebody has seen already. */
  readonly since: Position | undefined;
}

/** Takes the events. */
export interface EventSink {
  /** So much waits to be written that events had better wait at the server. */
  readonly isFull: boolean;
  /** `place`: of this event, where its topic keeps a history. */
  event(data: unknown, place: Position | undefined): void;
  /** Events were lost here. */
  gap(): void;
  /** The subscription is there, for the first time or again. */
  subscribed(): void;
}

/**
 * Subscribes, and again after each lost connection from the last event on. The SDK's own
 * subscriptions do not tell the places of events, nor begin at one.
 */
export class WatchedSubscription {
  readonly #client: Client;
  readonly #watched: Watched;
  readonly #sink: EventSink;
  #place: Position | undefined;
  /** The server's name for it; undefined while an answer is awaited. */
  #id: string | undefined;
  #hasBegun = false;
  /** Events were dropped, since the sink was full. */
  #isBehind = false;
  #end: { resolve(): void; reject(error: unknown): void } | undefined;

  constructor(client: Client, watched: Watched, sink: EventSink) {
    this.#client = client;
    this.#watched = watched;
    this.#sink = sink;
    this.#place = watched.since;
  }

  /** The place of the last event. */
  get place(): Position | undefined {
    return this.#place;
  }

  /**
   * Resolves when the subscription is complete, or {@link stop} was called. Rejects with a
   * `CliError` or an error of the SDK.
   */
  async run(timeout: number): Promise<void> {
    const stops = [
      this.#client.on("subscription.event", (event) => this.#take(event)),
      this.#client.on("subscription.ended", (end) => this.#ended(end)),
      this.#client.on("state", ({ to, reason = "", code, cause }) => {
        if (to === "closed") this.fail(new DisconnectedError("no", reason, code, cause));
        else if (to === "waiting" && this.#id !== undefined) void this.#subscribe();
      }),
    ];
    try {
      await new Promise<void>((resolve, reject) => {
        this.#end = { resolve, reject };
        void this.#subscribe(timeout);
      });
    } finally {
      this.#end = undefined;
      for (const stop of stops) stop();
    }
  }

  stop(): void {
    this.#end?.resolve();
  }

  fail(error: unknown): void {
    this.#end?.reject(error);
  }

  /** The sink has room again: what was dropped meanwhile is asked for. */
  drained(): void {
    if (this.#isBehind && this.#place !== undefined && this.#id !== undefined)
      void this.#subscribe();
  }

  async #subscribe(timeout = Number.POSITIVE_INFINITY): Promise<void> {
    const { name, params } = this.#watched;
    this.#id = undefined;
    const since = this.#place;
    const asked = since === undefined ? params : { ...params, [sinceMember]: since };
    try {
      const answer = await this.#client.call(name, asked, { timeout });
      this.#attach(answer, since);
    } catch (error) {
      // the next connection takes it
      if (error instanceof DisconnectedError && this.#client.state !== "closed")
        return this.#subscribe();
      this.fail(error);
    }
  }

  /** Events that came before the answer are of an older subscription, and follow once more. */
  #attach(answer: unknown, since: Position | undefined): void {
    const { name } = this.#watched;
    const { subscription, epoch, offset, recovered, ...more } = Object(
      answer,
    ) as Partial<SubscribeResult>;
    if (typeof subscription !== "string" || more[subscriptionMark] !== true)
      throw new CliError(
        "usage",
        `${name} is a method, not a subscription, and was called once: use jotwire call`,
      );
    const newest = positionOf(epoch, offset);
    const goesOn = recovered === true && since !== undefined && newest !== undefined;
    // with all that was missed to follow, the newest event's place is not reached yet
    if (!goesOn || newest.epoch !== since.epoch || newest.offset < since.offset) {
      this.#place = newest;
      if (since !== undefined || this.#hasBegun) this.#sink.gap();
    }
    this.#hasBegun = true;
    this.#isBehind = false;
    this.#id = subscription;
    this.#sink.subscribed();
  }

  #take({ subscription, offset, epoch, gap, data }: EventOf): void {
    if (subscription !== this.#id) return;
    if (this.#sink.isFull) {
      this.#isBehind = true;
      return;
    }
    const last = this.#place;
    const isLoss = gap === true || this.#isBehind;
    if (last !== undefined && offset !== undefined) {
      const isNewHistory = gap === true && epoch !== undefined && epoch !== last.epoch;
      if (!isNewHistory && offset <= last.offset) return; // it came before
      // the history may have what the server dropped while it was not read
      if (isLoss) return void this.#subscribe();
      this.#place = { epoch: last.epoch, offset };
    }
    this.#isBehind = false;
    if (isLoss) this.#sink.gap();
    this.#sink.event(data, this.#place);
  }

  #ended({ subscription, reason, code }: EndOf): void {
    if (subscription !== this.#id) return;
    if (reason === "completed") this.stop();
    else if (reason === "slow") void this.#subscribe();
    else this.fail(new SubscriptionEndedError(reason, code));
  }
}

function positionOf(epoch: unknown, offset: unknown): Position | undefined {
  return typeof epoch === "string" && Number.isSafeInteger(offset)
    ? { epoch, offset: offset as number }
    : undefined;
}
