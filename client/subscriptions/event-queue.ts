/**
 * Stands where events were lost: in the place of an event with the option `gaps`, see
 * `SubscribeOptions`.
 */
// the same in two copies of this module
export const gap: unique symbol = Symbol.for("jotwire.gap");

export interface EventQueue {
  put(event: unknown): void;
  /**
   * Events were lost here. It is told once as long as the consumer hasn't read that; who has may
   * have read the whole anew since, and is told again.
   */
  lose(): void;
  /**
   * The last word; `error`: what the consumer gets after what waits. `isNow`: nothing that waits is
   * delivered any more.
   */
  end(error?: Error, isNow?: boolean): void;
  next(): Promise<IteratorResult<unknown, undefined>>;
}

/** What an iterator gives at its end. */
export const done: IteratorResult<never, undefined> = { done: true, value: undefined };

type Reader = [
  resolve: (result: IteratorResult<unknown, undefined>) => void,
  reject: (error: unknown) => void,
];

/**
 * Events on their way to a consumer: at most `limit` of them wait, then the oldest go. Where some
 * were lost, the consumer reads `gap` (`isMarked`), or `told` is called as it comes to that place.
 */
export function createEventQueue(limit: number, isMarked: boolean, told: () => void): EventQueue {
  // by number, so that neither end costs more when many wait
  const items = new Map<number, unknown>();
  const readers: Reader[] = [];
  let first = 0;
  let end = 0;
  let ending: (Error | undefined)[] | undefined; // with the error that is to be told, once

  const shift = () => {
    const value = items.get(first);
    items.delete(first++);
    return value;
  };

  const push = (item: unknown) => {
    items.set(end++, item);
    settle();
  };

  /** Gives those who wait what there is. `told` may do anything, so that each step looks anew. */
  const settle = () => {
    while (readers.length > 0 && (items.size > 0 || ending)) {
      const isEmpty = items.size === 0;
      const value = shift();
      if (!isEmpty && value === gap && !isMarked) {
        told();
        continue;
      }
      const [resolve, reject] = readers.shift() as Reader;
      const error = isEmpty && ending?.pop();
      if (error) reject(error);
      else resolve(isEmpty ? done : { done: false, value });
    }
  };

  return {
    put(event) {
      if (ending) return;
      push(event);
      const oldest = items.get(first) === gap ? 1 : 0;
      if (items.size - oldest <= limit) return;
      if (oldest) shift();
      shift();
      if (items.get(first) !== gap) items.set(--first, gap);
    },
    lose() {
      if (!ending && items.get(end - 1) !== gap) push(gap);
    },
    end(error, isNow) {
      if (ending && !isNow) return;
      ending = [error];
      if (isNow) items.clear();
      settle();
    },
    next: () =>
      new Promise((...reader) => {
        readers.push(reader);
        settle();
      }),
  };
}
