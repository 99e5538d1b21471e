import { constants } from "node:os";
import type { Logger } from "../index.js";

/** What stops in order: requests in flight may finish for `drain` milliseconds. */
export type Stop = (drain: number) => Promise<void>;

// 200 ms: a signal to the process group comes a second time by way of npm, which passes it on
const echo = 200;
const crashDrain = 5_000; // 5 s
// 15 s after the drain, in which everything that was told to stop must have stopped
const overtime = 15_000;

/**
 * Ends the process in order at SIGTERM and SIGINT: exit code 0 when it has drained. Another signal
 * ends it at once, with 128 and the signal's number. It never outlives the drain by more than 15 s.
 * What nobody caught is logged, and ends it in order with 1.
 */
export function stopOnSignals(stop: Stop, drain: number, log: Logger): void {
  let stopping: { readonly signal: string; readonly at: number } | undefined;

  const end = async (time: number, code: number) => {
    const giveUp = () => {
      log.error(
        { event: "close" },
        `it has not stopped ${overtime / 1_000} s after the drain: ended as it is`,
      );
      process.exit(1);
    };
    setTimeout(giveUp, time + overtime).unref();
    await stop(time).catch((error: unknown) =>
      log.error({ event: "close", err: error }, "the server could not be stopped in order"),
    );
    process.exit(code);
  };

  const onSignal = (signal: NodeJS.Signals) => {
    const now = performance.now();
    if (stopping?.signal === signal && now - stopping.at < echo) return;
    if (stopping !== undefined) process.exit(128 + constants.signals[signal]);
    stopping = { signal, at: now };
    log.info({ event: "drain", signal }, "stopping; another signal ends it at once");
    void end(drain, 0);
  };

  const onCrash = (error: unknown) => {
    log.error({ event: "crash", err: error }, "nobody caught this error: stopping");
    if (stopping !== undefined) return;
    stopping = { signal: "crash", at: performance.now() };
    void end(crashDrain, 1);
  };

  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  process.on("uncaughtException", onCrash);
}
