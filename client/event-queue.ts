/** Stands where events were lost: in the place of an event with the option `gaps`, see `SubscribeOptions`. */
export const gap: unique symbol = Symbol.for("jotwire.gap"); // the same in two copies of this module

export interface EventQueue {
  put(event: unknown): void;
  /** Events were lost here. Says nothing when nothing came since the last time it was said. */
  lose(): void;
  /** The last word; `error`: what the consumer gets after what waits. `isNow`: nothing that waits is delivered any more. */
  end(error?: Error, isNow?: boolean): void;
  next(): Promise<IteratorResult<unknown, undefined>>;
}

interface Reader {
  resolve(result: IteratorResult<unknown, undefined>): void;
  reject(error: unknown): void;
}

const done = { done: true, value: undefined } as const;

/**
 * Events on their way to a consumer: at most `limit` of them wait, then the oldest go. Where some were lost, `gap` stands in their place
 * (`isMarked`), or `told` is called; never twice without an event between.
 */
export function createEventQueue(limit: number, isMarked: boolean, told: () => void): EventQueue {
  const items: unknown[] = [];
  const readers: Reader[] = [];
  let last: unknown; // what was put last
  let lastRead: unknown;
  let isHoled = false; // events were lost before the first item
  let ending: { readonly error: Error | undefined } | undefined;

  const put = (item: unknown) => {
    last = item;
    const reader = readers.shift();
    if (reader) return reader.resolve(read(item));
    items.push(item);
    if (items.length <= limit) return;
    items.shift();
    if (items[0] === gap) items.shift();
    if (isHoled || lastRead === gap) return;
    isHoled = true;
    if (!isMarked) told();
  };

  const read = (item: unknown) => {
    lastRead = item;
    return { done: false, value: item } as const;
  };

  return {
    put(event) {
      if (!ending) put(event);
    },
    lose() {
      if (ending || last === gap) return;
      if (isMarked) return put(gap);
      last = gap;
      told();
    },
    end(error, isNow) {
      if (ending && !isNow) return;
      ending = { error };
      if (isNow) {
        items.length = 0;
        isHoled = false;
      }
      const [first, ...others] = readers.splice(0);
      if (first && error) {
        ending = { error: undefined };
        first.reject(error);
      } else first?.resolve(done);
      for (const reader of others) reader.resolve(done);
    },
    next: () =>
      new Promise((resolve, reject) => {
        const wasHoled = isHoled;
        isHoled = false;
        if (wasHoled && isMarked) resolve(read(gap));
        else if (items.length > 0) resolve(read(items.shift()));
        else if (ending) {
          const { error } = ending;
          ending = { error: undefined }; // an error is told once
          if (error) reject(error);
          else resolve(done);
        } else readers.push({ resolve, reject });
      }),
  };
}
