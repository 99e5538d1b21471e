import type { TokenCallback } from "./session/token-request.js";
import type { BackoffRange } from "./transport/backoff.js";
import { type ClientClock, machineClock } from "./transport/clock.js";
import type { SocketConstructor } from "./transport/socket.js";

/** Times are in milliseconds. */
export interface ClientOptions {
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
   * For each call of `token()`; `Infinity`: no limit, for one that opens a login window. Default 10
   * s.
   */
  readonly tokenTimeout?: number | undefined;
  /** For each call, waiting for a connection included; 0: no limit. Default 30 s. */
  readonly timeout?: number | undefined;
  /** How many calls may wait to be sent; the next ones reject with `queue_full`. Default 1024. */
  readonly queue?: number | undefined;
  /**
   * Between two attempts to connect, or to get a token: full jitter, doubling from `min` to `max`.
   * Also between calls of `token()` that succeed, from the third on that comes within `min` of the
   * one before. Default 500 ms to 20 s.
   */
  readonly backoff?: Partial<BackoffRange> | undefined;
  /**
   * Wire names of the methods that may run twice: their calls are repeated when the connection was
   * lost under them. Default none.
   */
  readonly idempotent?: readonly string[] | undefined;
  /**
   * Largest frame that is taken from the server, in bytes; browsers count characters. A larger one
   * ends the connection. Default 8 MiB.
   */
  readonly maxFrameBytes?: number | undefined;
  /** `"now"`: in the next microtask. `"lazy"`: at the first call or `ready()`. Default `"now"`. */
  readonly connect?: "now" | "lazy" | undefined;
  /**
   * Pages of one origin renew a session that they share once, and hand the token on among them; in
   * browsers. Default `true`.
   */
  readonly share?: boolean | undefined;
  /**
   * Told what a listener threw. Default: it is thrown again outside of the client, where the
   * platform reports it.
   */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Default: the platform's own; in Node, `ws`. */
  readonly WebSocket?: SocketConstructor | undefined;
  /** Default: the machine's. */
  readonly clock?: ClientClock | undefined;
  /** In [0, 1). Default `Math.random`. */
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
  readonly share: boolean;
  readonly onError: (error: unknown) => void;
  readonly WebSocket: SocketConstructor;
  readonly clock: ClientClock;
  readonly random: () => number;
}

// 8 MiB: what a server holds back for one connection at most
export const defaultMaxFrameBytes = 8_388_608;

/**
 * Fills in the defaults. Throws a `TypeError` where the platform has no WebSocket and none was
 * given.
 */
export function settingsFrom(options: ClientOptions): ClientSettings {
  const { url, backoff, idempotent } = options;
  const settings: Record<string, unknown> = {
    tokenTimeout: 10_000, // 10 s
    timeout: 30_000, // 30 s
    queue: 1_024,
    maxFrameBytes: defaultMaxFrameBytes,
    share: true,
    onError: throwIt, // nobody catches it there
    WebSocket: globalThis.WebSocket,
    clock: machineClock,
    random: Math.random,
  };
  for (const [name, value] of Object.entries(options)) settings[name] = value ?? settings[name];
  if (!settings.WebSocket) throw new TypeError("No WebSocket: pass one as an option");
  return Object.assign(settings, {
    url: async () => String(await (typeof url === "function" ? url() : url)),
    backoff: { min: backoff?.min ?? 500, max: backoff?.max ?? 20_000 },
    idempotent: new Set(idempotent),
  }) as unknown as ClientSettings;
}

function throwIt(error: unknown): never {
  throw error;
}
