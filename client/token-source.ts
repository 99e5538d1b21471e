import type { ClientClock } from "./client-clock.js";
import { AuthStop, JotwireError } from "./errors.js";
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
  /** Aborted after 10 s, and when the answer is no longer wanted. */
  readonly signal: AbortSignal;
}

/** `null`: signed out, the client closes. Throwing `AuthStop` does the same; anything else that is thrown counts as temporary. */
export type TokenCallback = (request: TokenRequest) => Promise<string | null> | string | null;

export type TokenOutcome =
  | { readonly is: "token"; readonly token: string }
  | { readonly is: "stop"; readonly reason: "signed_out" | "token_refused"; readonly cause?: unknown }
  | { readonly is: "failed"; readonly error: unknown };

export interface TokenSource {
  /** One request at a time: whoever asks while one is under way gets its outcome. */
  get(reason: TokenReason, force: boolean): Promise<TokenOutcome>;
  /** This token is of no use any more; given once again, it ends the client, and `cause` is what is told about it. */
  bury(token: string, cause?: unknown): void;
  /** The outcome of a request under way is no longer wanted. */
  cancel(): void;
}

const limit = 10_000; // 10 s for one answer

export function createTokenSource(callback: TokenCallback, clock: ClientClock, share?: TokenShare): TokenSource {
  let previous: string | null = null;
  let dead: { readonly token: string; readonly cause: unknown } | undefined;
  let attempt = 0;
  let flight: { readonly outcome: Promise<TokenOutcome>; readonly cancel: () => void } | undefined;

  const ask = async (reason: TokenReason, force: boolean, controller: AbortController): Promise<TokenOutcome> => {
    const { signal } = controller;
    if (signal.aborted) return { is: "failed", error: signal.reason };
    const aborted = new Promise<never>((_, reject) => {
      signal.onabort = () => reject(signal.reason);
    });
    const stopLimit = clock.after(limit, () => controller.abort(new JotwireError("timeout", "token() gave no answer within 10 s")));
    const given = (async () => callback({ reason, force, attempt: ++attempt, previous, signal }))(); // whether it throws or rejects
    try {
      const token = await Promise.race([given, aborted]);
      if (!token) return { is: "stop", reason: "signed_out" };
      return { is: "token", token };
    } catch (error) {
      return error instanceof AuthStop ? { is: "stop", reason: "signed_out", cause: error } : { is: "failed", error };
    } finally {
      stopLimit();
    }
  };

  const start = (reason: TokenReason, force: boolean): Promise<TokenOutcome> => {
    const controller = new AbortController();
    const cancel = () => controller.abort(new JotwireError("aborted", "The token is no longer wanted"));
    const run = () => ask(reason, force, controller);
    const isUseful = (token: string) => token !== previous && token !== dead?.token;
    const outcome = (share ? share.take(reason, controller.signal, isUseful, run) : run()).then((given) => {
      const isWanted = flight?.outcome === outcome;
      if (isWanted) flight = undefined;
      if (given.is !== "token" || !isWanted) return given;
      attempt = 0;
      previous = given.token;
      share?.use(previous);
      if (given.token !== dead?.token) return given;
      return force ? ({ is: "stop", reason: "token_refused", cause: dead.cause } as const) : get("refused", true);
    });
    flight = { outcome, cancel };
    return outcome;
  };

  const get = (reason: TokenReason, force: boolean) => flight?.outcome ?? start(reason, force);

  return {
    get,
    bury: (token, cause) => {
      dead = { token, cause };
    },
    cancel() {
      flight?.cancel();
      flight = undefined;
      share?.close();
    },
  };
}
