import { Deadlines } from "../../rpc/dispatch/deadlines.js";
import type { Clock } from "../../runtime/clock.js";
import { FairQueue } from "../../runtime/fair-queue.js";
import type { SubscriptionRight } from "./subscription-right.js";

const mostOut = { urgent: 48, background: 16 }; // questions that are out at a time

/** Who waits for the answer of a right that waits for its turn. */
interface Waiting {
  readonly answered: Promise<boolean>;
  readonly resolve: (answer: boolean | Promise<boolean>) => void;
}

/** Asks rights, as many at a time as the application can be expected to answer. */
class RightQueue {
  readonly #queue: FairQueue<SubscriptionRight>;
  readonly #waiting = new Map<SubscriptionRight, Waiting>();

  constructor(mostOut: number) {
    this.#queue = new FairQueue(mostOut, (right) => this.#ask(right));
  }

  /** @param isDoubted whether the last answer may be wrong, so that events wait from now on */
  ask(right: SubscriptionRight, isDoubted: boolean): boolean | Promise<boolean> {
    if (right.isOut) return right.ask();
    const { user } = right;
    const waiting = this.#waiting.get(right);
    if (waiting === undefined && this.#queue.isFree(user))
      return this.#queue.run(user, () => right.ask());
    if (isDoubted) right.subscription?.pause();
    return waiting?.answered ?? this.#wait(right);
  }

  close(): void {
    this.#queue.close();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { resolve } of waiting) resolve(false);
  }

  #wait(right: SubscriptionRight): Promise<boolean> {
    let resolve: Waiting["resolve"] = () => {};
    const answered = new Promise<boolean>((settle) => {
      resolve = settle;
    });
    this.#waiting.set(right, { answered, resolve });
    this.#queue.add(right.user, right);
    return answered;
  }

  #ask(right: SubscriptionRight): boolean | Promise<boolean> {
    const answer = right.ask();
    this.#waiting.get(right)?.resolve(answer);
    this.#waiting.delete(right);
    return answer;
  }
}

/**
 * The rights of this node's subscriptions that depend on a rule of the application, and the order
 * in which they are asked again. What concerns few of them does not wait for what concerns all. The
 * events of a subscription wait until its right is confirmed.
 */
export class SubscriptionRights {
  readonly #urgent = new RightQueue(mostOut.urgent);
  readonly #background = new RightQueue(mostOut.background);
  /** By method and topic key; under the empty key those of a generator. */
  readonly #byTopic = new Map<string, Map<string, Set<SubscriptionRight>>>();
  readonly #due: Deadlines<SubscriptionRight>;

  constructor(clock: Clock) {
    this.#due = new Deadlines(clock, (right) => void this.#askAndRepeat(right));
  }

  /** Registers a right whose rule is asked for the first time. */
  add(right: SubscriptionRight): void {
    const { name } = right.entry;
    const topics = this.#byTopic.get(name) ?? new Map<string, Set<SubscriptionRight>>();
    this.#byTopic.set(name, topics);
    const rights = topics.get(right.topic) ?? new Set();
    topics.set(right.topic, rights.add(right));
  }

  /** Of all methods, of one, or of one of its topics. */
  of(method?: string, topic?: string): readonly SubscriptionRight[] {
    const methods =
      method === undefined ? [...this.#byTopic.values()] : [this.#byTopic.get(method)];
    return methods.flatMap((topics) =>
      topic === undefined
        ? [...(topics?.values() ?? [])].flatMap((rights) => [...rights])
        : [...(topics?.get(topic) ?? [])],
    );
  }

  /** For a refresh, or a change for one user or one topic. */
  ask(right: SubscriptionRight): boolean | Promise<boolean> {
    return this.#urgent.ask(right, true);
  }

  /** For a change that may concern all subscriptions. */
  askInBackground(right: SubscriptionRight): boolean | Promise<boolean> {
    return this.#background.ask(right, true);
  }

  /** Asks a granted right every so often, if its declaration says so. */
  repeat(right: SubscriptionRight): void {
    const { askEvery } = right.entry.feed;
    if (askEvery !== undefined && right.subscription?.state !== "ended")
      this.#due.add(right, askEvery);
  }

  /** The subscription is over, or did not begin. */
  forget(right: SubscriptionRight): void {
    const { name, feed } = right.entry;
    if (feed.askEvery !== undefined) this.#due.delete(right, feed.askEvery);
    right.close();
    const topics = this.#byTopic.get(name);
    const rights = topics?.get(right.topic);
    rights?.delete(right);
    if (rights?.size === 0) topics?.delete(right.topic);
  }

  close(): void {
    this.#due.clear();
    this.#urgent.close();
    this.#background.close();
  }

  async #askAndRepeat(right: SubscriptionRight): Promise<void> {
    await this.#background.ask(right, false);
    this.repeat(right);
  }
}
