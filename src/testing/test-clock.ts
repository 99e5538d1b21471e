import { setImmediate as endOfTurn } from "node:timers/promises";
import type { Clock } from "../runtime/clock.js";
import { ManualClock } from "./manual-clock.js";

/**
 * Time that passes only when a test says so: for the option `testing` of servers, clients, issuers
 * and stores.
 * @example
 * const clock = new TestClock();
 * const server = createServer(app, { auth, testing: { clock } });
 * await clock.advance(60_000);
 */
export class TestClock implements Clock {
  readonly #time: ManualClock;
  readonly #others = new Set<() => Promise<void>>();
  #isAdvancing = false;

  /**
   * @param start what the wall clock shows at first: a `Date`, or milliseconds since 1970. Default:
   * the time of the machine
   */
  constructor(start: Date | number = Date.now()) {
    const wall = Number(start);
    if (!Number.isFinite(wall))
      throw new TypeError("TestClock: start must be a Date, or milliseconds since 1970");
    this.#time = new ManualClock(wall);
  }

  /** The wall clock, milliseconds since 1970. */
  now(): number {
    return this.#time.now();
  }

  /** The monotonic clock, milliseconds. */
  monotonic(): number {
    return this.#time.monotonic();
  }

  /** Calls `callback` once that much time has passed. Returns the function that prevents it. */
  after(delay: number, callback: () => void): () => void {
    return this.#time.after(delay, callback);
  }

  /**
   * Lets time pass, from timer to timer. After each one everything goes on that can go on without
   * time passing: promises, frames between client and server, answers of pings, renewals of
   * sessions. So a session lives as long as it would in real time, however far time advances.
   * Resolves when all of that has settled. Rejects with `TypeError` if `ms` is no time, and with an
   * `Error` while another `advance` is under way.
   * @example await clock.advance(15 * 60_000);
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY))
      throw new TypeError(`clock.advance takes milliseconds from 0 up, not ${String(ms)}`);
    if (this.#isAdvancing)
      throw new Error("clock.advance is under way already; await it before the next one");
    this.#isAdvancing = true;
    try {
      await this.#settle();
      const end = this.#time.monotonic() + ms;
      while (this.#time.runNext(end)) await this.#settle();
      this.#time.advance(Math.max(0, end - this.#time.monotonic()));
      await this.#settle();
    } finally {
      this.#isAdvancing = false;
    }
  }

  /**
   * Moves the wall clock alone, as an administrator or NTP does. Nothing runs before the next
   * `advance`.
   */
  setWallClock(time: Date | number): void {
    this.#time.stepWall(Number(time) - this.#time.now());
  }

  /**
   * Makes `advance` wait for `settled` too, after each timer. Returns the function that ends it.
   */
  waitFor(settled: () => Promise<void>): () => void {
    this.#others.add(settled);
    return () => void this.#others.delete(settled);
  }

  async #settle(): Promise<void> {
    await endOfTurn();
    for (const settled of this.#others) await settled();
  }
}
