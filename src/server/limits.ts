import { type ConnectionLimits, defaultConnectionLimits } from "../protocol/connection-limits.js";
import { refuseUnknownOptions } from "../runtime/known-options.js";

/**
 * Every limit of a server. Times are in milliseconds, sizes in bytes. `Infinity` switches a limit
 * off, except for `grace`. Only `grace` may be 0.
 */
export interface Limits {
  /**
   * Time from connect (or `logout`) to a session. No frame extends it.
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
   * Time from the first to the last byte of a message.
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
   * Longest JSON string of a frame, with its escapes. `frameBytes` bounds it in any case.
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
   * Calls of subscriptions and topics of one connection per second.
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
   * Sockets of one address that are not, or not yet, WebSockets. Applies to servers that call
   * `listen`; proxies of `trustProxy` have no limit. `"auto"` is a quarter of 90 % of the files
   * that the process may open, if that number is known.
   * @default "auto"
   */
  readonly httpPerAddress: number | "auto";
  /**
   * Connections of the whole server. `"auto"` is 80 % of the files that the process may open, if
   * that number is known.
   * @default "auto"
   */
  readonly connections: number | "auto";
  /**
   * Connections that the server accepts per second.
   * @default 500
   */
  readonly acceptsPerSecond: number;
  /**
   * Delay of the event loop (99th percentile of the last 10 s) above which the server refuses new
   * connections.
   * @default 200 ms
   */
  readonly loopDelay: number;
  /**
   * Used heap, in percent of its limit, above which the server refuses new connections. Above 95
   * percent it closes connections.
   * @default 85
   */
  readonly heapPercent: number;
  /**
   * Connections of one subject on one node; a further one replaces the oldest.
   * @default Infinity
   */
  readonly connectionsPerSubject: number;
  /**
   * Send buffer above which back-pressure applies: events wait, generators are not pulled, and
   * requests are neither run nor read.
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
   * Time after a ping in which nothing arrives before the server cuts the connection.
   * @default 10_000 ms
   */
  readonly pongTimeout: number;
  /**
   * Time from expiry to close; 0 closes the connection at expiry.
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
   * @default Infinity
   */
  readonly framesPerSecond: number;
  /**
   * Longest session, from its `authenticate` on; a refresh does not extend it.
   * @default Infinity
   */
  readonly sessionLifetime: number;
  /**
   * Failed `authenticate` calls of one address per minute before the server refuses its upgrades. A
   * valid token that has expired does not count. Nodes that share a store count together.
   * @default 100
   */
  readonly authFailuresPerAddress: number;
  /**
   * Tokens of one address that the server verifies per second: those of `authenticate` calls on
   * connections without a session, and those over HTTP.
   * @default 200
   */
  readonly authCallsPerAddress: number;
}

/** Defaults of `limits`. */
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

/** Limits that may be `"auto"`. */
const automatic: readonly string[] = ["httpPerAddress", "connections"] satisfies (keyof Limits)[];

/**
 * Returns the limits that a client receives, so that it sends nothing that the server would refuse.
 */
export function limitsOfConnection(limits: Limits): ConnectionLimits {
  return {
    frameBytes: onTheWire(limits.frameBytes),
    batchLength: onTheWire(limits.batchLength),
    requestsInFlight: onTheWire(limits.requestsInFlight),
    subscriptions: onTheWire(limits.subscriptions),
    responseBytes: onTheWire(limits.responseBytes),
  };
}

/** JSON has no infinity, so on the wire 0 means no limit. */
function onTheWire(limit: number): number {
  return limit === Number.POSITIVE_INFINITY ? 0 : limit;
}

/**
 * Merges the given limits into the defaults. Throws `TypeError` for an unknown name or an invalid
 * value.
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
