/** Settles one promise. */
type Waiter = [resolve: () => void, reject: (error: unknown) => void];

/** Those who wait for the same thing. */
export type Waiters = Waiter[];

export function join(waiters: Waiters): Promise<void> {
  return new Promise((...waiter) => {
    waiters.push(waiter);
  });
}

/** Resolves all of them. */
export function release(waiters: Waiters): void {
  for (const [resolve] of waiters.splice(0)) resolve();
}

/** Rejects all of them. */
export function dismiss(waiters: Waiters, error: unknown): void {
  for (const [, reject] of waiters.splice(0)) reject(error);
}
