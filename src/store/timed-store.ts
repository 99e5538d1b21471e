import type { StoreObserver } from "../auth/issuer-port.js";
import type { RevocationRecords } from "../auth/revocation/revocation.js";
import type { Bus } from "../pubsub/bus.js";
import { fireAndForget, isThenable, withTimeout } from "../runtime/application-code.js";
import type { Clock } from "../runtime/clock.js";
import type { Store, StoreRecords } from "./store.js";

const directory = ["add", "get", "remove", "list"] as const;

/** What is timed: all that asks the store something. To listen is no operation. */
const operations = {
  users: [...directory, "update"],
  clients: directory,
  families: ["add", "get", "rotate", "revoke", "revokeSubject", "sweep"],
  attempts: ["get", "fail", "clear", "sweep"],
  rates: ["add", "giveBack", "get"],
  secrets: ["get", "replace"],
  revocations: ["add", "list", "sweep"],
  bus: ["publish", "read", "send"],
} as const;

const operationTimeoutMs = 10_000;
const wholeTimeoutMs = 60_000; // of what goes through all records
const wholeOperations = /\.(list|sweep)$/;

type Part = keyof typeof operations;

/** Every name that an observer may hear. */
export const storeOperations: readonly string[] = Object.entries(operations).flatMap(
  ([part, methods]) => methods.map((method) => `${part}.${method}`),
);

/**
 * Tells observers of what is done at a store: each method of what it returns does what the method
 * of the same name does, but rejects when that takes too long. A store that never answers would
 * keep logins and refreshes of everybody for ever.
 */
export class TimedStore {
  readonly #clock: Clock;
  readonly #observers = new Set<StoreObserver>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns the function that ends it. */
  observe(observer: StoreObserver): () => void {
    this.#observers.add(observer);
    return () => {
      this.#observers.delete(observer);
    };
  }

  /** What an issuer needs of a store. */
  store(store: Store): Store {
    const { operation } = store;
    return {
      ...this.#records(store),
      ...(operation === undefined ? {} : { operation: () => this.#records(operation.call(store)) }),
      ...(store.bus === undefined ? {} : { bus: this.bus(store.bus) }),
      ...(store.history === undefined ? {} : { history: store.history }),
      close: () => store.close(),
    };
  }

  #records(records: StoreRecords): StoreRecords {
    return {
      users: this.#timed("users", records.users),
      clients: this.#timed("clients", records.clients),
      families: this.#timed("families", records.families),
      attempts: this.#timed("attempts", records.attempts),
      rates: this.#timed("rates", records.rates),
      secrets: this.#timed("secrets", records.secrets),
      revocations: this.revocations(records.revocations),
    };
  }

  revocations(records: RevocationRecords): RevocationRecords {
    return {
      ...this.#timed("revocations", records),
      subscribe: (listener) => records.subscribe(listener),
      ...(records.now === undefined ? {} : { now: () => records.now?.() }),
      ...(records.whenCurrent === undefined
        ? {}
        : { whenCurrent: () => records.whenCurrent?.() ?? Promise.resolve() }),
    };
  }

  bus(bus: Bus): Bus {
    return { ...this.#timed("bus", bus), subscribe: (listener) => bus.subscribe(listener) };
  }

  #timed<
    Name extends Part,
    Records extends {
      readonly [Method in (typeof operations)[Name][number]]?: (...args: never) => unknown;
    },
  >(part: Name, records: Records): Pick<Records, (typeof operations)[Name][number]> {
    const methods: readonly (typeof operations)[Name][number][] = operations[part];
    const present = methods.filter((method) => records[method] !== undefined);
    const timed = present.map((method) => {
      const operation = `${part}.${method}`;
      const run = (args: readonly unknown[]) =>
        Reflect.apply(records[method] as (...args: never) => unknown, records, args);
      return [method, (...args: readonly unknown[]) => this.#time(operation, () => run(args))];
    });
    return Object.fromEntries(timed);
  }

  #time(operation: string, work: () => unknown): unknown {
    const startedAt = this.#clock.monotonic();
    const tell = (hasFailed: boolean): void => {
      const duration = (this.#clock.monotonic() - startedAt) / 1000;
      for (const observer of this.#observers)
        fireAndForget(
          () => observer(operation, duration, hasFailed),
          () => {},
        );
    };
    let result: unknown;
    try {
      result = work();
    } catch (error) {
      tell(true);
      throw error;
    }
    if (isThenable(result)) return this.#inTime(result, operation, tell);
    tell(false);
    return result;
  }

  #inTime(
    result: PromiseLike<unknown>,
    operation: string,
    tell: (hasFailed: boolean) => void,
  ): Promise<unknown> {
    const timeoutMs = wholeOperations.test(operation) ? wholeTimeoutMs : operationTimeoutMs;
    const outcome = withTimeout(result, timeoutMs, this.#clock, `${operation} of the store`);
    outcome.then(
      () => tell(false),
      () => tell(true),
    );
    return outcome;
  }
}
