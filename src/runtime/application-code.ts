/**
 * The border with code of the application: hooks, handlers, schemas, stores, loggers. Any of that
 * code may throw, return a promise where nobody expects one, never settle, or return a thenable
 * that breaks every rule. None of this may end the process or keep a slot for ever.
 */

/** Is it a promise of any make, or does it look like one? */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  const mayHaveMembers =
    (typeof value === "object" && value !== null) || typeof value === "function";
  return mayHaveMembers && typeof (value as { readonly then?: unknown }).then === "function";
}

const { then } = Promise.prototype;

/**
 * A promise that settles at most once, with what `value` comes to: the `then` of a thenable may
 * throw, return nothing, or call back late, twice or never. A native promise is returned as it is.
 */
export function toPromise<T>(value: PromiseLike<T>): Promise<T> {
  const isNative = value instanceof Promise && value.constructor === Promise && value.then === then;
  return isNative ? value : new Promise((resolve) => resolve(value));
}

/**
 * Calls `callback` and waits for nothing. `failed` hears what the callback throws or rejects with,
 * and must not throw itself.
 */
export function fireAndForget(callback: () => unknown, failed: (error: unknown) => void): void {
  try {
    const result = callback();
    if (isThenable(result)) toPromise(result).catch(failed);
  } catch (error) {
    failed(error);
  }
}

/**
 * Takes note of a promise that came where none was expected, so that its rejection does not end the
 * process.
 */
export function ignoreOutcome(value: unknown): void {
  if (isThenable(value)) toPromise(value).catch(() => {});
}

/**
 * Returns what a callback returned that must answer at once. @throws TypeError when that is a
 * promise; nobody waits for its outcome
 */
export function mustBeSynchronous<T>(value: T, what: string): Exclude<T, PromiseLike<unknown>> {
  if (!isThenable(value)) return value as Exclude<T, PromiseLike<unknown>>;
  ignoreOutcome(value);
  throw new TypeError(`${what} must be synchronous, but returned a promise`);
}

/**
 * The function that a `subscribe` returned to end the subscription; it neither throws nor rejects
 * any more.
 *
 * @throws TypeError when `value` is no function
 */
export function stopperOf(value: unknown, what: string): () => void {
  if (typeof value === "function")
    return () =>
      fireAndForget(
        () => value(),
        () => {},
      );
  ignoreOutcome(value);
  throw new TypeError(`${what} must return the function that ends the subscription`);
}

interface Timers {
  after(delayMs: number, callback: () => void): () => void;
}

/**
 * Settles as `work` does, but rejects when that takes longer than `timeoutMs`. Nobody hears what
 * `work` comes to after that.
 */
export function withTimeout<T>(
  work: PromiseLike<T>,
  timeoutMs: number,
  timers: Timers,
  what: string,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = timers.after(timeoutMs, () =>
      reject(new Error(`${what} has not settled within ${timeoutMs / 1000} s`)),
    );
    toPromise(work).then(resolve, reject).finally(stop);
  });
}

type Log = (fields: object, message: string) => unknown;

/** Throws `TypeError` if `logger`, given as the option `logger`, lacks one of these methods. */
export function checkLogger<Level extends string>(
  logger: Readonly<Record<Level, Log>>,
  levels: readonly Level[],
): void {
  if (hasMethods(logger, levels)) return;
  throw new TypeError(
    `logger must have the methods ${levels.join(", ")}, each of (fields, message), as pino has`,
  );
}

export function hasMethods<Name extends string>(
  value: unknown,
  names: readonly Name[],
): value is Readonly<Record<Name, Log>> {
  return (
    typeof value === "object" &&
    value !== null &&
    names.every((name) => typeof (value as Partial<Record<Name, Log>>)[name] === "function")
  );
}

/** These methods of a logger, none of which throws or rejects any more: nobody could log that. */
export function unfailingMethods<Level extends string>(
  logger: Readonly<Record<Level, Log>>,
  levels: readonly Level[],
): Record<Level, Log> {
  const methods = {} as Record<Level, Log>;
  for (const level of levels)
    methods[level] = (fields, message) =>
      fireAndForget(
        () => logger[level](fields, message),
        () => {},
      );
  return methods;
}
