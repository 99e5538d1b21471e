import { z } from "zod";
import { createRpc } from "../../../src/index.js";

/** A generator's events, fed by the test. */
export class Faucet {
  readonly #values: unknown[] = [];
  #wake: () => void = () => {};
  #isOver = false;
  #failure: unknown;
  /** How often the generator was pulled. */
  pulls = 0;
  /** How many generators have begun, and how many have come to their end, however that was. */
  begun = 0;
  over = 0;
  signal: AbortSignal | undefined;
  subject: string | undefined;

  give(...values: readonly unknown[]): void {
    this.#values.push(...values);
    this.#wake();
  }

  finish(): void {
    this.#isOver = true;
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure = error;
    this.#wake();
  }

  async *events(signal: AbortSignal): AsyncGenerator<unknown> {
    this.begun++;
    this.signal = signal;
    signal.addEventListener("abort", () => this.#wake());
    try {
      while (!signal.aborted) {
        this.pulls++;
        while (
          this.#values.length === 0 &&
          !this.#isOver &&
          this.#failure === undefined &&
          !signal.aborted
        )
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        if (this.#values.length > 0) yield this.#values.shift();
        else if (this.#failure !== undefined) throw this.#failure;
        else return;
      }
    } finally {
      this.over++;
    }
  }
}

/** An application with a subscription for each rule of the protocol. */
export function feedApp() {
  const faucet = new Faucet();
  const slowCalls: (() => void)[] = [];
  const rpc = createRpc({
    scopes: ["read", "write"],
    notifications: { news: z.object({ n: z.number() }) },
  });
  const symbol = z.strictObject({ symbol: z.string() });
  const price = z.object({ price: z.number() });
  const app = rpc.router({
    /** A topic with a past. */
    prices: rpc.topic({
      ...{
        scope: "read" as const,
        params: symbol,
        event: price,
        key: ({ symbol }: { symbol: string }) => `prices:${symbol}`,
      },
      history: { size: 3, ttl: 60_000 },
    }),
    /** A topic without. */
    ticks: rpc.topic({ params: symbol, event: price, key: ({ symbol }) => `ticks:${symbol}` }),
    /** Of the same names as `ticks`. */
    twins: rpc.topic({ params: symbol, event: price, key: ({ symbol }) => `ticks:${symbol}` }),
    /** Only for the one that is named. */
    mine: rpc.topic({
      params: z.object({ user: z.string() }),
      authorize: ({ auth, params }) =>
        auth.subject === params.user && auth.claims.suspended !== true,
      key: ({ user }) => `mine:${user}`,
    }),
    nameless: rpc.topic({ key: () => "" }),
    /** A method that passes on what another server has answered to a subscription's call. */
    relay: rpc.method({
      params: z.object({ isLate: z.boolean() }),
      handler({ params }) {
        const answer = { subscription: "ticks:A", $subscription: true, price: 1 };
        return params.isLate ? Promise.resolve(answer) : answer;
      },
    }),
    watch: rpc.subscription({
      scope: "read",
      errors: { GONE: { code: 1404 } },
      handler: ({ signal, auth }) => {
        faucet.subject = auth.subject;
        return faucet.events(signal);
      },
    }),
    count: rpc.subscription({
      params: z.object({ to: z.number() }),
      event: z.number().max(3),
      async *handler({ params: { to } }) {
        for (let n = 1; n <= to; n++) yield n;
      },
    }),
    broken: rpc.subscription({
      errors: { GONE: { code: 1404 } },
      async *handler({ error }) {
        yield 1;
        throw error.GONE();
      },
    }),
    /** Pending until the test ends it. */
    slow: rpc.method({
      handler: () => new Promise<string>((resolve) => slowCalls.push(() => resolve("done"))),
    }),
    echo: rpc.method({ handler: ({ params }) => params }),
  });
  return { app, faucet, slowCalls };
}
