import type { Position, SubscribeResult } from "../protocol/messages.js";
import { isThenable, toPromise } from "../runtime/application-code.js";
import type { TopicState } from "./bus.js";
import { type SlowRule, type SubscriberPort, Subscription } from "./subscription.js";
import type { EventPush } from "./subscription-frames.js";
import type { TopicMember, TopicName, TopicServices } from "./topics.js";
import { topicKey } from "./topics.js";

/** A subscription to a topic. Its id is the topic's name. */
export class TopicSubscription extends Subscription implements TopicMember {
  readonly #topic: TopicName;
  readonly #leave: () => void;
  readonly #maxEarly: number;
  readonly #filter: ((event: EventPush) => boolean) | undefined;
  /**
   * Position of the last accepted event; `undefined` until the topic's position is known.
   */
  #position: Position | undefined;
  /** Events that arrived before the topic's position was known. */
  #early: EventPush[] | undefined;
  /** The highest offset of those that there was no room for. */
  #droppedEarly = 0;

  /** @param filter decides which events this subscriber receives; undefined: all of them */
  constructor(
    topic: TopicName,
    rule: SlowRule,
    services: TopicServices,
    port: SubscriberPort,
    filter?: (event: EventPush) => boolean,
  ) {
    super(topic.name, rule, port);
    this.#topic = topic;
    this.#filter = filter;
    this.#maxEarly = rule.buffer;
    if (topic.history !== undefined || topic.log !== undefined) this.#early = [];
    this.#leave = services.topics.join(topic, this);
  }

  /** Returns whether this subscription is for a topic of that route. */
  isOf({ route }: TopicName): boolean {
    return this.#topic.route === route;
  }

  /**
   * Reads the topic's position and accepts the events missed since `since`. Rejects if the position
   * cannot be read.
   */
  open(
    { bus, topics }: TopicServices,
    since: Position | undefined,
  ): SubscribeResult | Promise<SubscribeResult> {
    const { history } = this.#topic;
    const tail = topics.tail(this.#topic);
    if (tail !== undefined) return tail.read(since).then((state) => this.#catchUp(state, since));
    if (history === undefined) return { subscription: this.id };
    const state = bus.read(topicKey(this.#topic), history, since);
    return isThenable(state)
      ? toPromise(state).then((known) => this.#catchUp(known, since))
      : this.#catchUp(state, since);
  }

  /** Returns the result for a further call: the current position of the subscription. */
  place(): SubscribeResult {
    return { subscription: this.id, ...this.#position };
  }

  /** Whether the topic's position is known, or not needed. */
  get isPlaced(): boolean {
    return this.#early === undefined;
  }

  /**
   * Returns whether all events after `since` still wait to be sent, so that reading the history is
   * unnecessary.
   */
  covers(since: Position): boolean {
    const last = this.#position;
    if (last === undefined || last.epoch !== since.epoch || this.hasGap) return false;
    return since.offset <= last.offset && since.offset >= (this.firstUnsent ?? last.offset + 1) - 1;
  }

  deliver(event: EventPush): void {
    if (this.#early !== undefined) this.#keepEarly(event, this.#early);
    else if (this.#isNext(event) && this.mayReceive(event)) this.accept(event);
  }

  override mayReceive(event: EventPush): boolean {
    return this.#filter === undefined || this.#filter(event);
  }

  protected release(): void {
    this.#leave();
  }

  /**
   * Returns the subscriber's own epoch after a recovery, even if the history has a later one, since
   * the subscriber missed no event.
   */
  #catchUp(
    { epoch, offset, recovered, missed }: TopicState,
    since: Position | undefined,
  ): SubscribeResult {
    const early = this.#early ?? [];
    this.#early = undefined;
    this.replay(missed, epoch);
    this.#position = { epoch, offset };
    if (this.#droppedEarly > offset) this.missed();
    for (const event of early) this.deliver(event);
    const ownEpoch = recovered === true && since !== undefined ? since.epoch : epoch;
    return {
      subscription: this.id,
      epoch: ownEpoch,
      offset,
      ...(recovered === undefined ? {} : { recovered }),
    };
  }

  #keepEarly(event: EventPush, early: EventPush[]): void {
    early.push(event);
    if (early.length <= this.#maxEarly) return;
    // reported as a gap, unless the history has it
    this.#droppedEarly = Math.max(this.#droppedEarly, early.shift()?.offset ?? 0);
  }

  /**
   * Returns `false` for a duplicate event. Reports a gap if offsets before the event are missing.
   */
  #isNext({ epoch, offset }: EventPush): boolean {
    if (offset === undefined || epoch === undefined) return true;
    const last = this.#position;
    if (last?.epoch === epoch && offset <= last.offset) return false;
    // the epoch of a topic without events may change before its first event
    const isFirst = last?.offset === 0 && offset === 1;
    // the application's own log need not be numbered by one; what follows it says what is missing
    const isHole = this.#topic.log === undefined && offset !== (last?.offset ?? 0) + 1;
    if (!isFirst && (last?.epoch !== epoch || isHole)) this.missed();
    this.#position = { epoch, offset };
    return true;
  }
}
