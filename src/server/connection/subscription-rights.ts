import { Deadlines } from "../../rpc/dispatch/deadlines.js";
import type { Clock } from "../../runtime/clock.js";
import type { SubscriptionRight } from "./subscription-right.js";

const mostOut = { urgent: 48, background: 16 }; // questions that are out at a time
const shareOfUser = 1 / 4; // of these, so that nobody's slow rules hold up everybody
const mostPerTurn = 64; // rights that are asked in one turn of the event loop

/** Who waits for the answer of a right that waits for its turn. */
interface Waiting {
  readonly answered: Promise<boolean>;
  readonly resolve: (answer: boolean | Promise<boolean>) => void;
}

/** The rights of one user. */
interface UserQueue {
  readonly user: string;
  /** Questions that are out. */
  out: number;
  /** In order. */
  readonly waiting: Map<SubscriptionRight, Waiting>;
}

/**
 * Asks rights, those of one user in order and the users in turn, as many at a time as the
 * application can be expected to answer.
 */
class RightQueue {
  readonly #mostOut: number;
  readonly #mostOfUser: number;
  readonly #byUser = new Map<string, UserQueue>();
  /** The users whose next right is asked as soon as there is room, in turn. */
  readonly #ready = new Set<UserQueue>();
  #out = 0;
  #askedInTurn = 0;
  #turn: NodeJS.Immediate | undefined;

  constructor(mostOut: number) {
    this.#mostOut = mostOut;
    this.#mostOfUser = mostOut * shareOfUser;
  }

  /** @param isDoubted whether the last answer may be wrong, so that events wait from now on */
  ask(right: SubscriptionRight, isDoubted: boolean): boolean | Promise<boolean> {
    if (right.isOut) return right.ask();
    const queue = this.#queueOf(right);
    const isFree = queue.waiting.size === 0 && queue.out < this.#mostOfUser;
    if (isFree && this.#ready.size === 0 && this.#hasRoom()) return this.#askNow(right, queue);
    if (isDoubted) right.subscription?.pause();
    return queue.waiting.get(right)?.answered ?? this.#wait(right, queue);
  }

  close(): void {
    clearImmediate(this.#turn);
    const queues = [...this.#byUser.values()];
    this.#byUser.clear();
    this.#ready.clear();
    for (const { waiting } of queues) for (const { resolve } of waiting.values()) resolve(false);
  }

  #hasRoom(): boolean {
    return this.#out < this.#mostOut && this.#askedInTurn < mostPerTurn;
  }

  #queueOf({ user }: SubscriptionRight): UserQueue {
    const known = this.#byUser.get(user);
    if (known !== undefined) return known;
    const queue = { user, out: 0, waiting: new Map() };
    this.#byUser.set(user, queue);
    return queue;
  }

  #wait(right: SubscriptionRight, queue: UserQueue): Promise<boolean> {
    let resolve: Waiting["resolve"] = () => {};
    const answered = new Promise<boolean>((settle) => {
      resolve = settle;
    });
    queue.waiting.set(right, { answered, resolve });
    this.#review(queue);
    return answered;
  }

  #askNow(right: SubscriptionRight, queue: UserQueue): boolean | Promise<boolean> {
    this.#askedInTurn++;
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#askedInTurn = 0;
      this.#proceed();
    });
    const count = (change: 1 | -1) => {
      this.#out += change;
      queue.out += change;
    };
    count(1);
    const answer = right.ask();
    if (!(answer instanceof Promise)) {
      count(-1);
      this.#review(queue);
      return answer;
    }
    return answer.finally(() => {
      count(-1);
      this.#review(queue);
      this.#proceed();
    });
  }

  /** Whether it is this user's turn, after a change. */
  #review(queue: UserQueue): void {
    if (queue.waiting.size === 0) this.#ready.delete(queue);
    else if (queue.out < this.#mostOfUser) this.#ready.add(queue);
    if (queue.out + queue.waiting.size === 0 && this.#byUser.get(queue.user) === queue)
      this.#byUser.delete(queue.user);
  }

  #proceed(): void {
    for (let [queue] = this.#ready; queue !== undefined && this.#hasRoom(); [queue] = this.#ready) {
      this.#ready.delete(queue);
      const [next] = queue.waiting;
      if (next === undefined) continue;
      const [right, { resolve }] = next;
      queue.waiting.delete(right);
      resolve(this.#askNow(right, queue));
      this.#review(queue);
    }
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
