/** Settles one promise. */
type Waiter = [resolve: () => void, reject: (error: unknown) => void];

/** Those who wait for the same thing. */
export type Waiters = Waiter[];

export function join(waiters: Waiters): Promise<void> {
  return new Promise((...waiter) => {
    waiters.push(waiter);
  });
}

export const resolved = 0;
export const rejected = 1;

/** Resolves all of them, or rejects them with `error`. */
export function settle(
  waiters: Waiters,
  how: typeof resolved | typeof rejected,
  error?: unknown,
): void {
  for (const waiter of waiters.splice(0)) waiter[how](error);
}
