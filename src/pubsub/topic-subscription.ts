import type { Position, SubscribeResult } from "../protocol/messages.js";
import { isThenable, toPromise } from "../runtime/application-code.js";
import type { TopicState } from "./bus.js";
import { type SlowRule, type SubscriberPort, Subscription } from "./subscription.js";
import type { EventPush } from "./subscription-frames.js";
import type { TopicMember, TopicName, TopicServices } from "./topics.js";
import { topicKey } from "./topics.js";

/** A subscription to what many hear. Its id is the topic's name. */
export class TopicSubscription extends Subscription implements TopicMember {
  readonly #topic: TopicName;
  readonly #leave: () => void;
  readonly #maxEarly: number;
  /**
   * The event that was accepted last; undefined as long as it isn't known where the topic stands.
   */
  #position: Position | undefined;
  /** Events that came before that was known. */
  #early: EventPush[] | undefined;

  constructor(topic: TopicName, rule: SlowRule, services: TopicServices, port: SubscriberPort) {
    super(topic.name, rule, port);
    this.#topic = topic;
    this.#maxEarly = rule.buffer;
    if (topic.history !== undefined) this.#early = [];
    this.#leave = services.topics.join(topic, this);
  }

  /** Does this one serve that topic? */
  isOf({ route }: TopicName): boolean {
    return this.#topic.route === route;
  }

  /**
   * Finds out where the topic stands, and accepts what was missed since `since`. Rejects when that
   * can't be known.
   */
  open(
    { bus }: TopicServices,
    since: Position | undefined,
  ): SubscribeResult | Promise<SubscribeResult> {
    const { history } = this.#topic;
    if (history === undefined) return { subscription: this.id };
    const state = bus.read(topicKey(this.#topic), history, since);
    return isThenable(state)
      ? toPromise(state).then((known) => this.#catchUp(known, since))
      : this.#catchUp(state, since);
  }

  /** For whoever subscribes once more: where the subscription is. */
  place(): SubscribeResult {
    return { subscription: this.id, ...this.#position };
  }

  /** Is it known where the topic stands, if that is to be known? */
  get isPlaced(): boolean {
    return this.#early === undefined;
  }

  /** Is all that came after `since` still to be sent? Then nobody needs to read it once more. */
  covers(since: Position): boolean {
    const last = this.#position;
    if (last === undefined || last.epoch !== since.epoch || this.hasGap) return false;
    return since.offset <= last.offset && since.offset >= (this.firstUnsent ?? last.offset + 1) - 1;
  }

  deliver(event: EventPush): void {
    if (this.#early !== undefined) this.#keepEarly(event, this.#early);
    else if (this.#isNext(event)) this.accept(event);
  }

  protected release(): void {
    this.#leave();
  }

  /**
   * Whoever recovers keeps the epoch that was given, even if the history's own is later: nothing
   * has begun anew.
   */
  #catchUp(
    { epoch, offset, recovered, missed }: TopicState,
    since: Position | undefined,
  ): SubscribeResult {
    const early = this.#early ?? [];
    this.#early = undefined;
    this.replay(missed, epoch);
    this.#position = { epoch, offset };
    for (const event of early) this.deliver(event);
    const told = recovered === true && since !== undefined ? since.epoch : epoch;
    return {
      subscription: this.id,
      epoch: told,
      offset,
      ...(recovered === undefined ? {} : { recovered }),
    };
  }

  #keepEarly(event: EventPush, early: EventPush[]): void {
    early.push(event);
    if (early.length > this.#maxEarly) early.shift(); // its offset is missed, so the gap is told
  }

  /** False for an event that came twice. A hole before it is told with it. */
  #isNext({ epoch, offset }: EventPush): boolean {
    if (offset === undefined || epoch === undefined) return true;
    const last = this.#position;
    if (last?.epoch === epoch && offset <= last.offset) return false;
    // of a topic without events so far, whose epoch may have changed while it waited
    const isFirst = last?.offset === 0 && offset === 1;
    if (!isFirst && (last?.epoch !== epoch || offset !== last.offset + 1)) this.missed();
    this.#position = { epoch, offset };
    return true;
  }
}
