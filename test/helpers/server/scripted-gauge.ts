import type { Delays, LoadGauge } from "../../../src/server/admission/load-gauge.js";

/** Says what it is told to. */
export class ScriptedGauge implements LoadGauge {
  next: Delays | undefined = { measured: 50, over: 0 };
  heap = 50;
  isRunning = false;

  start(): void {
    this.isRunning = true;
  }

  stop(): void {
    this.isRunning = false;
  }

  delays(): Delays | undefined {
    return this.next;
  }

  heapPercent(): number {
    return this.heap;
  }
}
