import { setTimeout as delay } from "node:timers/promises";
import { answer, cpuTime } from "./answer.mjs";

/**
 * Makes this process a server of the benchmark. `start` is given the options of the scenario and
 * returns the port.
 */
export function serve(start, questions = {}) {
  answer({
    start: async (options) => ({ port: await start(options) }),
    cpu: cpuTime,
    memory: async () => {
      for (let round = 0; round < 4; round++) {
        globalThis.gc();
        await delay(50); // finalizers, and pages given back
      }
      return { resident: process.memoryUsage.rss(), heap: process.memoryUsage().heapUsed };
    },
    ...questions,
  });
}
