/**
 * Graceful shutdown. Drains the connections one after the other, spread over a window: announces
 * the close, refuses new calls, lets calls in flight finish, and closes the connection. Serves the
 * other connections until their turn. Closes all that remain at the end.
 */

import type { Clock } from "../../runtime/clock.js";
import type { Connection } from "../connection/connection.js";
import type { ConnectionRegistry } from "./connection-registry.js";

/** A connection, as the shutdown sees it. */
export type Leaver = Pick<Connection, "isClosing" | "announceClose" | "close" | "terminate"> & {
  readonly pending: Pick<Connection["pending"], "size">;
};

type LeaverRegistry = Iterable<Leaver> & Pick<ConnectionRegistry, "whenEmpty">;

const closeTimeout = 3_000; // 3 s for the peers to answer a close
const pollInterval = 50; // ms between two checks for connections to close
const maxPerSecond = 100; // connections to drain, if the drain is long enough
// 1 s in which calls that the peer has already sent are refused with an error instead of lost
const longestNotice = 1_000;

export class Shutdown {
  readonly #connectionRegistry: LeaverRegistry;
  readonly #clock: Clock;

  constructor(connectionRegistry: LeaverRegistry, clock: Clock) {
    this.#connectionRegistry = connectionRegistry;
    this.#clock = clock;
  }

  /** Resolves once every connection is closed or closing, or after `drain` milliseconds. */
  drain(drain: number): Promise<void> {
    const schedule = new DrainSchedule([...this.#connectionRegistry], drain);
    const startedAt = this.#clock.monotonic();
    return new Promise((resolve) => {
      const poll = () => {
        if (schedule.proceed(this.#clock.monotonic() - startedAt)) resolve();
        else this.#clock.after(pollInterval, poll);
      };
      poll();
    });
  }

  /** Closes every connection, and destroys the sockets of peers that do not answer the close. */
  async closeAll(drain: number): Promise<void> {
    const reason = drain > 0 ? "server_restart" : "going_away";
    for (const connection of this.#connectionRegistry)
      connection.close(reason, { reconnectAfter: [0, Math.max(drain / 1000, 1)] });
    await within(closeTimeout, this.#connectionRegistry.whenEmpty());
    for (const connection of this.#connectionRegistry) connection.terminate();
    await this.#connectionRegistry.whenEmpty();
  }
}

/**
 * The connections that are still served, and those whose close is announced. Times are milliseconds
 * since the beginning of the drain.
 */
class DrainSchedule {
  #staying: readonly { readonly connection: Leaver; readonly turn: number }[];
  #leaving: readonly { readonly connection: Leaver; readonly announcedAt: number }[] = [];
  readonly #drain: number;
  readonly #notice: number;
  /** Seconds: a client reconnects at a random moment between the two. */
  readonly #reconnectAfter: readonly [number, number];

  constructor(connections: readonly Leaver[], drain: number) {
    // the rest of the drain is for calls in flight
    const spread = Math.min((connections.length / maxPerSecond) * 1000, drain / 2);
    this.#staying = connections.map((connection, index) => ({
      connection,
      turn: (index / connections.length) * spread,
    }));
    this.#drain = drain;
    this.#notice = Math.min(longestNotice, drain / 10);
    this.#reconnectAfter = [0, Math.max(spread / 1000, 1)];
  }

  /**
   * Announces the close of connections whose turn has come, and closes those without calls in
   * flight. Returns `true` if none is left or the drain is over.
   */
  proceed(now: number): boolean {
    if (now >= this.#drain) return true;
    const due = this.#staying.filter(({ turn }) => turn <= now);
    this.#staying = this.#staying.slice(due.length);
    for (const { connection } of due)
      connection.announceClose("server_restart", (this.#drain - now) / 1000, this.#reconnectAfter);
    const leaving = [
      ...this.#leaving,
      ...due.map(({ connection }) => ({ connection, announcedAt: now })),
    ];
    const isReady = ({ connection, announcedAt }: (typeof leaving)[number]) =>
      connection.pending.size === 0 && now - announcedAt >= this.#notice;
    for (const one of leaving)
      if (isReady(one))
        one.connection.close("server_restart", { reconnectAfter: this.#reconnectAfter });
    this.#leaving = leaving.filter(({ connection }) => !connection.isClosing);
    return this.#staying.length === 0 && this.#leaving.length === 0;
  }
}

/** Waits for `work`, at most for `timeout` milliseconds. */
export async function within(timeout: number, work: Promise<void>): Promise<void> {
  let stop = () => {};
  const late = new Promise<void>((resolve) => {
    // not unref'ed: keeps the process alive until the shutdown has ended
    const timer = setTimeout(resolve, timeout);
    stop = () => clearTimeout(timer);
  });
  await Promise.race([work, late]);
  stop();
}
