import type { ClientClock } from "../transport/clock.js";
import { pause } from "../transport/pause.js";
import type { TokenReason } from "./token-request.js";

export interface TokenShare {
  /**
   * Runs `ask` while no other page does; or gives the token that another one has got, when
   * `isUseful` and this one is to renew its own.
   */
  take(
    reason: TokenReason,
    signal: AbortSignal,
    isUseful: (token: string) => boolean,
    ask: () => Promise<string | null>,
  ): Promise<string | null>;
  /** The page uses this token: from here on it hears of those for the same session. */
  use(token: string): void;
  close(): void;
}

const timeoutMs = 5_000; // 5 s: a page that hangs, or is frozen, holds up the others no longer
// 1 s for a token to reach the other pages: a lock may be handed on faster than a message
const handover = 1_000;
const lockName = "jotwire";

/**
 * The pages of an origin ask for a token one after the other (Web Locks), and one that has renewed
 * a session hands the token to the pages that have the same session (BroadcastChannel): tokens with
 * the same claims, but for those that each token has of its own. Nothing is stored. `offered`:
 * another page has renewed the session of this one. `undefined` where there are no pages.
 */
export function createTokenShare(clock: ClientClock, offered: () => void): TokenShare | undefined {
  const {
    document: page,
    navigator,
    BroadcastChannel: Channel,
  } = globalThis as Partial<typeof globalThis>;
  const locks = navigator?.locks as LockManager | undefined; // none without TLS
  if (!page || !locks || !Channel) return undefined;
  let current: string | undefined;
  let session: string | undefined;
  let channel: BroadcastChannel | undefined;
  let offer: string | undefined;
  let stopWaiting = () => {};
  let letGo = () => {}; // of the lock

  const close = () => {
    letGo();
    channel?.close();
    current = session = channel = offer = undefined;
  };

  const use = (token: string) => {
    const next = sessionOf(token);
    if (next !== session) {
      close();
      session = next;
      if (next !== undefined) {
        try {
          channel = new Channel(`${lockName} ${next}`);
          channel.onmessage = ({ data }) => {
            if (data === current || sessionOf(data) !== session) return;
            offer = data;
            stopWaiting();
            offered();
          };
        } catch {} // where the user blocks storage, pages do not hear of each other
      }
    }
    current = token;
  };

  return {
    async take(reason, signal, isUseful, ask) {
      const isRenewal = reason !== "connect"; // a new connection may be for another user
      letGo();
      const isDone = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      const isGranted = new Promise<void>((resolve) => {
        stopWaiting = resolve;
        if (isRenewal && offer !== undefined) return resolve();
        const hold = () => {
          resolve();
          return isDone; // at once, if it is granted when nobody waits for it any more
        };
        // where the user blocks storage, there are no locks
        locks.request(lockName, hold).catch(hold);
      });
      await pause(clock, timeoutMs, signal, isGranted);
      const token = offer;
      offer = undefined;
      let isShared = false;
      try {
        if (isRenewal && token !== undefined && isUseful(token)) return token;
        const given = await ask();
        if (isRenewal && given && !signal.aborted) {
          use(given);
          channel?.postMessage(given);
          isShared = channel !== undefined;
        }
        return given;
      } finally {
        const free = letGo;
        const cancel = isShared && clock.after(handover, free);
        if (cancel) {
          letGo = () => {
            cancel();
            free();
          };
        } else free();
      }
    },
    use,
    close,
  };
}

/**
 * Whose a JWT (RFC 7519 §3) is, by its own words: all claims but those that differ from token to
 * token. `undefined`: it isn't shared, or no JWT.
 */
function sessionOf(token: string): string | undefined {
  try {
    const { exp, iat, nbf, jti, auth_time, ...claims } = JSON.parse(
      atob(token.split(".")[1]?.replace(/-/g, "+").replace(/_/g, "/") ?? ""),
    );
    return claims.sub && JSON.stringify(Object.entries(claims).sort());
  } catch {
    return undefined;
  }
}
