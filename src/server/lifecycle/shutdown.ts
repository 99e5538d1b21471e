/**
 * How a server stops. Connections leave one after the other, spread over a window: each is told,
 * takes no new calls from then on, finishes what is in flight, and is closed. The others are served
 * until it is their turn. At the end nothing is left open.
 */

import type { Clock } from "../../runtime/clock.js";
import type { Connection } from "../connection/connection.js";
import type { ConnectionRegistry } from "./connection-registry.js";

/** What a shutdown needs of a connection. */
export type Leaver = Pick<Connection, "isClosing" | "announceClose" | "close" | "terminate"> & {
  readonly pending: Pick<Connection["pending"], "size">;
};

type LeaverRegistry = Iterable<Leaver> & Pick<ConnectionRegistry, "whenEmpty">;

const closeTimeout = 3_000; // 3 s for the peers to answer a close
const lookInterval = 50; // ms between two looks at who may go
const maxPerSecond = 100; // connections that leave, as long as the time allows
// 1 s in which calls that were under way still come, and are refused in words instead of lost
const longestNotice = 1_000;

export class Shutdown {
  readonly #connectionRegistry: LeaverRegistry;
  readonly #clock: Clock;

  constructor(connectionRegistry: LeaverRegistry, clock: Clock) {
    this.#connectionRegistry = connectionRegistry;
    this.#clock = clock;
  }

  /** Resolves when everybody is closed, or on the way, or when `drain` milliseconds are over. */
  drain(drain: number): Promise<void> {
    const departure = new DrainSchedule([...this.#connectionRegistry], drain);
    const startedAt = this.#clock.monotonic();
    return new Promise((resolve) => {
      const look = () => {
        if (departure.proceed(this.#clock.monotonic() - startedAt)) resolve();
        else this.#clock.after(lookInterval, look);
      };
      look();
    });
  }

  /** Closes every connection; a peer that does not answer the close is cut. */
  async closeAll(drain: number): Promise<void> {
    const reason = drain > 0 ? "server_restart" : "going_away";
    for (const connection of this.#connectionRegistry)
      connection.close(reason, { reconnectAfter: [0, Math.max(drain / 1000, 1)] });
    await within(closeTimeout, this.#connectionRegistry.whenEmpty());
    for (const connection of this.#connectionRegistry) connection.terminate();
    await this.#connectionRegistry.whenEmpty();
  }
}

/** Who is still served, and who was told to go. All times are milliseconds since the beginning. */
class DrainSchedule {
  #staying: readonly { readonly connection: Leaver; readonly turn: number }[];
  #leaving: readonly { readonly connection: Leaver; readonly toldAt: number }[] = [];
  readonly #drain: number;
  readonly #notice: number;
  /** Seconds: who was closed comes back at a random moment between the two. */
  readonly #reconnectAfter: readonly [number, number];

  constructor(connections: readonly Leaver[], drain: number) {
    // the rest is for what is in flight
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
   * Tells those whose turn it is, and closes those who are ready. True: nobody is left, or the time
   * is over.
   */
  proceed(now: number): boolean {
    if (now >= this.#drain) return true;
    const due = this.#staying.filter(({ turn }) => turn <= now);
    this.#staying = this.#staying.slice(due.length);
    for (const { connection } of due)
      connection.announceClose("server_restart", (this.#drain - now) / 1000, this.#reconnectAfter);
    const leaving = [
      ...this.#leaving,
      ...due.map(({ connection }) => ({ connection, toldAt: now })),
    ];
    const isReady = ({ connection, toldAt }: (typeof leaving)[number]) =>
      connection.pending.size === 0 && now - toldAt >= this.#notice;
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
    // keeps the process alive until it has stopped in order
    const timer = setTimeout(resolve, timeout);
    stop = () => clearTimeout(timer);
  });
  await Promise.race([work, late]);
  stop();
}
