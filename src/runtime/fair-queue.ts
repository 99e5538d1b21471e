const shareOfUser = 1 / 4; // of the places, so that nobody's slow work holds up everybody
const mostPerTurn = 64; // begun in one turn of the event loop

/** What one user waits for. */
interface UserQueue<T> {
  readonly user: string;
  /** Places that are taken. */
  out: number;
  /** In order. */
  readonly waiting: Set<T>;
}

/**
 * Begins work of many users with a limited number of places: that of one user in order, and the
 * users in turn.
 */
export class FairQueue<T> {
  readonly #places: number;
  readonly #placesOfUser: number;
  readonly #begin: (item: T) => unknown;
  readonly #byUser = new Map<string, UserQueue<T>>();
  /** The users whose next item begins as soon as there is room, in turn. */
  readonly #ready = new Set<UserQueue<T>>();
  #out = 0;
  #begunInTurn = 0;
  #turn: NodeJS.Immediate | undefined;

  /** @param begin begins an item that waited; a promise keeps its place until it has settled */
  constructor(places: number, begin: (item: T) => unknown) {
    this.#places = places;
    this.#placesOfUser = places * shareOfUser;
    this.#begin = begin;
  }

  /** Whether work of this user may begin now, since nobody waits for a place before it. */
  isFree(user: string): boolean {
    const { waiting, out } = this.#queueOf(user);
    return (
      waiting.size === 0 && out < this.#placesOfUser && this.#ready.size === 0 && this.#hasRoom()
    );
  }

  /** Begins work now. It has a place until the promise that it returns has settled. */
  run<Result>(user: string, work: () => Result): Result {
    const queue = this.#queueOf(user);
    this.#byUser.set(user, queue);
    this.#begunInTurn++;
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#begunInTurn = 0;
      this.proceed();
    });
    const count = (change: 1 | -1) => {
      this.#out += change;
      queue.out += change;
    };
    const free = () => {
      count(-1);
      this.#review(queue);
    };
    const freeAndProceed = () => {
      free();
      this.proceed();
    };
    count(1);
    let result: Result | undefined;
    try {
      result = work();
      return result;
    } finally {
      if (result instanceof Promise) void result.then(freeAndProceed, freeAndProceed);
      else free();
    }
  }

  /** Lets an item wait for a place; call `proceed` then. */
  add(user: string, item: T): void {
    const queue = this.#queueOf(user);
    this.#byUser.set(user, queue);
    queue.waiting.add(item);
    this.#review(queue);
  }

  /** The item need not begin any more. */
  delete(user: string, item: T): void {
    const queue = this.#byUser.get(user);
    if (queue === undefined) return;
    queue.waiting.delete(item);
    this.#review(queue);
  }

  /** Begins what waits, as long as there is room. */
  proceed(): void {
    for (let [queue] = this.#ready; queue !== undefined && this.#hasRoom(); [queue] = this.#ready) {
      this.#ready.delete(queue);
      const [item] = queue.waiting as Set<T>;
      queue.waiting.delete(item as T);
      this.run(queue.user, () => this.#begin(item as T));
      this.#review(queue);
    }
  }

  /** Forgets what waits. */
  close(): void {
    clearImmediate(this.#turn);
    this.#byUser.clear();
    this.#ready.clear();
  }

  #hasRoom(): boolean {
    return this.#out < this.#places && this.#begunInTurn < mostPerTurn;
  }

  #queueOf(user: string): UserQueue<T> {
    return this.#byUser.get(user) ?? { user, out: 0, waiting: new Set() };
  }

  /** Whether it is this user's turn, after a change. */
  #review(queue: UserQueue<T>): void {
    if (queue.waiting.size === 0) this.#ready.delete(queue);
    else if (queue.out < this.#placesOfUser) this.#ready.add(queue);
    if (queue.out + queue.waiting.size === 0 && this.#byUser.get(queue.user) === queue)
      this.#byUser.delete(queue.user);
  }
}
