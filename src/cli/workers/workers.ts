/** Runs several processes on one port (node:cluster), which share only the store. */
import cluster, { type Worker } from "node:cluster";
import { availableParallelism, constants } from "node:os";
import { InvalidArgumentError, Option } from "commander";
import type { Logger } from "../../index.js";
import { openMetricsPort } from "../../server/metrics/metrics-endpoint.js";
import { exitCodes, failingAs } from "../cli-error.js";
import { GatheredMetrics } from "./worker-metrics.js";

const maxWorkers = 256;
const echo = 200; // 200 ms: npm forwards a signal that the process group gets as well
// 1 s before a dead worker is replaced, doubled up to 30 s while workers go on dying
const shortestPause = 1_000;
const longestPause = 30_000;
const overtime = 20_000; // 20 s after the drain for all workers to end

export const workersOption = () =>
  new Option(
    "--workers <count>",
    "number of processes, or auto for one per core; more than one needs --redis",
  )
    .argParser(countOf)
    .default(1);

function countOf(text: string): number {
  const count = text === "auto" ? availableParallelism() : Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= maxWorkers) return count;
  throw new InvalidArgumentError(`It must be auto, or a whole number from 1 to ${maxWorkers}.`);
}

export const { isWorker } = cluster;

/** Options of {@link supervise}. */
export interface Supervision {
  readonly count: number;
  /** Command-line arguments of each worker. */
  readonly args: readonly string[];
  /** Milliseconds for the graceful shutdown of a worker. */
  readonly drain: number;
  /** Address of `/metrics` for all workers. */
  readonly metrics: MetricsPlace | undefined;
}

export interface MetricsPlace {
  /** 0 for any free port. */
  readonly port: number;
  readonly host: string;
}

/**
 * Starts the workers and replaces those that die. At SIGTERM and SIGINT shuts all workers down
 * gracefully and ends the process after them; a second signal ends all at once. If a worker dies
 * before any of them listens, ends all workers with its exit code. Rejects with `CliError` if the
 * port of the metrics cannot be opened.
 */
export async function supervise(
  { count, args, drain, metrics }: Supervision,
  log: Logger,
): Promise<void> {
  cluster.setupPrimary({ args: [...args] });
  const running = new Map<Worker, number>();
  if (metrics !== undefined) await serveMetrics(running, metrics, log);
  let stopping: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;
  let code = 0;
  let deaths = 0;
  let hasServed = false;

  // a replacement takes over the number of the dead worker
  const start = (number: number) => running.set(cluster.fork(), number);
  const endIfEmpty = () => {
    if (running.size === 0) process.exit(code);
  };
  const tellAll = (signal: NodeJS.Signals) => {
    for (const { process: child } of running.keys()) child.kill(signal);
  };

  cluster.on("listening", () => {
    hasServed = true;
  });
  cluster.on("exit", (worker, exitCode, signal) => {
    const number = running.get(worker) ?? 1;
    running.delete(worker);
    if (stopping !== undefined) {
      // SIGTERM may have ended the worker before it installed its signal handler
      const isAsTold = exitCode === 0 || signal === "SIGTERM";
      if (!isAsTold && code === 0) code = exitCode ?? exitCodes.unexpected;
      return endIfEmpty();
    }
    if (!hasServed) {
      stopping = { signal: "SIGTERM", at: 0 };
      code = exitCode ?? exitCodes.unexpected;
      tellAll("SIGTERM");
      return endIfEmpty();
    }
    const pause = Math.min(shortestPause * 2 ** deaths++, longestPause);
    log.error(
      { event: "worker.died", worker: number, code: exitCode, signal, pause },
      "worker died, starting a replacement",
    );
    setTimeout(() => {
      if (stopping === undefined) start(number);
    }, pause);
    setTimeout(() => {
      deaths = 0;
    }, 10 * longestPause).unref();
  });

  const onSignal = (signal: NodeJS.Signals) => {
    const now = performance.now();
    if (stopping?.signal === signal && now - stopping.at < echo) return;
    if (stopping !== undefined) {
      tellAll("SIGKILL");
      process.exit(128 + constants.signals[signal]);
    }
    stopping = { signal, at: now };
    log.info(
      { event: "drain", signal, workers: running.size },
      "shutting down all workers; another signal ends them at once",
    );
    tellAll("SIGTERM");
    setTimeout(() => tellAll("SIGKILL"), drain + overtime).unref();
    endIfEmpty();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);

  for (let number = 1; number <= count; number++) start(number);
}

async function serveMetrics(
  running: ReadonlyMap<Worker, number>,
  wanted: MetricsPlace,
  log: Logger,
): Promise<void> {
  const gathered = new GatheredMetrics(running);
  const open = () => openMetricsPort(wanted.port, wanted.host, () => gathered.text());
  const { port } = await failingAs(
    "connection",
    `the port of the metrics, --metrics-port ${wanted.port}, cannot be opened: `,
    open,
  );
  log.info({ event: "metrics", metricsPort: port }, "serving the metrics of all workers");
}
