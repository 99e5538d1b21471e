/** Stands where events were lost: in the place of an event with the option `gaps`, see `SubscribeOptions`. */
export const gap: unique symbol = Symbol.for("jotwire.gap"); // the same in two copies of this module

export interface EventQueue {
  put(event: unknown): void;
  /** Events were lost here. It is told once as long as the consumer hasn't read that; who has may have read the whole anew since, and is told again. */
  lose(): void;
  /** The last word; `error`: what the consumer gets after what waits. `isNow`: nothing that waits is delivered any more. */
  end(error?: Error, isNow?: boolean): void;
  next(): Promise<IteratorResult<unknown, undefined>>;
}

interface Reader {
  resolve(result: IteratorResult<unknown, undefined>): void;
  reject(error: unknown): void;
}

/**
 * Events on their way to a consumer: at most `limit` of them wait, then the oldest go. Where some were lost, the consumer reads `gap`
 * (`isMarked`), or `told` is called as it comes to that place.
 */
export function createEventQueue(limit: number, isMarked: boolean, told: () => void): EventQueue {
  const items: unknown[] = [];
  const readers: Reader[] = [];
  let ending: { readonly error: Error | undefined } | undefined;

  /** Gives those who wait what there is. `told` may do anything, so that each step looks anew. */
  const settle = () => {
    while (readers.length > 0) {
      if (items.length > 0) {
        const value = items.shift();
        if (value === gap && !isMarked) told();
        else readers.shift()?.resolve({ done: false, value });
      } else if (ending) {
        const { error } = ending;
        ending = { error: undefined }; // an error is told once
        const reader = readers.shift();
        if (error) reader?.reject(error);
        else reader?.resolve({ done: true, value: undefined });
      } else return;
    }
  };

  return {
    put(event) {
      if (ending) return;
      items.push(event);
      settle();
      const oldest = items[0] === gap ? 1 : 0;
      if (items.length - oldest <= limit) return;
      items.splice(0, oldest + 1);
      if (items[0] !== gap) items.unshift(gap);
    },
    lose() {
      if (ending || items.at(-1) === gap) return;
      items.push(gap);
      settle();
    },
    end(error, isNow) {
      if (ending && !isNow) return;
      ending = { error };
      if (isNow) items.length = 0;
      settle();
    },
    next: () =>
      new Promise((resolve, reject) => {
        readers.push({ resolve, reject });
        settle();
      }),
  };
}
