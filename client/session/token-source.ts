import { JotwireError } from "../errors.js";
import type { ClientSettings } from "../options.js";
import { pause } from "../transport/pause.js";
import type { TokenCallback, TokenReason } from "./token-request.js";
import type { TokenShare } from "./token-share.js";

export interface TokenSource {
  /**
   * Gives what `token()` does, and rejects with what it throws. One request at a time: whoever asks
   * while one is under way gets its outcome, also when that comes too late for who asked first.
   */
  obtain(reason: TokenReason, isUseful: (token: string) => boolean): Promise<string | null>;
  /** Nobody wants the outcome of a request under way any more. */
  cancel(): void;
  /** Whether the caller is the synchronous part of `token()`. */
  isAsking(): boolean;
}

interface Flight {
  readonly controller: AbortController;
  outcome: Promise<string | null>;
}

export function createTokenSource(
  callback: TokenCallback,
  settings: ClientSettings,
  share?: TokenShare,
): TokenSource {
  const { clock, tokenTimeout } = settings;
  let previous: string | null = null;
  let attempt = 0;
  let askedAt = -Number.POSITIVE_INFINITY;
  let isHurried = false; // the last call came soon after the one before: the next one has to wait
  let isAsking = false;
  let running: Promise<string | null> | undefined; // the last call of `token()`
  let flight: Flight | undefined;

  const ask = async (reason: TokenReason, controller: AbortController) => {
    const { signal } = controller;
    // it was given up, which it may not have noticed
    await (running && pause(clock, tokenTimeout, signal, running));
    const early = askedAt + settings.backoff.min - clock.monotonic();
    if (early > 0 && isHurried) await pause(clock, early, signal);
    if (signal.aborted) throw signal.reason;
    isHurried = early > 0;
    askedAt = clock.monotonic();
    const cancel = clock.after(tokenTimeout, () => {
      controller.abort(new JotwireError("timeout", "tokenTimeout is over"));
    });
    signal.addEventListener("abort", cancel);
    isAsking = true;
    running = (async () =>
      callback({
        reason,
        force: reason !== "connect",
        attempt: ++attempt,
        previous,
        signal,
      }))().finally(cancel);
    isAsking = false;
    return running;
  };

  const start = (reason: TokenReason, isUseful: (token: string) => boolean): Flight => {
    const controller = new AbortController();
    const { signal } = controller;
    const run = () => ask(reason, controller);
    const isNew = (token: string) => token !== previous && isUseful(token);
    const outcome = (share ? share.take(reason, signal, isNew, run) : run()).then((token) => {
      if (flight !== mine) throw signal.reason;
      if (token === null) return token;
      if (!token || typeof token !== "string") throw new TypeError(`token() gave ${typeof token}`);
      attempt = 0;
      previous = token;
      return token;
    });
    const timely = new Promise<string | null>((resolve, reject) => {
      outcome.then(resolve, (error) => {
        if (flight === mine) flight = undefined;
        reject(error);
      });
      signal.addEventListener("abort", () => {
        mine.outcome = outcome; // for who asks next: it may come late
        reject(signal.reason);
      });
    });
    const mine: Flight = { controller, outcome: timely };
    return mine;
  };

  return {
    async obtain(reason, isUseful) {
      flight ??= start(reason, isUseful);
      const mine = flight;
      const { outcome } = mine;
      const token = await outcome;
      if (flight === mine) flight = undefined;
      return token;
    },
    cancel() {
      flight?.controller.abort(new JotwireError("aborted"));
      flight = undefined;
      share?.close();
    },
    isAsking: () => isAsking,
  };
}
