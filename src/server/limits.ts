import { type ConnectionLimits, defaultConnectionLimits } from "../protocol/connection-limits.js";
import { refuseUnknownOptions } from "../runtime/known-options.js";

/**
 * Every limit, with its default: milliseconds, bytes or counts. 0 = no limit, except where it says
 * otherwise.
 */
export interface Limits {
  /** Time from connect (or `logout`) to a session; absolute. Default: 30_000 ms. */
  readonly authDeadline: number;
  /** Failed `authenticate` calls in a row before the connection is closed. Default: 5. */
  readonly failedAuthCalls: number;
  /** Largest frame before authentication. Default: 16_384 bytes. */
  readonly openFrameBytes: number;
  /** Largest frame after authentication. Default: 65_536 bytes. */
  readonly frameBytes: number;
  /** Most fragments of one message. Default: 64. */
  readonly fragments: number;
  /** Time from the first byte of a message to its last. Default: 10_000 ms. */
  readonly frameTimeout: number;
  /** Largest response; for a batch, of all its responses together. Default: 1_048_576 bytes. */
  readonly responseBytes: number;
  /** Deepest nesting of JSON. Default: 64. */
  readonly depth: number;
  /** JSON values in one frame. Default: 10_000. */
  readonly nodes: number;
  /** Members of one JSON object. Default: 1_000. */
  readonly keys: number;
  /**
   * Longest JSON string of a frame, as it is written; a frame has a limit anyway. Default: 0 bytes.
   */
  readonly stringBytes: number;
  /** Most elements of a batch (2 before authentication). Default: 50. */
  readonly batch: number;
  /** Most requests of one connection whose handlers are still pending. Default: 64. */
  readonly inFlight: number;
  /** Subscriptions of one connection. Default: 128. */
  readonly subscriptions: number;
  /** Calls of subscriptions and topics of one connection in a second. Default: 256. */
  readonly subscribeCallsPerSecond: number;
  /** Deadline of a request. Default: 30_000 ms. */
  readonly requestTimeout: number;
  /** Connections of one address that have not authenticated. Default: 20. */
  readonly openPerAddress: number;
  /** Connections of the whole server that have not authenticated. Default: 1_000. */
  readonly open: number;
  /**
   * Sockets of one address that are no WebSocket (yet), where the server listens itself; proxies of
   * `trustProxy` have no limit. 0 = a quarter of 90 % of the files that the process may open, where
   * that is known. Default: 0.
   */
  readonly httpPerAddress: number;
  /**
   * Connections of the whole server; 0 = 80 % of the files that the process may open, where that is
   * known. Default: 0.
   */
  readonly connections: number;
  /** Connections that are accepted in a second. Default: 500. */
  readonly acceptsPerSecond: number;
  /**
   * Delay of the event loop, 99th percentile of the last 10 s, above which new connections are
   * refused. Default: 200 ms.
   */
  readonly loopDelay: number;
  /**
   * Used heap, in percent of its limit, above which new connections are refused; above 95
   * connections are closed. Default: 85.
   */
  readonly heapPercent: number;
  /** Connections of one subject on one node; the oldest is replaced. Default: 0. */
  readonly connectionsPerSubject: number;
  /**
   * Send buffer above which events wait, generators are not pulled, and requests are neither run
   * nor read. Default: 1_048_576 bytes.
   */
  readonly sendBufferBytes: number;
  /** Send buffer above which the connection is closed. Default: 8_388_608 bytes. */
  readonly sendBufferHardBytes: number;
  /** Time between two pings of one connection. Default: 25_000 ms. */
  readonly pingInterval: number;
  /** Time after a ping without a sign of life before the connection is cut. Default: 10_000 ms. */
  readonly pongTimeout: number;
  /** Time from expiry to close; 0 = cut at expiry. Default: 30_000 ms. */
  readonly grace: number;
  /** Frames per second before authentication. Default: 20. */
  readonly openFramesPerSecond: number;
  /** Frames per second after authentication. Default: 0. */
  readonly framesPerSecond: number;
  /** Longest session from its `authenticate`, whatever is refreshed. Default: 0 ms. */
  readonly sessionLifetime: number;
  /**
   * Failed `authenticate` calls of one address in a minute before its upgrades are refused, good
   * tokens that have expired not counted; nodes that share a store count together. Default: 100.
   */
  readonly authFailuresPerAddress: number;
  /**
   * Tokens of one address that are judged in a second: in `authenticate` calls of connections
   * without a session, and over HTTP. Default: 200.
   */
  readonly authCallsPerAddress: number;
}

export const defaultLimits: Limits = {
  authDeadline: 30_000, // 30 s
  failedAuthCalls: 5,
  openFrameBytes: 16_384, // 16 KiB
  frameBytes: defaultConnectionLimits.frameBytes,
  fragments: 64,
  frameTimeout: 10_000, // 10 s
  responseBytes: defaultConnectionLimits.responseBytes,
  depth: 64,
  nodes: 10_000,
  keys: 1_000,
  stringBytes: 0,
  batch: defaultConnectionLimits.batchLength,
  inFlight: defaultConnectionLimits.requestsInFlight,
  subscriptions: defaultConnectionLimits.subscriptions,
  subscribeCallsPerSecond: 256,
  requestTimeout: 30_000, // 30 s
  openPerAddress: 20,
  open: 1_000,
  httpPerAddress: 0,
  connections: 0,
  acceptsPerSecond: 500,
  loopDelay: 200, // ms
  heapPercent: 85,
  connectionsPerSubject: 0,
  sendBufferBytes: 1_048_576, // 1 MiB
  sendBufferHardBytes: 8_388_608, // 8 MiB
  pingInterval: 25_000, // 25 s
  pongTimeout: 10_000, // 10 s
  grace: 30_000, // 30 s
  openFramesPerSecond: 20,
  framesPerSecond: 0,
  sessionLifetime: 0,
  authFailuresPerAddress: 100,
  authCallsPerAddress: 200,
};

/** What a client is told, so that it sends nothing that would be refused. */
export function limitsOfConnection({
  frameBytes,
  batch,
  inFlight,
  subscriptions,
  responseBytes,
}: Limits): ConnectionLimits {
  return {
    frameBytes,
    batchLength: batch,
    requestsInFlight: inFlight,
    subscriptions,
    responseBytes,
  };
}

/**
 * The defaults with the given limits over them. Throws `TypeError` for an unknown name or a value
 * that is no number from 0 up.
 */
export function resolveLimits(given: Partial<Limits> = {}): Limits {
  refuseUnknownOptions("limits", given, defaultLimits);
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && !(Number.isFinite(value) && value >= 0))
      throw new TypeError(`limits.${name} must be a number from 0 up, not ${String(value)}`);
  }
  const present = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  );
  return { ...defaultLimits, ...present };
}
