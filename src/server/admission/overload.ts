/**
 * Load shedding. Samples the event loop's delay and the heap once per second. Refuses new
 * connections after several samples in a row over the limit, and closes the least valuable
 * connections when the heap is nearly full.
 */
import { type Clock, every } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { Limits } from "../limits.js";
import type { Delays, LoadGauge } from "./load-gauge.js";

export const overloadLimits = [
  "loopDelay",
  "heapPercent",
] as const satisfies readonly (keyof Limits)[];

export type OverloadLimit = (typeof overloadLimits)[number];

export interface OverloadPorts {
  readonly clock: Clock;
  readonly gauge: LoadGauge;
  readonly log: Logger;
  readonly connections: {
    /** Closes the least valuable connections. Returns their number. */
    shed(): number;
  };
}

const never = Number.POSITIVE_INFINITY;
const lookInterval = 1_000; // 1 s
const maxAttempts = 5; // samples in a row
const remembered = 10; // samples over which delays are summed
// share of the delays; the 99th percentile exceeds the limit if a greater share does
const tolerated = 0.01;
const critical = 95; // percent of the heap above which connections are shed

export class Overload {
  readonly #limits: Pick<Limits, OverloadLimit>;
  readonly #ports: OverloadPorts;
  readonly #loop = new Hysteresis();
  readonly #heap = new Hysteresis();
  readonly #delays: Delays[] = [];
  #stopLooking: (() => void) | undefined;

  constructor(limits: Pick<Limits, OverloadLimit>, ports: OverloadPorts) {
    this.#limits = limits;
    this.#ports = ports;
  }

  start(): void {
    if (
      this.#stopLooking !== undefined ||
      (this.#limits.loopDelay === never && this.#limits.heapPercent === never)
    )
      return;
    this.#ports.gauge.start();
    this.#stopLooking = every(this.#ports.clock, lookInterval, () => {
      this.#lookAtLoop(this.#limits.loopDelay);
      this.#lookAtHeap(this.#limits.heapPercent);
    });
  }

  stop(): void {
    this.#stopLooking?.();
    this.#stopLooking = undefined;
    this.#ports.gauge.stop();
  }

  /** The exceeded limit, or `undefined`. */
  get limit(): OverloadLimit | undefined {
    return this.#heap.isOn ? "heapPercent" : this.#loop.isOn ? "loopDelay" : undefined;
  }

  /** A text for people, or `null` without overload. */
  get reason(): string | null {
    const { limit } = this;
    return limit === undefined ? null : `overloaded: ${descriptions[limit]}`;
  }

  /** Is this limit exceeded? */
  isOver(limit: OverloadLimit): boolean {
    return limit === "loopDelay" ? this.#loop.isOn : this.#heap.isOn;
  }

  #lookAtLoop(most: number): void {
    const delays = most === never ? undefined : this.#ports.gauge.delays(most);
    if (delays === undefined) return;
    if (this.#delays.push(delays) > remembered) this.#delays.shift();
    const sum = (pick: (delays: Delays) => number) =>
      this.#delays.reduce((total, delays) => total + pick(delays), 0);
    const measured = sum((delays) => delays.measured);
    const over = sum((delays) => delays.over);
    const isOver = this.#delays.length === remembered && over > measured * tolerated;
    this.#tell("loopDelay", this.#loop.look(isOver), { measured, over });
  }

  #lookAtHeap(most: number): void {
    if (most === never) return;
    const percent = this.#ports.gauge.heapPercent();
    this.#tell("heapPercent", this.#heap.look(percent > most), { percent: Math.round(percent) });
    if (!this.#heap.isOn || percent <= critical) return;
    const connections = this.#ports.connections.shed();
    if (connections > 0)
      this.#ports.log.warn(
        { event: "overload.shed", connections, percent: Math.round(percent) },
        "connections closed to free memory",
      );
  }

  #tell(limit: OverloadLimit, change: "begins" | "ends" | undefined, figures: object): void {
    if (change === undefined) return;
    const { log } = this.#ports;
    if (change === "begins")
      log.warn(
        { event: "overload.begin", limit, ...figures },
        `refusing new connections: ${descriptions[limit]}`,
      );
    else log.info({ event: "overload.end", limit, ...figures }, "overload ended");
  }
}

const descriptions: Readonly<Record<OverloadLimit, string>> = {
  loopDelay: "the event loop is delayed (limits.loopDelay)",
  heapPercent: "the heap is nearly full (limits.heapPercent)",
};

/** Switches on after several samples over the limit in a row, and off at the first one below it. */
class Hysteresis {
  isOn = false;
  #inARow = 0;

  look(isOver: boolean): "begins" | "ends" | undefined {
    const wasOn = this.isOn;
    this.#inARow = isOver ? this.#inARow + 1 : 0;
    this.isOn = isOver && (wasOn || this.#inARow >= maxAttempts);
    return wasOn === this.isOn ? undefined : this.isOn ? "begins" : "ends";
  }
}
