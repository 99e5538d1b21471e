import { backoff } from "./backoff.js";
import { JotwireError } from "./errors.js";
import type { ClientSettings } from "./options.js";
import type { TokenShare } from "./token-share.js";

export type TokenReason =
  /** For a new connection; not after a freeze or the back/forward cache while the token is good. */
  | "connect"
  /** To renew the session in time. */
  | "refresh"
  /** The session has expired. */
  | "expired"
  /** The server refused the previous token. */
  | "refused";

export interface TokenRequest {
  readonly reason: TokenReason;
  /** `true`: a token other than `previous` is needed, so that a cache is no help. */
  readonly force: boolean;
  /** 1 for the first try, and one more for each after a failure. */
  readonly attempt: number;
  /** The token that was given last, or `null`. */
  readonly previous: string | null;
  /** Aborted after `tokenTimeout`, and when the client closes or reconnects. `token()` is not called again before this call has ended. */
  readonly signal: AbortSignal;
}

/**
 * `null`: signed out, the client closes. Throwing `AuthStop` does the same; anything else that is thrown, and `undefined`, counts as temporary.
 * It must not wait for its own client, which waits for the token.
 */
export type TokenCallback = (request: TokenRequest) => Promise<string | null> | string | null;

export interface TokenSource {
  /**
   * Gives what `token()` does, and rejects with what it throws. One request at a time: whoever asks while one is under way gets its outcome,
   * also when that comes too late for who asked first.
   */
  get(reason: TokenReason, isUseful: (token: string) => boolean): Promise<string | null>;
  /** Nobody wants the outcome of a request under way any more. */
  cancel(): void;
  /** Whether the caller is the synchronous part of `token()`. */
  isInside(): boolean;
}

interface Flight {
  readonly controller: AbortController;
  outcome: Promise<string | null>;
}

export function createTokenSource(callback: TokenCallback, settings: ClientSettings, share?: TokenShare): TokenSource {
  const { clock, tokenTimeout } = settings;
  let previous: string | null = null;
  let attempt = 0;
  let askedAt = -Number.POSITIVE_INFINITY;
  let hurry = 0; // calls in a row that came soon after the one before: all but the first of them have to wait
  let isInside = false;
  let running: Promise<string | null> | undefined; // the last call of `token()`
  let flight: Flight | undefined;

  /** Waits for `delay` milliseconds; less, when `until` is settled or `signal` aborted before. */
  const pause = (delay: number, signal: AbortSignal, until?: Promise<unknown>) =>
    new Promise<void>((resolve) => {
      const done = () => {
        cancel();
        resolve();
      };
      const cancel = clock.after(delay, done);
      signal.addEventListener("abort", done);
      until?.then(done, done);
      if (signal.aborted) done();
    });

  const ask = async (reason: TokenReason, controller: AbortController) => {
    const { signal } = controller;
    await (running && pause(tokenTimeout, signal, running)); // it was given up, which it may not have noticed
    const idle = clock.monotonic() - askedAt;
    const delay = hurry && backoff(hurry - 1, settings.backoff, 1) - idle;
    hurry = delay > 0 || idle < settings.backoff.min ? hurry + 1 : 0;
    if (delay > 0) await pause(delay, signal);
    signal.throwIfAborted();
    askedAt = clock.monotonic();
    const cancel = clock.after(tokenTimeout, () => {
      controller.abort(new JotwireError("timeout", "token() took longer than tokenTimeout"));
    });
    signal.addEventListener("abort", cancel);
    isInside = true;
    running = (async () => callback({ reason, force: reason !== "connect", attempt: ++attempt, previous, signal }))().finally(cancel);
    isInside = false;
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
      if (!token || typeof token !== "string") throw new TypeError(`token() gave ${typeof token}, not a string or null`);
      attempt = 0;
      previous = token;
      share?.use(token);
      return token;
    });
    const given = new Promise<string | null>((resolve, reject) => {
      outcome.then(resolve, (error) => {
        if (flight === mine) flight = undefined;
        reject(error);
      });
      signal.addEventListener("abort", () => {
        mine.outcome = outcome; // for who asks next: it may come late
        reject(signal.reason);
      });
    });
    const mine: Flight = { controller, outcome: given };
    return mine;
  };

  return {
    async get(reason, isUseful) {
      flight ??= start(reason, isUseful);
      const mine = flight;
      const { outcome } = mine;
      const token = await outcome;
      if (flight === mine) flight = undefined;
      return token;
    },
    cancel() {
      flight?.controller.abort(new JotwireError("aborted", "No longer needed"));
      flight = undefined;
      share?.close();
    },
    isInside: () => isInside,
  };
}
