import { Deadlines } from "../../rpc/dispatch/deadlines.js";
import type { Clock } from "../../runtime/clock.js";
import type { SubscriptionRight } from "./subscription-right.js";

const mostOut = { urgent: 64, background: 32 }; // questions that are out at a time
const mostPerTurn = 64; // rights that are asked in one turn of the event loop

/** One right that waits for its turn, and who waits for its answer. */
interface Waiting {
  readonly right: SubscriptionRight;
  readonly answered: Promise<boolean>;
  readonly resolve: (answer: boolean | Promise<boolean>) => void;
}

/** Asks rights in order, as many at a time as the application can be expected to answer. */
class RightQueue {
  readonly #mostOut: number;
  #waiting: Waiting[] = [];
  /** Index in `#waiting` of the next one. */
  #next = 0;
  readonly #byRight = new Map<SubscriptionRight, Waiting>();
  #out = 0;
  #askedInTurn = 0;
  #turn: NodeJS.Immediate | undefined;

  constructor(mostOut: number) {
    this.#mostOut = mostOut;
  }

  /** @param isDoubted whether the last answer may be wrong, so that events wait from now on */
  ask(right: SubscriptionRight, isDoubted: boolean): boolean | Promise<boolean> {
    if (right.isOut) return right.ask();
    const known = this.#byRight.get(right);
    if (known === undefined && this.#byRight.size === 0 && this.#hasRoom())
      return this.#askNow(right);
    if (isDoubted) right.subscription?.pause();
    return known?.answered ?? this.#wait(right);
  }

  close(): void {
    clearImmediate(this.#turn);
    for (const { resolve } of this.#byRight.values()) resolve(false);
    this.#waiting = [];
    this.#byRight.clear();
  }

  #hasRoom(): boolean {
    return this.#out < this.#mostOut && this.#askedInTurn < mostPerTurn;
  }

  #wait(right: SubscriptionRight): Promise<boolean> {
    let resolve: Waiting["resolve"] = () => {};
    const answered = new Promise<boolean>((settle) => {
      resolve = settle;
    });
    const waiting = { right, answered, resolve };
    this.#waiting.push(waiting);
    this.#byRight.set(right, waiting);
    return answered;
  }

  #askNow(right: SubscriptionRight): boolean | Promise<boolean> {
    this.#askedInTurn++;
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#askedInTurn = 0;
      this.#proceed();
    });
    const answer = right.ask();
    if (!(answer instanceof Promise)) return answer;
    this.#out++;
    return answer.finally(() => {
      this.#out--;
      this.#proceed();
    });
  }

  #proceed(): void {
    while (this.#next < this.#waiting.length && this.#hasRoom()) {
      const { right, resolve } = this.#waiting[this.#next++] as Waiting;
      this.#byRight.delete(right);
      resolve(this.#askNow(right));
    }
    if (this.#next < this.#waiting.length) return;
    this.#waiting = [];
    this.#next = 0;
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
