import type { ClientClock } from "../transport/clock.js";
import { pause } from "../transport/pause.js";
import type { TokenReason } from "./token-request.js";

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
  const { document: page, navigator, BroadcastChannel } = globalThis as Partial<typeof globalThis>;
  const locks = navigator?.locks as LockManager | undefined; // none without TLS
  return page && locks && BroadcastChannel && new TokenShare(clock, locks, offered);
}

export class TokenShare {
  readonly #clock: ClientClock;
  readonly #locks: LockManager;
  readonly #offered: () => void;
  #current: string | undefined;
  #session: string | undefined;
  #channel: BroadcastChannel | undefined;
  #offer: string | undefined;
  #stopWaiting = () => {};
  #letGo = () => {}; // of the lock

  constructor(clock: ClientClock, locks: LockManager, offered: () => void) {
    this.#clock = clock;
    this.#locks = locks;
    this.#offered = offered;
  }

  /**
   * Runs `ask` while no other page does; or gives the token that another one has got, when
   * `isUseful` and this one is to renew its own.
   */
  async take(
    reason: TokenReason,
    signal: AbortSignal,
    isUseful: (token: string) => boolean,
    ask: () => Promise<string | null>,
  ): Promise<string | null> {
    const isRenewal = reason !== "connect"; // a new connection may be for another user
    this.#letGo();
    const isDone = new Promise<void>((resolve) => {
      this.#letGo = resolve;
    });
    const isGranted = new Promise<void>((resolve) => {
      this.#stopWaiting = resolve;
      if (isRenewal && this.#offer) return resolve();
      const hold = () => {
        resolve();
        return isDone; // at once, if it is granted when nobody waits for it any more
      };
      // where the user blocks storage, there are no locks
      this.#locks.request(lockName, hold).catch(hold);
    });
    await pause(this.#clock, timeoutMs, signal, isGranted);
    const token = this.#offer;
    this.#offer = undefined;
    let isShared = false;
    try {
      if (isRenewal && token && isUseful(token)) return token;
      const given = await ask();
      if (isRenewal && given && !signal.aborted) {
        this.use(given);
        this.#channel?.postMessage(given);
        isShared = !!this.#channel;
      }
      return given;
    } finally {
      const free = this.#letGo;
      if (isShared) {
        const cancel = this.#clock.after(handover, free);
        this.#letGo = () => {
          cancel();
          free();
        };
      } else free();
    }
  }

  /** The page uses this token: from here on it hears of those for the same session. */
  use(token: string): void {
    const session = sessionOf(token);
    if (session !== this.#session) {
      this.close();
      this.#session = session;
      if (session) {
        try {
          this.#channel = new BroadcastChannel(`${lockName} ${session}`);
          this.#channel.onmessage = ({ data }) => {
            if (data === this.#current || sessionOf(data) !== this.#session) return;
            this.#offer = data;
            this.#stopWaiting();
            this.#offered();
          };
        } catch {} // where the user blocks storage, pages do not hear of each other
      }
    }
    this.#current = token;
  }

  close(): void {
    this.#letGo();
    this.#channel?.close();
    this.#current = this.#session = this.#channel = this.#offer = undefined;
  }
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
  } catch {}
  return undefined;
}
