import type { Router } from "../../../src/index.js";
import type { LoadGauge } from "../../../src/server/admission/load-gauge.js";
import { ManualClock } from "../manual-clock.js";
import { startServer, type TestServer, type TestServerOptions } from "./test-server.js";

export interface TimedServer extends TestServer {
  readonly clock: ManualClock;
  /** The server's time in whole seconds. */
  seconds(): number;
}

/**
 * A server whose time moves only when a test says so. Without heartbeat and rate limit, unless
 * `options.limits` says otherwise.
 */
export async function startTimed<R, N>(
  app: Router<R, N>,
  options: TestServerOptions = {},
  gauge?: LoadGauge,
): Promise<TimedServer> {
  const clock = new ManualClock();
  const limits = {
    pingInterval: Number.POSITIVE_INFINITY,
    openFramesPerSecond: Number.POSITIVE_INFINITY,
    ...options.limits,
  };
  const server = await startServer(app, { clock, ...options, limits }, gauge);
  return { ...server, clock, seconds: () => Math.floor(clock.now() / 1_000) };
}
