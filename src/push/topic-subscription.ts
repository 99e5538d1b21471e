import type { Position, SubscribeResult } from "../protocol/messages.js";
import type { TopicState } from "./bus.js";
import { type SlowRule, type SubscriberPort, Subscription } from "./subscription.js";
import { EventPush } from "./subscription-frames.js";
import type { TopicMember, TopicName, TopicServices } from "./topics.js";
import { topicKey } from "./topics.js";

/** A subscription to what many hear. Its id is the topic's name. */
export class TopicSubscription extends Subscription implements TopicMember {
  readonly #topic: TopicName;
  readonly #leave: () => void;
  readonly #mostEarly: number;
  /** The event that was accepted last; undefined as long as it isn't known where the topic stands. */
  #position: Position | undefined;
  /** Events that came before that was known. */
  #early: EventPush[] | undefined;

  constructor(topic: TopicName, rule: SlowRule, services: TopicServices, port: SubscriberPort) {
    super(topic.name, rule, port);
    this.#topic = topic;
    this.#mostEarly = rule.buffer;
    if (topic.history !== undefined) this.#early = [];
    this.#leave = services.topics.join(topic, this);
  }

  /** Does this one serve that topic? */
  isOf({ route }: TopicName): boolean {
    return this.#topic.route === route;
  }

  /** Finds out where the topic stands, and accepts what was missed since `since`. Rejects when that can't be known. */
  open({ bus }: TopicServices, since: Position | undefined): SubscribeResult | Promise<SubscribeResult> {
    const { history } = this.#topic;
    if (history === undefined) return { subscription: this.id };
    const state = bus.read(topicKey(this.#topic), history, since);
    return state instanceof Promise ? state.then((known) => this.#catchUp(known)) : this.#catchUp(state);
  }

  /** For whoever subscribes once more: where the subscription is. */
  place(): SubscribeResult {
    return { subscription: this.id, ...this.#position };
  }

  deliver(event: EventPush): void {
    if (this.#early !== undefined) this.#keepEarly(event, this.#early);
    else if (this.#isNext(event)) this.accept(event);
  }

  protected release(): void {
    this.#leave();
  }

  #catchUp({ epoch, offset, recovered, missed }: TopicState): SubscribeResult {
    const early = this.#early ?? [];
    this.#early = undefined;
    this.replay(missed.map((past) => new EventPush(this.id, past.data, past.offset, epoch)));
    this.#position = { epoch, offset };
    for (const event of early) this.deliver(event);
    return { subscription: this.id, epoch, offset, ...(recovered === undefined ? {} : { recovered }) };
  }

  #keepEarly(event: EventPush, early: EventPush[]): void {
    early.push(event);
    if (early.length > this.#mostEarly) early.shift(); // its offset is missed, so the gap is told
  }

  /** False for an event that came twice. A hole before it is told with it. */
  #isNext({ epoch, offset }: EventPush): boolean {
    if (offset === undefined || epoch === undefined) return true;
    const last = this.#position;
    if (last?.epoch === epoch && offset <= last.offset) return false;
    if (last?.epoch !== epoch || offset !== last.offset + 1) this.missed();
    this.#position = { epoch, offset };
    return true;
  }
}
