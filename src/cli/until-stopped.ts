import { constants } from "node:os";
import type { Logger } from "../index.js";

/** A graceful shutdown: requests in flight may finish for `drain` milliseconds. */
export type Stop = (drain: number) => Promise<void>;

// 200 ms: npm forwards a signal to its child, which gets the one to the process group as well
const echo = 200;
const crashDrain = 5_000; // 5 s
// 15 s after the drain for everything else to stop
const overtime = 15_000;

/**
 * Shuts the process down gracefully at SIGTERM and SIGINT, with exit code 0 after the drain.
 * Another signal ends the process at once, with 128 plus the signal's number. The process ends at
 * the latest 15 s after the drain. Logs an uncaught error and shuts down gracefully with exit code
 * 1.
 */
export function stopOnSignals(stop: Stop, drain: number, log: Logger): void {
  let stopping: { readonly signal: string; readonly at: number } | undefined;

  const end = async (time: number, code: number) => {
    const giveUp = () => {
      log.error({ event: "close" }, `forced exit ${overtime / 1_000} s after the drain`);
      process.exit(1);
    };
    setTimeout(giveUp, time + overtime).unref();
    await stop(time).catch((error: unknown) =>
      log.error({ event: "close", err: error }, "graceful shutdown failed"),
    );
    process.exit(code);
  };

  const onSignal = (signal: NodeJS.Signals) => {
    const now = performance.now();
    if (stopping?.signal === signal && now - stopping.at < echo) return;
    if (stopping !== undefined) process.exit(128 + constants.signals[signal]);
    stopping = { signal, at: now };
    log.info({ event: "drain", signal }, "shutting down; another signal ends the process at once");
    void end(drain, 0);
  };

  const onCrash = (error: unknown) => {
    log.error({ event: "crash", err: error }, "uncaught error, shutting down");
    if (stopping !== undefined) return;
    stopping = { signal: "crash", at: performance.now() };
    void end(crashDrain, 1);
  };

  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  process.on("uncaughtException", onCrash);
}
