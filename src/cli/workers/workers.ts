/** Several processes on one port (node:cluster), which share nothing but the store. */
import cluster, { type Worker } from "node:cluster";
import { availableParallelism, constants } from "node:os";
import { InvalidArgumentError, Option } from "commander";
import type { Logger } from "../../index.js";
import { openMetricsPort } from "../../server/metrics/metrics-endpoint.js";
import { exitCodes, failingAs } from "../cli-error.js";
import { GatheredMetrics } from "./worker-metrics.js";

const maxWorkers = 256;
const echo = 200; // 200 ms: a signal to the process group comes a second time by way of npm
// 1 s before a worker that died is replaced, doubled up to 30 s while they go on dying
const shortestPause = 1_000;
const longestPause = 30_000;
const overtime = 20_000; // 20 s after the drain, in which all workers must have ended

export const workersOption = () =>
  new Option(
    "--workers <count>",
    "processes that serve together: a number, or auto for one per core; needs --redis",
  )
    .argParser(countOf)
    .default(1);

function countOf(text: string): number {
  const count = text === "auto" ? availableParallelism() : Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= maxWorkers) return count;
  throw new InvalidArgumentError(`It must be auto, or a whole number from 1 to ${maxWorkers}.`);
}

export const { isWorker } = cluster;

/** How the workers are watched over. */
export interface Supervision {
  readonly count: number;
  /** Of the command line: what each worker is started with. */
  readonly args: readonly string[];
  /** Milliseconds. */
  readonly drain: number;
  /** Where `/metrics` of all workers is. */
  readonly metrics: MetricsPlace | undefined;
}

export interface MetricsPlace {
  /** 0 = any free one. */
  readonly port: number;
  readonly host: string;
}

/**
 * Starts the workers and keeps them running: one that dies is replaced. At SIGTERM and SIGINT all
 * are told to stop in order, and the process ends when they have; a second signal ends them at
 * once. When one can't even start, all end with its exit code. Rejects with a `CliError` when the
 * port of the metrics can't be had.
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

  // a number that it takes over from the one that it replaces
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
      // it may not have come so far as to hear it
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
      "a worker died: another takes its place",
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
      "stopping all workers; another signal ends them at once",
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
    `the port of the metrics, --metrics-port ${wanted.port}, can't be opened: `,
    open,
  );
  log.info({ event: "metrics", metricsPort: port }, "the metrics of all workers are here");
}
