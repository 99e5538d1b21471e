/**
 * Stands among the events of a subscription where some were lost, with its option `gaps`.
 *
 * @example
 * ```ts
 * for await (const price of client.api.prices({ symbol: "BTC" }, { gaps: true })) {
 *   if (price === gap) await readAgain();
 *   else show(price);
 * }
 * ```
 */
// the same in two copies of this module
export const gap: unique symbol = Symbol.for("jotwire.gap");

export interface EventQueue {
  put(event: unknown): void;
  /**
   * Marks that events were lost here. Losses that the consumer hasn't read yet count as one; a loss
   * after that is another one, since the consumer may have read the whole state anew in between.
   */
  lose(): void;
  /**
   * Ends the queue, after the events that wait, or at once and without them (`isNow`). The consumer
   * gets `error` then.
   */
  end(error?: Error, isNow?: boolean): void;
  next(): Promise<IteratorResult<unknown, undefined>>;
}

/** The result of an iterator at its end. */
export const done: IteratorResult<never, undefined> = { done: true, value: undefined };

type Reader = [
  resolve: (result: IteratorResult<unknown, undefined>) => void,
  reject: (error: unknown) => void,
];

/**
 * A queue of events for one consumer. At most `limit` events wait, and the oldest are dropped.
 * Where some were lost, the consumer reads `gap` (`isMarked`), or `told` is called when the
 * consumer comes to that place.
 */
export function createEventQueue(limit: number, isMarked: boolean, told: () => void): EventQueue {
  // by number, so that neither end costs more when many wait
  const items = new Map<number, unknown>();
  const readers: Reader[] = [];
  let first = 0;
  let end = 0;
  let ending: (Error | undefined)[] | undefined; // with the error, which one reader gets

  const shift = () => {
    const value = items.get(first);
    items.delete(first++);
    return value;
  };

  const push = (item: unknown) => {
    items.set(end++, item);
    settle();
  };

  /** Gives waiting readers the events. `told` may do anything, so that each step looks anew. */
  const settle = () => {
    while (readers.length && (items.size || ending)) {
      const isEmpty = !items.size;
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
