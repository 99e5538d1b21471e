import { type ConnectionLimits, defaultConnectionLimits } from "../protocol/connection-limits.js";
import { refuseUnknownOptions } from "../runtime/known-options.js";

/**
 * Every limit of a server. Times are in milliseconds, sizes in bytes. `Infinity` switches a limit
 * off, except for `grace`. Only `grace` may be 0.
 */
export interface Limits {
  /**
   * Time from connect (or `logout`) to a session; absolute.
   * @default 30_000 ms
   */
  readonly authDeadline: number;
  /**
   * Failed `authenticate` calls in a row before the connection is closed.
   * @default 5
   */
  readonly failedAuthCalls: number;
  /**
   * Largest frame before authentication.
   * @default 16_384 bytes
   */
  readonly openFrameBytes: number;
  /**
   * Largest frame after authentication.
   * @default 65_536 bytes
   */
  readonly frameBytes: number;
  /**
   * Fragments of one message.
   * @default 64
   */
  readonly fragments: number;
  /**
   * Time from the first byte of a message to its last.
   * @default 10_000 ms
   */
  readonly frameTimeout: number;
  /**
   * Largest response; for a batch, of all its responses together.
   * @default 1_048_576 bytes
   */
  readonly responseBytes: number;
  /**
   * Deepest nesting of JSON.
   * @default 64
   */
  readonly jsonDepth: number;
  /**
   * JSON values in one frame.
   * @default 10_000
   */
  readonly jsonValues: number;
  /**
   * Members of one JSON object.
   * @default 1_000
   */
  readonly objectMembers: number;
  /**
   * Longest JSON string of a frame, as it is written. `frameBytes` bounds it in any case.
   * @default Infinity
   */
  readonly stringBytes: number;
  /**
   * Elements of a batch (2 before authentication).
   * @default 50
   */
  readonly batchLength: number;
  /**
   * Requests of one connection whose handlers are still pending.
   * @default 64
   */
  readonly requestsInFlight: number;
  /**
   * Subscriptions of one connection.
   * @default 128
   */
  readonly subscriptions: number;
  /**
   * Calls of subscriptions and topics of one connection in a second.
   * @default 256
   */
  readonly subscribeCallsPerSecond: number;
  /**
   * Deadline of a request.
   * @default 30_000 ms
   */
  readonly requestTimeout: number;
  /**
   * Connections of one address that have not authenticated.
   * @default 20
   */
  readonly unauthenticatedConnectionsPerAddress: number;
  /**
   * Connections of the whole server that have not authenticated.
   * @default 1_000
   */
  readonly unauthenticatedConnections: number;
  /**
   * Sockets of one address that are not (yet) WebSockets, where the server listens itself. Proxies
   * of `trustProxy` have no limit. `"auto"`: a quarter of 90 % of the files that the process may
   * open, where that number is known.
   * @default "auto"
   */
  readonly httpPerAddress: number | "auto";
  /**
   * Connections of the whole server. `"auto"`: 80 % of the files that the process may open, where
   * that number is known.
   * @default "auto"
   */
  readonly connections: number | "auto";
  /**
   * Connections that are accepted in a second.
   * @default 500
   */
  readonly acceptsPerSecond: number;
  /**
   * Delay of the event loop (99th percentile of the last 10 s) above which new connections are
   * refused.
   * @default 200 ms
   */
  readonly loopDelay: number;
  /**
   * Used heap, in percent of its limit, above which new connections are refused; above 95 percent,
   * connections are closed.
   * @default 85
   */
  readonly heapPercent: number;
  /**
   * Connections of one subject on one node; one more replaces the oldest.
   * @default Infinity
   */
  readonly connectionsPerSubject: number;
  /**
   * Send buffer above which events wait, generators are not pulled, and requests are neither run
   * nor read.
   * @default 1_048_576 bytes
   */
  readonly sendBufferBytes: number;
  /**
   * Send buffer above which the connection is closed.
   * @default 8_388_608 bytes
   */
  readonly sendBufferHardBytes: number;
  /**
   * Time between two pings of one connection.
   * @default 25_000 ms
   */
  readonly pingInterval: number;
  /**
   * Time after a ping without a sign of life before the connection is cut.
   * @default 10_000 ms
   */
  readonly pongTimeout: number;
  /**
   * Time from expiry to close; 0 = cut at expiry.
   * @default 30_000 ms
   */
  readonly grace: number;
  /**
   * Frames per second before authentication.
   * @default 20
   */
  readonly openFramesPerSecond: number;
  /**
   * Frames per second after authentication.
   * @default 0
   */
  readonly framesPerSecond: number;
  /**
   * Longest session from its `authenticate`, whatever is refreshed.
   * @default Infinity
   */
  readonly sessionLifetime: number;
  /**
   * Failed `authenticate` calls of one address in a minute before its upgrades are refused, good tokens that have expired not counted; nodes that share a store count together.
   * @default 100
   */
  readonly authFailuresPerAddress: number;
  /**
   * Tokens of one address that are judged in a second: in `authenticate` calls of connections without a session, and over HTTP.
   * @default 200
   */
  readonly authCallsPerAddress: number;
}

/** The limits of a server where `limits` says nothing else. */
export const defaultLimits: Limits = {
  authDeadline: 30_000, // 30 s
  failedAuthCalls: 5,
  openFrameBytes: 16_384, // 16 KiB
  frameBytes: defaultConnectionLimits.frameBytes,
  fragments: 64,
  frameTimeout: 10_000, // 10 s
  responseBytes: defaultConnectionLimits.responseBytes,
  jsonDepth: 64,
  jsonValues: 10_000,
  objectMembers: 1_000,
  stringBytes: Number.POSITIVE_INFINITY,
  batchLength: defaultConnectionLimits.batchLength,
  requestsInFlight: defaultConnectionLimits.requestsInFlight,
  subscriptions: defaultConnectionLimits.subscriptions,
  subscribeCallsPerSecond: 256,
  requestTimeout: 30_000, // 30 s
  unauthenticatedConnectionsPerAddress: 20,
  unauthenticatedConnections: 1_000,
  httpPerAddress: "auto",
  connections: "auto",
  acceptsPerSecond: 500,
  loopDelay: 200, // ms
  heapPercent: 85,
  connectionsPerSubject: Number.POSITIVE_INFINITY,
  sendBufferBytes: 1_048_576, // 1 MiB
  sendBufferHardBytes: 8_388_608, // 8 MiB
  pingInterval: 25_000, // 25 s
  pongTimeout: 10_000, // 10 s
  grace: 30_000, // 30 s
  openFramesPerSecond: 20,
  framesPerSecond: Number.POSITIVE_INFINITY,
  sessionLifetime: Number.POSITIVE_INFINITY,
  authFailuresPerAddress: 100,
  authCallsPerAddress: 200,
};

/** Limits that are measured when they are `"auto"`. */
const automatic: readonly string[] = ["httpPerAddress", "connections"] satisfies (keyof Limits)[];

/** What a client is told, so that it sends nothing that would be refused. */
export function limitsOfConnection(limits: Limits): ConnectionLimits {
  return {
    frameBytes: onTheWire(limits.frameBytes),
    batchLength: onTheWire(limits.batchLength),
    requestsInFlight: onTheWire(limits.requestsInFlight),
    subscriptions: onTheWire(limits.subscriptions),
    responseBytes: onTheWire(limits.responseBytes),
  };
}

/** JSON has no infinity: on the wire 0 stands for no limit. */
function onTheWire(limit: number): number {
  return limit === Number.POSITIVE_INFINITY ? 0 : limit;
}

/**
 * Returns the defaults with the given limits over them. Throws `TypeError` for an unknown name and
 * for a value that the limit cannot have.
 */
export function resolveLimits(given: Partial<Limits> = {}): Limits {
  refuseUnknownOptions("limits", given, defaultLimits);
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [name, value] of present) checkLimit(name, value);
  return { ...defaultLimits, ...Object.fromEntries(present) };
}

function checkLimit(name: string, value: unknown): void {
  const isAutomatic = automatic.includes(name);
  if (isAutomatic && value === "auto") return;
  if (name === "grace") {
    if (typeof value === "number" && Number.isFinite(value) && value >= 0) return;
    throw new TypeError(`limits.grace must be milliseconds from 0 up, not ${String(value)}`);
  }
  if (typeof value === "number" && value >= 1) return;
  const words = isAutomatic ? 'a number from 1 up, or "auto"' : "a number from 1 up";
  throw new TypeError(
    `limits.${name} must be ${words}, not ${String(value)}; Infinity means no limit`,
  );
}
