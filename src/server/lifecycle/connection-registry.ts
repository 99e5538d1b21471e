import type { VerifiedToken } from "../../auth/provider-options.js";
import type { Clock } from "../../runtime/clock.js";
import type { AddressCounters } from "../admission/address-counters.js";
import type { UpgradeChecks } from "../admission/upgrade-checks.js";
import type { Connection, ConnectionObserver } from "../connection/connection.js";
import type { Telemetry } from "../telemetry/telemetry.js";
import type { Heartbeat } from "./heartbeat.js";
import type { Hooks } from "./hooks.js";

/**
 * A connection, since when it is there (milliseconds since 1970), and whose it is, live or expired.
 */
export interface ConnectionEntry {
  readonly connection: Connection;
  readonly since: number;
  token: VerifiedToken | null;
}

const shareToShed = 0.1;

/** All connections of a server, and who is on them. */
export class ConnectionRegistry implements ConnectionObserver {
  readonly #all = new Map<string, ConnectionEntry>();
  readonly #open = new Set<Connection>();
  /** One connection as it is, for memory's sake; several in a set, the oldest first. */
  readonly #bySubject = new Map<string, Connection | Set<Connection>>();
  /** How many subjects of each issuer are connected. */
  readonly #subjectsOf = new Map<string, number>();
  readonly #addresses: AddressCounters;
  readonly #heartbeat: Heartbeat;
  readonly #hooks: Hooks;
  readonly #telemetry: Telemetry;
  readonly #clock: Clock;
  readonly #perSubject: number;
  readonly #upgradeChecks: Pick<UpgradeChecks, "exhausted">;
  #onEmpty: (() => void) | undefined;

  constructor(
    addresses: AddressCounters,
    heartbeat: Heartbeat,
    hooks: Hooks,
    telemetry: Telemetry,
    clock: Clock,
    connectionsPerSubject: number,
    upgradeChecks: Pick<UpgradeChecks, "exhausted">,
  ) {
    this.#addresses = addresses;
    this.#heartbeat = heartbeat;
    this.#hooks = hooks;
    this.#telemetry = telemetry;
    this.#clock = clock;
    this.#perSubject = connectionsPerSubject;
    this.#upgradeChecks = upgradeChecks;
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<Connection> {
    // a copy: connections close while somebody goes through them
    return this.#connections()[Symbol.iterator]();
  }

  /** Those that are not closing, the oldest first. */
  members(): readonly Readonly<ConnectionEntry>[] {
    return [...this.#all.values()].filter(({ connection }) => !connection.isClosing);
  }

  get(id: string): Connection | undefined {
    return this.#all.get(id)?.connection;
  }

  /** A copy, as above. */
  ofSubject(issuer: string, subject: string): readonly Connection[] {
    const found = this.#bySubject.get(subjectKey({ issuer, subject }));
    return found === undefined ? [] : found instanceof Set ? [...found] : [found];
  }

  /** The issuers of those who are connected. */
  issuers(): readonly string[] {
    return [...this.#subjectsOf.keys()];
  }

  add(connection: Connection): void {
    this.#telemetry.connectionOpened(connection);
    this.#all.set(connection.id, { connection, since: this.#clock.now(), token: null });
    this.#enterOpen(connection);
    this.#heartbeat.add(connection);
    this.#hooks.connected(connection);
  }

  identified(
    connection: Connection,
    token: VerifiedToken | null,
    before: VerifiedToken | null,
  ): void {
    const member = this.#all.get(connection.id);
    if (member !== undefined) member.token = token;
    if (token === null) {
      this.#forgetSubject(connection, before);
      const limit = this.#upgradeChecks.exhausted(connection.remoteAddress);
      if (limit !== undefined)
        connection.close("overloaded", {
          hint: "too many connections have not authenticated",
          limit,
        });
      this.#enterOpen(connection);
      return;
    }
    if (before !== null) return this.#hooks.refreshed(connection);
    this.#leaveOpen(connection);
    this.#rememberSubject(connection, token);
    this.#hooks.authenticated(connection);
  }

  authenticateFailed(connection: Connection): void {
    this.#addresses.failed(connection.remoteAddress);
  }

  closed(connection: Connection, code: number, before: VerifiedToken | null): void {
    this.#telemetry.connectionClosed(connection, code);
    this.#all.delete(connection.id);
    this.#leaveOpen(connection);
    this.#forgetSubject(connection, before);
    this.#heartbeat.delete(connection);
    this.#hooks.closed(connection, code);
    if (this.#all.size === 0) this.#onEmpty?.();
  }

  /**
   * Has every session look at the list of revocations again, which has grown. `announcedAt` as in
   * {@link RevocationListener}.
   */
  revoked(announcedAt: number | undefined): void {
    for (const connection of this) connection.check();
    this.#telemetry.revoked(
      announcedAt === undefined ? undefined : this.#clock.now() - announcedAt,
    );
  }

  /**
   * Closes a tenth of all connections: the newest of those that have not authenticated, then of
   * those with nothing under way, neither a call nor a subscription. Returns how many.
   */
  shed(): number {
    const isIdle = ({ load }: Connection) => load.inFlight === 0 && load.subscriptions === 0;
    const idle = this.#connections().filter(
      (connection) => !this.#open.has(connection) && isIdle(connection),
    );
    const missedLeast = [...[...this.#open].reverse(), ...idle.reverse()].filter(
      ({ isClosing }) => !isClosing,
    );
    missedLeast.length = Math.min(missedLeast.length, Math.ceil(this.size * shareToShed));
    for (const connection of missedLeast)
      connection.close("overloaded", {
        hint: "the server runs out of memory",
        limit: "heapPercent",
      });
    return missedLeast.length;
  }

  /** Resolves when the last connection has closed. */
  whenEmpty(): Promise<void> {
    return this.#all.size === 0
      ? Promise.resolve()
      : new Promise((resolve) => (this.#onEmpty = resolve));
  }

  #connections(): readonly Connection[] {
    return Array.from(this.#all.values(), ({ connection }) => connection);
  }

  #enterOpen(connection: Connection): void {
    this.#open.add(connection);
    this.#addresses.opened(connection.remoteAddress);
  }

  #leaveOpen(connection: Connection): void {
    if (this.#open.delete(connection)) this.#addresses.left(connection.remoteAddress);
  }

  #rememberSubject(connection: Connection, token: VerifiedToken): void {
    const key = subjectKey(token);
    const known = this.#bySubject.get(key);
    if (known === undefined) {
      this.#bySubject.set(key, connection);
      this.#countSubject(token.issuer, 1);
      return;
    }
    const connections = known instanceof Set ? known : new Set([known]);
    this.#bySubject.set(key, connections.add(connection));
    const [oldest] = connections;
    if (this.#perSubject === 0 || connections.size <= this.#perSubject || oldest === undefined)
      return;
    connections.delete(oldest);
    oldest.close("replaced");
  }

  #forgetSubject(connection: Connection, token: VerifiedToken | null): void {
    if (token === null) return;
    const key = subjectKey(token);
    const known = this.#bySubject.get(key);
    if (known instanceof Set) known.delete(connection);
    if (known !== connection && !(known instanceof Set && known.size === 0)) return;
    this.#bySubject.delete(key);
    this.#countSubject(token.issuer, -1);
  }

  #countSubject(issuer: string, change: 1 | -1): void {
    const count = (this.#subjectsOf.get(issuer) ?? 0) + change;
    if (count > 0) this.#subjectsOf.set(issuer, count);
    else this.#subjectsOf.delete(issuer);
  }
}

/** A subject is somebody only together with its issuer (RFC 7519 §4.1.2). */
function subjectKey({ issuer, subject }: Pick<VerifiedToken, "issuer" | "subject">): string {
  return JSON.stringify([issuer, subject]);
}
