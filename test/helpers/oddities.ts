/** What code of the application may do wherever a callback is taken, beside what it should. */

/**
 * Of what a callback returns. `right`: what it should be, though maybe late; `failure`: it throws
 * or rejects; `never`: it never settles.
 */
export type Outcome = "right" | "failure" | "never";

export type Callback = (...args: never[]) => unknown;

export interface Oddity {
  readonly name: string;
  readonly outcome: Outcome;
  /** Is the failure thrown, before anything is returned? */
  readonly isThrown?: true;
  /** A callback that does this with what the right one returns. */
  readonly of: (right: Callback) => Callback;
}

/** Thrown by odd callbacks. Its message must never reach a peer. */
export const oddFailure = new Error("an odd failure");

/** Can't be looked at. */
const shy = new Proxy(new Error("shy"), {
  get() {
    throw oddFailure;
  },
  getPrototypeOf() {
    throw oddFailure;
  },
});

const thenName = "then";

type Settle = (value?: unknown) => void;

/** A callback that returns a thenable with this `then`. */
function thenable(
  then: (settle: { resolve: Settle; reject: Settle }, result: () => unknown) => unknown,
) {
  return (right: Callback) =>
    (...args: never[]) => ({
      [thenName]: (resolve: Settle, reject: Settle) =>
        then({ resolve, reject }, () => right(...args)),
    });
}

export const oddities: readonly Oddity[] = [
  {
    name: "an async function",
    outcome: "right",
    of:
      (right) =>
      async (...args) =>
        right(...args),
  },
  {
    name: "an async function that rejects",
    outcome: "failure",
    of: () => () => Promise.reject(oddFailure),
  },
  {
    name: "an async function that rejects with what can't be looked at",
    outcome: "failure",
    of: () => () => Promise.reject(shy),
  },
  { name: "a never-settler", outcome: "never", of: () => () => new Promise(() => {}) },
  {
    name: "a thrower",
    outcome: "failure",
    isThrown: true,
    of: () => () => {
      throw oddFailure;
    },
  },
  {
    name: "a thrower of what can't be looked at",
    outcome: "failure",
    isThrown: true,
    of: () => () => {
      throw shy;
    },
  },
  {
    name: "a thenable whose then returns nothing",
    outcome: "right",
    of: thenable(({ resolve }, result) => resolve(result())),
  },
  {
    name: "a thenable that calls back late",
    outcome: "right",
    of: thenable(({ resolve }, result) => void setImmediate(() => resolve(result()))),
  },
  {
    name: "a thenable that calls back twice, and then both ways",
    outcome: "right",
    of: thenable(({ resolve, reject }, result) => {
      resolve(result());
      resolve("another");
      reject(oddFailure);
    }),
  },
  {
    name: "a thenable that calls back, and throws",
    outcome: "right",
    of: thenable(({ resolve }, result) => {
      resolve(result());
      throw oddFailure;
    }),
  },
  {
    name: "a thenable that rejects",
    outcome: "failure",
    of: thenable(({ reject }) => reject(oddFailure)),
  },
  { name: "a thenable that never calls back", outcome: "never", of: thenable(() => undefined) },
  {
    name: "a thenable whose then throws",
    outcome: "failure",
    of: thenable(() => {
      throw oddFailure;
    }),
  },
  {
    name: "a promise whose own then returns nothing",
    outcome: "right",
    of:
      (right) =>
      (...args) =>
        Object.assign(Promise.resolve(), {
          [thenName]: (resolve: Settle) => resolve(right(...args)),
        }),
  },
  {
    name: "what throws when it is asked whether it is a promise",
    outcome: "failure",
    of: () => () =>
      Object.defineProperty({}, thenName, {
        get() {
          throw oddFailure;
        },
      }),
  },
];

/** An odd callback, and when it is called for the first time: what it holds up has begun then. */
export function observe(
  { of, outcome }: Oddity,
  right: Callback,
): { readonly callback: Callback; readonly called: Promise<void>; readonly outcome: Outcome } {
  const callback = of(right);
  let tell = () => {};
  const called = new Promise<void>((resolve) => {
    tell = resolve;
  });
  return {
    outcome,
    called,
    callback: (...args) => {
      setImmediate(tell);
      return callback(...args);
    },
  };
}
