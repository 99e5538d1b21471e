import type { ClientClock } from "./client-clock.js";
import type { TokenOutcome, TokenReason } from "./token-source.js";

export interface TokenShare {
  /** Runs `ask` while no other page does; or gives the token that another one has got, when `isUseful` and this one is to renew its own. */
  take(
    reason: TokenReason,
    signal: AbortSignal,
    isUseful: (token: string) => boolean,
    ask: () => Promise<TokenOutcome>,
  ): Promise<TokenOutcome>;
  /** The page uses this token: from here on it hears of those for the same session. */
  use(token: string): void;
  close(): void;
}

const patience = 5_000; // 5 s: a page that hangs, or is frozen, holds up the others no longer
const handover = 1_000; // 1 s for a token to reach the other pages: a lock may be handed on faster than a message
const lockName = "jotwire";

/**
 * The pages of an origin ask for a token one after the other (Web Locks), and one that has renewed a session hands the token to the pages that
 * have the same session (BroadcastChannel): same issuer, audience, subject, session id and scopes, by the tokens' own words. Nothing is stored.
 * `offered`: another page has renewed the session of this one. `undefined` where there are no pages.
 */
export function createTokenShare(clock: ClientClock, offered: () => void): TokenShare | undefined {
  const { document: page, navigator, BroadcastChannel: Channel } = globalThis as Partial<typeof globalThis>;
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
            if (typeof data !== "string" || data === current || sessionOf(data) !== session) return;
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
      let isShared = false;
      const turn = async (): Promise<TokenOutcome> => {
        const token = offer;
        offer = undefined;
        if (isRenewal && token !== undefined && isUseful(token)) return { is: "token", token };
        const outcome = await ask();
        if (isRenewal && outcome.is === "token" && !signal.aborted) {
          use(outcome.token);
          channel?.postMessage(outcome.token);
          isShared = channel !== undefined;
        }
        return outcome;
      };
      if (isRenewal && offer !== undefined) return turn();
      const waiting = new AbortController();
      stopWaiting = () => waiting.abort();
      signal.onabort = stopWaiting;
      const cancel = clock.after(patience, stopWaiting);
      return new Promise((resolve) => {
        const begin = async () => {
          cancel();
          stopWaiting = () => {};
          resolve(await turn());
          if (!isShared) return;
          await new Promise<void>((done) => {
            const cancelHandover = clock.after(handover, done);
            letGo = () => {
              cancelHandover();
              done();
            };
          });
        };
        letGo();
        locks.request(lockName, { signal: waiting.signal }, begin).catch(begin); // waited long enough, or no longer needed
      });
    },
    use,
    close,
  };
}

/** What a JWT (RFC 7519 §3) says about whose it is; `undefined`: it says nothing, and isn't shared. */
function sessionOf(token: string): string | undefined {
  try {
    const { iss, aud, sub, sid, scope, scp, permissions } = JSON.parse(
      atob(token.split(".")[1]?.replace(/-/g, "+").replace(/_/g, "/") ?? ""),
    );
    return sub && JSON.stringify([iss, aud, sub, sid, scope, scp, permissions]);
  } catch {
    return undefined;
  }
}
