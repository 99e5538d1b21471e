import type { Clock } from "../../runtime/clock.js";
import type { Connection } from "../connection/connection.js";

/** What is pinged. */
export type Pulse = Pick<Connection, "ping" | "isAlive" | "terminate" | "check">;

/**
 * Each is a burst of pings, 4 ms long for 5,000 connections; 25 of them, and as many wake-ups,
 * would cost 8 % more.
 */
const slots = 10;

/**
 * Pings all connections, each once per interval, by one timer: the connections are spread over the
 * slots of a wheel.
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
   * `interval` and `timeout` in milliseconds; an interval of `Infinity` pings nobody. `onDead` is told of
   * each one that is cut.
   */
  constructor(clock: Clock, interval: number, timeout: number, onDead: () => void = () => {}) {
    this.#clock = clock;
    this.#onDead = onDead;
    this.#tickLength = interval / slots;
    this.#pongTicks = Math.min(Math.max(Math.ceil(timeout / this.#tickLength), 1), slots - 1);
  }

  add(pulse: Pulse): void {
    // the slot that has just been: a full interval to go
    const slot = this.#wheel[(this.#position + slots - 1) % slots] as Set<Pulse>;
    slot.add(pulse);
    this.#size++;
    if (!this.#isRunning && this.#tickLength < Number.POSITIVE_INFINITY) this.#start();
  }

  delete(pulse: Pulse): void {
    // looked for in all slots: a map from each connection to its slot would take 50 bytes of memory
    // for it
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
      pulse.check(); // the wall clock may have been set
      if (!pulse.ping()) this.#cut(pulse);
    }
  }

  #cut(pulse: Pulse): void {
    this.#onDead();
    pulse.terminate();
  }
}
