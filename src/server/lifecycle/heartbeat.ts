import type { Clock } from "../../runtime/clock.js";
import type { Connection } from "../connection/connection.js";

/** A connection, as the heartbeat sees it. */
export type Pulse = Pick<Connection, "ping" | "isAlive" | "terminate" | "check">;

/**
 * Number of ping bursts per interval, 4 ms each with 5,000 connections. 25 bursts, with as many
 * wake-ups, cost 8 % more.
 */
const slots = 10;

/**
 * Pings every connection once per interval. One timer serves all connections, which are spread over
 * the slots of a timing wheel.
 */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #tickLength: number;
  readonly #pongTicks: number;
  readonly #onDead: () => void;
  readonly #wheel: readonly Set<Pulse>[] = Array.from({ length: slots }, () => new Set<Pulse>());
  #size = 0;
  #position = 0;
  #cancelTimer: () => void = () => {};
  #isRunning = false;

  /**
   * `interval` and `timeout` are milliseconds; an `interval` of `Infinity` disables pings. Calls
   * `onDead` for each connection that it cuts.
   */
  constructor(clock: Clock, interval: number, timeout: number, onDead: () => void = () => {}) {
    this.#clock = clock;
    this.#onDead = onDead;
    this.#tickLength = interval / slots;
    this.#pongTicks = Math.min(Math.max(Math.ceil(timeout / this.#tickLength), 1), slots - 1);
  }

  add(pulse: Pulse): void {
    // the slot that was last due, so that a full interval remains
    const slot = this.#wheel[(this.#position + slots - 1) % slots] as Set<Pulse>;
    slot.add(pulse);
    this.#size++;
    if (!this.#isRunning && this.#tickLength < Number.POSITIVE_INFINITY) this.#start();
  }

  delete(pulse: Pulse): void {
    // searches all slots, since a map from connection to slot would take 50 bytes per connection
    if (!this.#wheel.some((slot) => slot.delete(pulse))) return;
    if (--this.#size === 0) this.stop();
  }

  stop(): void {
    this.#isRunning = false;
    this.#cancelTimer();
  }

  #start(): void {
    this.#isRunning = true;
    this.#cancelTimer = this.#clock.after(this.#tickLength, () => {
      this.#tick();
      if (this.#isRunning) this.#start();
    });
  }

  #tick(): void {
    const due = this.#wheel[this.#position] as Set<Pulse>;
    const pinged = this.#wheel[(this.#position + slots - this.#pongTicks) % slots] as Set<Pulse>;
    this.#position = (this.#position + 1) % slots;
    for (const pulse of pinged) if (!pulse.isAlive) this.#cut(pulse);
    for (const pulse of due) {
      pulse.check(); // catches an expiry after a change of the wall clock
      if (!pulse.ping()) this.#cut(pulse);
    }
  }

  #cut(pulse: Pulse): void {
    this.#onDead();
    pulse.terminate();
  }
}
