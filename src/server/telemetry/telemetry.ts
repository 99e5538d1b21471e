import { type CloseReason, closeTable } from "../../protocol/close-codes.js";
import { errorTable, standardErrors } from "../../protocol/error-codes.js";
import type { AuthMethod } from "../../protocol/messages.js";
import type { PushCounts, SlowReaderCounts } from "../../pubsub/push-gate.js";
import { storeOperations } from "../../store/timed-store.js";
import type { Limits } from "../limits.js";
import { CounterMap, otherLabel } from "./counter-map.js";
import { channels } from "./diagnostics-channels.js";
import { errorTypeOf } from "./error-type.js";
import { durationBounds, Histogram, storeBounds } from "./histogram.js";

/**
 * Counters of a server as plain numbers: counting is one addition, and the metrics endpoint does
 * all other work.
 */

/**
 * The usual codes of RFC 6455 §7.4.1 and our own. Peers choose any other code, so the label groups
 * those.
 */
const knownCodes: ReadonlySet<number> = new Set([
  ...[1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011],
  ...Object.values(closeTable).map(({ code }) => code),
]);

const reasons: ReadonlyMap<number, string> = new Map(
  Object.entries(errorTable).map(([reason, { code }]) => [code, reason]),
);

/** The limit behind each close reason. */
const limitOfClose: ReadonlyMap<CloseReason, keyof Limits> = new Map([
  ["frame_timeout", "frameTimeout"],
  ["auth_timeout", "authDeadline"],
  ["too_many_attempts", "failedAuthCalls"],
  ["replaced", "connectionsPerSubject"],
]);

interface Peer {
  readonly id: string;
  readonly remoteAddress: string;
}

export class Telemetry {
  readonly calls = new CallMetrics();
  /** Close code → closed connections. */
  readonly closes = new CounterMap();
  /** HTTP status → refused upgrades. */
  readonly refusedUpgrades = new CounterMap();
  /** `method outcome` → calls. */
  readonly authCalls = new CounterMap();
  readonly limits = new CounterMap();
  readonly pushes: PushCounts = { sent: 0, held: 0, dropped: 0, overflowed: 0 };
  readonly slowReaders: SlowReaderCounts = { gap: 0, ended: 0 };
  readonly store = new StoreMetrics();
  /** Seconds from the announcement of a revocation by another process to its effect here. */
  readonly revocationLag = new Histogram(durationBounds);
  opened = 0;
  revocations = 0;
  keyFailures = 0;

  connectionOpened({ id, remoteAddress }: Peer): void {
    this.opened++;
    if (channels.connectionOpen.hasSubscribers)
      channels.connectionOpen.publish({ connection: id, address: remoteAddress });
  }

  connectionClosed({ id, remoteAddress }: Peer, code: number): void {
    this.closes.add(knownCodes.has(code) ? String(code) : otherLabel);
    if (channels.connectionClose.hasSubscribers)
      channels.connectionClose.publish({ connection: id, address: remoteAddress, code });
  }

  /** Counts the limit, if any, that makes the server close a connection. */
  closing(reason: CloseReason, cause: keyof Limits | undefined): void {
    const limit = cause ?? limitOfClose.get(reason);
    if (limit !== undefined) this.limitHit(limit);
  }

  upgradeRefused(status: number, limit: keyof Limits | undefined): void {
    this.refusedUpgrades.add(String(status));
    if (limit !== undefined) this.limitHit(limit);
  }

  /**
   * Counts a revocation that has taken effect. `lag` is the milliseconds since another process
   * announced the revocation, by two clocks, or `undefined` if unknown.
   */
  revoked(lag: number | undefined): void {
    this.revocations++;
    if (lag !== undefined) this.revocationLag.observe(Math.max(lag, 0) / 1000);
  }

  /** Counts a finished auth method; `code` is the code of its error. */
  authEnded(
    connection: string,
    method: AuthMethod,
    code: number | undefined,
    subject: string | undefined,
  ): void {
    const outcome = code === undefined ? "ok" : (reasons.get(code) ?? "invalid_params");
    this.authCalls.add(`${method} ${outcome}`);
    if (channels.auth.hasSubscribers)
      channels.auth.publish({ connection, method, outcome, subject });
  }

  /** Counts a refusal or a close because of a limit. */
  limitHit(limit: keyof Limits): void {
    this.limits.add(limit);
    if (channels.limit.hasSubscribers) channels.limit.publish({ limit });
  }
}

const ownCodes: ReadonlySet<number> = new Set(
  [...Object.values(errorTable), ...Object.values(standardErrors)].map(({ code }) => code),
);
const maxOutcomes = 64; // per method, which bounds the label; methods declare few errors

/**
 * Durations of calls, by method and outcome. Only existing methods have entries, which bounds their
 * number.
 */
export class CallMetrics {
  readonly #byMethod = new Map<string, Map<number | null, Histogram>>();

  /**
   * Adds a duration in seconds. `method` is null for an unknown method; `code` is the argument of
   * `CallObservation.end`.
   */
  observe(method: string | null, code: number | null, duration: number): void {
    this.#histogram(method ?? otherLabel, code).observe(duration);
  }

  *[Symbol.iterator](): Iterator<{
    readonly method: string;
    readonly status: string;
    /** `undefined` for successful calls. */
    readonly errorType: string | undefined;
    readonly histogram: Histogram;
  }> {
    for (const [method, outcomes] of this.#byMethod)
      for (const [code, histogram] of outcomes)
        yield { method, status: statusOf(code), errorType: errorTypeOf(code), histogram };
  }

  #histogram(method: string, code: number | null): Histogram {
    const outcomes = this.#byMethod.get(method) ?? new Map<number | null, Histogram>();
    if (outcomes.size === 0) this.#byMethod.set(method, outcomes);
    const known = outcomes.get(code);
    if (known !== undefined) return known;
    const key =
      outcomes.size < maxOutcomes || code === null || ownCodes.has(code) ? code : Number.NaN;
    const histogram = outcomes.get(key) ?? new Histogram(durationBounds);
    outcomes.set(key, histogram);
    return histogram;
  }
}

function statusOf(code: number | null): string {
  if (code === null) return "none"; // a notification
  return code === 0 ? "OK" : Number.isNaN(code) ? otherLabel : String(code);
}

interface Measured {
  readonly histogram: Histogram;
  failures: number;
}

/**
 * Durations and failures of a store's operations. Every known operation has an entry from the
 * start, so that alerts find the series.
 */
export class StoreMetrics {
  readonly #byOperation = new Map<string, Measured>(
    storeOperations.map((operation) => [operation, fresh()]),
  );

  /**
   * Adds a duration in seconds. Includes failed operations, so that a hanging store appears as a
   * slow one.
   */
  observe(operation: string, duration: number, hasFailed: boolean): void {
    const measured = this.#byOperation.get(operation) ?? this.#other();
    measured.histogram.observe(duration);
    if (hasFailed) measured.failures++;
  }

  [Symbol.iterator](): Iterator<[string, Readonly<Measured>]> {
    return this.#byOperation[Symbol.iterator]();
  }

  /** Operations of custom issuers, whose names are unknown here. */
  #other(): Measured {
    const known = this.#byOperation.get(otherLabel) ?? fresh();
    this.#byOperation.set(otherLabel, known);
    return known;
  }
}

function fresh(): Measured {
  return { histogram: new Histogram(storeBounds), failures: 0 };
}
