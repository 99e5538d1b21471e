/** What has happened so far, as plain numbers: counting costs an addition, and whoever reads them does the rest. */
import { type CloseReason, closeTable } from "../../protocol/close-codes.js";
import { errorTable } from "../../protocol/error-codes.js";
import type { AuthMethod } from "../../protocol/messages.js";
import type { PushCounts, SlowReaderCounts } from "../../pubsub/push-gate.js";
import { CallMeter } from "../call-meter.js";
import type { Limits } from "../limits.js";
import { StoreMeter } from "../store-meter.js";
import { otherLabel, Tally } from "./counter-map.js";
import { channels } from "./diagnostics-channels.js";
import { durationBounds, Histogram } from "./histogram.js";

/** RFC 6455 §7.4.1, as far as they are seen, and our own. Any other code was chosen by a peer. */
const knownCodes: ReadonlySet<number> = new Set([
  ...[1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011],
  ...Object.values(closeTable).map(({ code }) => code),
]);

const reasons: ReadonlyMap<number, string> = new Map(Object.entries(errorTable).map(([reason, { code }]) => [code, reason]));

/** Which limit it is that closes a connection for that reason. */
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
  readonly calls = new CallMeter();
  /** Close code → connections. */
  readonly closes = new Tally();
  /** HTTP status → upgrades refused with it. */
  readonly refusedUpgrades = new Tally();
  /** `method outcome` → calls. */
  readonly authCalls = new Tally();
  readonly limits = new Tally();
  readonly pushes: PushCounts = { sent: 0, held: 0, dropped: 0, overflowed: 0 };
  readonly slowReaders: SlowReaderCounts = { gap: 0, ended: 0 };
  readonly store = new StoreMeter();
  /** Seconds from the announcement of a revocation by another process to its effect here. */
  readonly revocationLag = new Histogram(durationBounds);
  opened = 0;
  revocations = 0;
  keyFailures = 0;

  connectionOpened({ id, remoteAddress }: Peer): void {
    this.opened++;
    if (channels.connectionOpen.hasSubscribers) channels.connectionOpen.publish({ connection: id, address: remoteAddress });
  }

  connectionClosed({ id, remoteAddress }: Peer, code: number): void {
    this.closes.add(knownCodes.has(code) ? String(code) : otherLabel);
    if (channels.connectionClose.hasSubscribers) channels.connectionClose.publish({ connection: id, address: remoteAddress, code });
  }

  /** The server is about to close a connection. */
  closing(reason: CloseReason, blamed: keyof Limits | undefined): void {
    const limit = blamed ?? limitOfClose.get(reason);
    if (limit !== undefined) this.limitHit(limit);
  }

  upgradeRefused(status: number, limit: keyof Limits | undefined): void {
    this.refusedUpgrades.add(String(status));
    if (limit !== undefined) this.limitHit(limit);
  }

  /** A revocation has taken effect here. `lag`: milliseconds since another process announced it, by two clocks; undefined: not known. */
  revoked(lag: number | undefined): void {
    this.revocations++;
    if (lag !== undefined) this.revocationLag.observe(Math.max(lag, 0) / 1000);
  }

  /** An auth method has ended; `code`: of its error. */
  authEnded(connection: string, method: AuthMethod, code: number | undefined, subject: string | undefined): void {
    const outcome = code === undefined ? "ok" : (reasons.get(code) ?? "invalid_params");
    this.authCalls.add(`${method} ${outcome}`);
    if (channels.auth.hasSubscribers) channels.auth.publish({ connection, method, outcome, subject });
  }

  /** Something was refused, cut or closed because of this limit. */
  limitHit(limit: keyof Limits): void {
    this.limits.add(limit);
    if (channels.limit.hasSubscribers) channels.limit.publish({ limit });
  }
}
