/** How a server stops: what is in flight may finish, everybody is told, and in the end nothing is left open. */
import type { Clock } from "../auth/clock.js";
import type { Roster } from "./roster.js";

const closeTimeout = 3_000; // 3 s for the peers to answer a close
const drainPoll = 50; // ms between two looks at what is still in flight

export class Shutdown {
  readonly #roster: Roster;
  readonly #clock: Clock;

  constructor(roster: Roster, clock: Clock) {
    this.#roster = roster;
    this.#clock = clock;
  }

  /** Tells everybody, and waits until nothing is in flight or `drain` milliseconds are over. */
  async drain(drain: number): Promise<void> {
    const endsAt = this.#clock.monotonic() + drain;
    for (const connection of this.#roster) connection.announceClose("server_restart", drain / 1000, [0, drain / 1000]);
    while (this.#clock.monotonic() < endsAt && [...this.#roster].some(({ pending }) => pending.size > 0)) await wait(drainPoll);
  }

  /** Closes every connection; a peer that does not answer the close is cut. */
  async closeAll(drain: number): Promise<void> {
    const reason = drain > 0 ? "server_restart" : "going_away";
    for (const connection of this.#roster) connection.close(reason, { reconnectAfter: [0, Math.max(drain / 1000, 1)] });
    await this.#whenEmptyOr(closeTimeout);
    for (const connection of this.#roster) connection.terminate();
    await this.#roster.whenEmpty();
  }

  async #whenEmptyOr(timeout: number): Promise<void> {
    const timer: { stop: () => void } = { stop: () => {} };
    const late = new Promise<void>((resolve) => {
      const handle = setTimeout(resolve, timeout);
      timer.stop = () => clearTimeout(handle);
    });
    await Promise.race([this.#roster.whenEmpty(), late]);
    timer.stop();
  }
}

function wait(delay: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delay).ref()); // keeps the process alive until it has stopped in order
}
