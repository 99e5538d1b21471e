import type { Clock } from "../auth/clock.js";
import type { VerifiedToken } from "../auth/provider-options.js";
import type { AddressBook } from "./address-book.js";
import type { Connection, ConnectionObserver } from "./connection.js";
import type { Heartbeat } from "./heartbeat.js";
import type { Hooks } from "./hooks.js";

/** A connection, since when it is there (milliseconds since 1970), and whose it is, live or expired. */
export interface Member {
  readonly connection: Connection;
  readonly since: number;
  token: VerifiedToken | null;
}

/** All connections of a server, and who is on them. */
export class Roster implements ConnectionObserver {
  readonly #all = new Map<Connection, Member>();
  readonly #open = new Set<Connection>();
  readonly #bySubject = new Map<string, Set<Connection>>();
  readonly #addresses: AddressBook;
  readonly #heartbeat: Heartbeat;
  readonly #hooks: Hooks;
  readonly #clock: Clock;
  readonly #perSubject: number;
  readonly #hasRoom: (address: string) => boolean;
  #onEmpty: (() => void) | undefined;

  constructor(
    addresses: AddressBook,
    heartbeat: Heartbeat,
    hooks: Hooks,
    clock: Clock,
    connectionsPerSubject: number,
    hasRoom: (address: string) => boolean,
  ) {
    this.#addresses = addresses;
    this.#heartbeat = heartbeat;
    this.#hooks = hooks;
    this.#clock = clock;
    this.#perSubject = connectionsPerSubject;
    this.#hasRoom = hasRoom;
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<Connection> {
    return [...this.#all.keys()][Symbol.iterator](); // a copy: connections close while somebody goes through them
  }

  /** Those that are not closing, the oldest first. */
  members(): readonly Readonly<Member>[] {
    return [...this.#all.values()].filter(({ connection }) => !connection.isClosing);
  }

  add(connection: Connection): void {
    this.#all.set(connection, { connection, since: this.#clock.now(), token: null });
    this.#enterOpen(connection);
    this.#heartbeat.add(connection);
    this.#hooks.connected(connection);
  }

  identified(connection: Connection, token: VerifiedToken | null, before: VerifiedToken | null): void {
    const member = this.#all.get(connection);
    if (member !== undefined) member.token = token;
    if (token === null) {
      this.#forgetSubject(connection, before);
      if (!this.#hasRoom(connection.remoteAddress)) connection.close("overloaded", { hint: "too many connections have not authenticated" });
      this.#enterOpen(connection);
      return;
    }
    if (before !== null) return;
    this.#leaveOpen(connection);
    this.#rememberSubject(connection, token);
    this.#hooks.authenticated(connection);
  }

  authenticateFailed(connection: Connection): void {
    this.#addresses.failed(connection.remoteAddress);
  }

  closed(connection: Connection, code: number, before: VerifiedToken | null): void {
    this.#all.delete(connection);
    this.#leaveOpen(connection);
    this.#forgetSubject(connection, before);
    this.#heartbeat.delete(connection);
    this.#hooks.closed(connection, code);
    if (this.#all.size === 0) this.#onEmpty?.();
  }

  /** Resolves when the last connection has closed. */
  whenEmpty(): Promise<void> {
    return this.#all.size === 0 ? Promise.resolve() : new Promise((resolve) => (this.#onEmpty = resolve));
  }

  #enterOpen(connection: Connection): void {
    this.#open.add(connection);
    this.#addresses.opened(connection.remoteAddress);
  }

  #leaveOpen(connection: Connection): void {
    if (this.#open.delete(connection)) this.#addresses.left(connection.remoteAddress);
  }

  #rememberSubject(connection: Connection, token: VerifiedToken): void {
    if (this.#perSubject === 0) return;
    const key = subjectKey(token);
    const connections = this.#bySubject.get(key) ?? new Set();
    this.#bySubject.set(key, connections.add(connection));
    const [oldest] = connections;
    if (connections.size <= this.#perSubject || oldest === undefined) return;
    connections.delete(oldest);
    oldest.close("replaced");
  }

  #forgetSubject(connection: Connection, token: VerifiedToken | null): void {
    if (this.#perSubject === 0 || token === null) return;
    const key = subjectKey(token);
    const connections = this.#bySubject.get(key);
    connections?.delete(connection);
    if (connections?.size === 0) this.#bySubject.delete(key);
  }
}

/** A subject is somebody only together with its issuer (RFC 7519 §4.1.2). */
function subjectKey({ issuer, subject }: VerifiedToken): string {
  return JSON.stringify([issuer, subject]);
}
