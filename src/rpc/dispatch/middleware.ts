import { isThenable, toPromise } from "../../runtime/application-code.js";
import type { Pipeline } from "../define/layers.js";
import type { MiddlewareResult, Next } from "../define/middleware.js";
import { type Call, CallContext } from "./call.js";

/** The rest of a call, behind its middleware. */
export interface Inner {
  /** Throws if the call is over, or its session no longer allows it. */
  admit(): void;
  /** Runs the handler, or opens the subscription. */
  run(): unknown;
}

/** The argument of a middleware, and of the function that makes the context. */
class MiddlewareArgument extends CallContext {
  readonly method: string;
  readonly next: Next | undefined;
  readonly #context: object;

  constructor(call: Call, params: unknown, context: object, next?: Next) {
    super(call, params);
    this.method = call.entry.name;
    this.next = next;
    this.#context = context;
  }

  override get context(): object {
    return this.#context;
  }
}

/** What `next` resolves with: one object for each call of it, so that none is mistaken. */
class Passed {
  readonly result: unknown;

  constructor(result: unknown) {
    this.result = result;
  }
}

/**
 * Runs a call through the application's middleware, the outermost first:
 *
 *   createContext → middleware → … → middleware → the handler, or subscribe
 *
 * Before each step the call must still be admitted: a session that ends meanwhile begins nothing
 * more. Synchronous only without middleware, and if `createContext` is.
 */
export function runPipeline(
  { createContext, middlewares }: Pipeline,
  call: Call,
  params: unknown,
  inner: Inner,
): unknown {
  const from = (at: number, context: object): unknown => {
    const middleware = middlewares[at];
    if (middleware !== undefined)
      return new Step(call, params, context).run(middleware, (passed) => {
        inner.admit();
        return from(at + 1, passed);
      });
    call.context = context;
    return inner.run();
  };
  const { context } = call.entry;
  if (createContext === undefined) return from(0, context);
  const made = createContext(new MiddlewareArgument(call, params, context) as never);
  if (!isThenable(made)) return from(0, objectOf(made, "createRpc: context must return an object"));
  return toPromise(made).then((value) => {
    inner.admit();
    return from(0, objectOf(value, "createRpc: context must return an object"));
  });
}

/** One middleware in one call. */
class Step {
  readonly #call: Call;
  readonly #params: unknown;
  readonly #context: object;
  #passing: Promise<MiddlewareResult> | undefined;
  #passed: Passed | undefined;
  /** Whether `next` was called and has not settled. */
  #isPassing = false;
  #isOver = false;
  #misuse: Error | undefined;

  constructor(call: Call, params: unknown, context: object) {
    this.#call = call;
    this.#params = params;
    this.#context = context;
  }

  /** Throws what the middleware throws, and `TypeError` if it breaks the rules of `next`. */
  async run(
    middleware: (context: never) => unknown,
    proceed: (context: object) => unknown,
  ): Promise<unknown> {
    const next = (options?: { readonly context: object }) => this.#next(options, proceed);
    const argument = new MiddlewareArgument(this.#call, this.#params, this.#context, next as Next);
    let returned: unknown;
    try {
      returned = await outcomeOf(middleware(argument as never));
    } finally {
      this.#isOver = true;
      if (this.#isPassing) this.#call.leave(this.#passing); // it has not waited for the handler
    }
    if (this.#misuse !== undefined) throw this.#misuse;
    if (this.#passed === undefined || returned !== this.#passed)
      throw new TypeError("a middleware must return what next() resolves with, or throw");
    return this.#passed.result;
  }

  #next(
    options: { readonly context: object } | undefined,
    proceed: (context: object) => unknown,
  ): Promise<MiddlewareResult> {
    if (this.#isOver || this.#passing !== undefined) {
      const when = this.#isOver ? "after it has returned" : "twice";
      this.#misuse = new TypeError(`a middleware has called next() ${when}`);
    }
    const passing =
      this.#misuse === undefined ? this.#pass(options, proceed) : Promise.reject(this.#misuse);
    passing.catch(() => {}); // a middleware that does not wait must not end the process
    this.#passing ??= passing;
    return passing;
  }

  async #pass(
    options: { readonly context: object } | undefined,
    proceed: (context: object) => unknown,
  ): Promise<MiddlewareResult> {
    this.#isPassing = true;
    try {
      this.#passed = new Passed(await outcomeOf(proceed(this.#contextWith(options?.context))));
      return this.#passed as unknown as MiddlewareResult;
    } finally {
      this.#isPassing = false;
    }
  }

  #contextWith(added: object | undefined): object {
    if (added === undefined) return this.#context;
    return { ...this.#context, ...objectOf(added, "next: context must be an object") };
  }
}

/** By its own `then`, which `await` alone does not call on a promise. */
function outcomeOf(value: unknown): unknown {
  return isThenable(value) ? toPromise(value) : value;
}

/** Throws `TypeError` with this message for anything but an object. */
function objectOf(value: unknown, message: string): object {
  if (typeof value === "object" && value !== null) return value;
  throw new TypeError(`${message}, not ${value === null ? "null" : typeof value}`);
}
