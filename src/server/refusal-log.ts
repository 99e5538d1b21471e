/** Who is turned away by which limit: an alert can't say whose address that is, and a flood must not fill the disk with its own story. */
import type { Clock } from "../auth/clock.js";
import type { Logger } from "../rpc/logger.js";
import type { Limits } from "./limits.js";

const silence = 10_000; // 10 s between two lines about one limit

interface Told {
  /** When the last line was written, monotonic. */
  readonly at: number;
  /** Refused since then. */
  unsaid: number;
}

export class RefusalLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #told = new Map<keyof Limits, Told>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Somebody was refused: a line for the first, and for the first after 10 s, which says how many there were between. */
  refused(limit: keyof Limits, address: string): void {
    const now = this.#clock.monotonic();
    const told = this.#told.get(limit);
    if (told !== undefined && now - told.at < silence) {
      told.unsaid++;
      return;
    }
    this.#told.set(limit, { at: now, unsaid: 0 });
    this.#log.warn({ event: "limit.hit", limit, address, before: told?.unsaid ?? 0 }, `refused: over limits.${limit}`);
  }
}
