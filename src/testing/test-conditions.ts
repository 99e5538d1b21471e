/** Under which conditions a server runs in a test. */

const unlimited = Number.POSITIVE_INFINITY;

/** Time stands still between two steps of a test, so that a second never ends. */
export const unlimitedRates = {
  openFramesPerSecond: unlimited,
  framesPerSecond: unlimited,
  subscribeCallsPerSecond: unlimited,
  acceptsPerSecond: unlimited,
  authFailuresPerAddress: unlimited,
  authCallsPerAddress: unlimited,
  unauthenticatedConnectionsPerAddress: unlimited,
};

/** The machine that runs tests is busy, and that is nothing to refuse calls for. */
export const idleGauge = { start() {}, stop() {}, delays: () => undefined, heapPercent: () => 0 };
