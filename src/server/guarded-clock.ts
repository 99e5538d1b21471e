import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";

/** A clock whose timers catch what they call throws: nothing of it ends the process. */
export function guardedClock(clock: Clock, log: Logger): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (delay, callback) =>
      clock.after(delay, () => {
        try {
          callback();
        } catch (error) {
          log.error({ event: "timer.fail", err: error }, "a timer's callback threw");
        }
      }),
  };
}
