import type { CallName, Untyped } from "./client-api.js";
import type { TokenCallback } from "./session/token-request.js";
import type { BackoffRange } from "./transport/backoff.js";
import { type ClientClock, machineClock } from "./transport/clock.js";
import type { SocketConstructor } from "./transport/socket.js";
import { withDefaults } from "./with-defaults.js";

/** The options of `createClient`. Times are in milliseconds. */
export interface ClientOptions<App = Untyped> {
  /**
   * Where the server listens, `ws:` or `wss:`; a function is asked before every connection, and
   * again when it throws. Never put a token into it.
   */
  readonly url: string | URL | (() => string | URL | Promise<string | URL>);
  /**
   * Gives an access token. Without it the client never authenticates and is `ready` as soon as the
   * socket is open: for public methods.
   */
  readonly token?: TokenCallback | null | undefined;
  /**
   * Time limit of each call of `token()`; `Infinity`: none, for one that opens a login window.
   *
   * @default 10_000 ms
   */
  readonly tokenTimeout?: number | undefined;
  /**
   * Time limit of each call, waiting for a connection included; `Infinity`: none.
   *
   * @default 30_000 ms
   */
  readonly timeout?: number | undefined;
  /**
   * How many calls may wait to be sent; the next ones reject with `queue_full`.
   *
   * @default 1024 calls
   */
  readonly queue?: number | undefined;
  /**
   * Between two attempts to connect, or to get a token: full jitter, doubling from `min` to `max`.
   * Also between calls of `token()` that succeed, from the third on that comes within `min` of the
   * one before.
   *
   * @default 500 to 20_000 ms
   */
  readonly backoff?: Partial<BackoffRange> | undefined;
  /**
   * Wire names of the methods that may run twice: their calls are repeated when the connection was
   * lost under them. A server's `idempotent` does not reach the client.
   *
   * @default none
   */
  readonly idempotent?: readonly CallName<App>[] | undefined;
  /**
   * Largest frame that is taken from the server; browsers count characters. A larger one ends the
   * connection. `Infinity`: any.
   *
   * @default 8_388_608 bytes
   */
  readonly maxFrameBytes?: number | undefined;
  /**
   * When to connect. `"now"`: in the next microtask. `"lazy"`: at the first use, which is a call, a
   * subscription, `ready()`, `refresh()` or `reconnect()`. Listening alone connects nothing.
   *
   * @default "now" in a page and its workers, `"lazy"` elsewhere: a module that a server or a build
   * evaluates opens no socket
   */
  readonly connect?: "now" | "lazy" | undefined;
  /**
   * Pages of one origin renew a session that they share once, and hand the token on among them; in
   * browsers.
   *
   * @default true
   */
  readonly share?: boolean | undefined;
  /**
   * Takes what a listener threw.
   *
   * @default it is thrown again outside of the client, where the platform reports it
   */
  readonly onError?: ((error: unknown) => void) | undefined;
  /**
   * The class of the sockets.
   *
   * @default the platform's own; in Node, `ws`
   */
  readonly WebSocket?: SocketConstructor | undefined;
  /** Replaces what tests control: see the guide about testing. */
  readonly testing?: ClientTesting | undefined;
}

/** What a test may replace. */
export interface ClientTesting {
  /**
   * All of the client's times.
   *
   * @default the machine's clocks
   */
  readonly clock?: ClientClock | undefined;
  /**
   * Gives the random numbers of all jitter, in [0, 1).
   *
   * @default Math.random
   */
  readonly random?: (() => number) | undefined;
}

export interface ClientSettings {
  readonly url: () => Promise<string>;
  readonly maxFrameBytes: number;
  readonly token: TokenCallback | undefined;
  readonly tokenTimeout: number;
  readonly timeout: number;
  readonly queue: number;
  readonly backoff: BackoffRange;
  readonly idempotent: ReadonlySet<string>;
  readonly connect: string;
  readonly share: boolean;
  readonly onError: (error: unknown) => void;
  readonly WebSocket: SocketConstructor | undefined;
  readonly clock: ClientClock;
  readonly random: () => number;
}

// 8 MiB: what a server holds back for one connection at most
export const defaultMaxFrameBytes = 8_388_608;

/** Fills in the defaults. Throws a `TypeError` for a wrong option. */
export function settingsFrom<App>(options: ClientOptions<App>): ClientSettings {
  const settings = withDefaults(options, {
    url: "" as ClientOptions["url"],
    token: undefined,
    tokenTimeout: 10_000, // 10 s
    timeout: 30_000, // 30 s
    queue: 1_024,
    backoff: {},
    idempotent: undefined as ClientOptions["idempotent"],
    maxFrameBytes: defaultMaxFrameBytes,
    // pages and their workers have one, servers don't
    connect: globalThis.location ? "now" : "lazy",
    share: true,
    onError: throwIt, // nobody catches it there
    WebSocket: globalThis.WebSocket as SocketConstructor | undefined,
    testing: {},
  } satisfies Record<keyof ClientOptions, unknown>);
  const { url } = settings;
  return {
    ...settings,
    ...withDefaults(settings.testing, { clock: machineClock, random: Math.random }),
    async url() {
      await undefined; // the application's code never runs in the middle of a step
      return String(await (typeof url === "function" ? url() : url));
    },
    backoff: withDefaults(settings.backoff, { min: 500, max: 20_000 }),
    idempotent: new Set(settings.idempotent),
  };
}

function throwIt(error: unknown): never {
  throw error;
}
