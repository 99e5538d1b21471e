/** Verification of tokens in a process without a server. */

import type { IncomingMessage } from "node:http";
import { createFetchDocument } from "../auth/keys/fetch-document.js";
import type { SchemaOutput, StandardSchema } from "../protocol/standard-schema.js";
import type { Auth } from "../rpc/define/access.js";
import { checkLogger } from "../runtime/application-code.js";
import { type Clock, clockWithErrorHandling, every, systemClock } from "../runtime/clock.js";
import { prefixOf } from "../runtime/ip-address.js";
import { refuseUnknownOptions } from "../runtime/known-options.js";
import { type Logger, logLevels, unfailing } from "../runtime/logger.js";
import { RateLimitedLog } from "../runtime/rate-limited-log.js";
import type { Store } from "../store/store.js";
import { Revocations } from "./cluster/revocations.js";
import { refusalOf, verifyToken } from "./http/bearer.js";
import { Observability } from "./metrics/observability.js";
import { jsonLogger } from "./telemetry/json-logger.js";
import { type AuthOption, longestLifetime, TokenAuthority } from "./token-authority.js";

/** Verifies tokens by the rules of a server's sessions, revocations included. */
export interface TokenVerifier<Claims = Readonly<Record<string, unknown>>> {
  /**
   * Returns whose token it is. Rejects with `TokenRefusedError`: `token_invalid`, `token_expired`,
   * `token_revoked`, and for a while, with `retryAfter`, `auth_unavailable` and `rate_limited`.
   */
  verify(token: string, context?: VerifyContext): Promise<Auth<Claims>>;
  /** Whether `bearerAuth` hides from callers why a token was refused. */
  readonly production: boolean;
}

/** Where a token comes from. */
export interface VerifyContext {
  /**
   * The HTTP request that has brought the token. A server limits and counts the refused tokens of
   * its address as those of a socket.
   */
  readonly request?: IncomingMessage;
}

/** Options of `createTokenVerifier`. */
export interface TokenVerifierOptions<Claims extends StandardSchema = StandardSchema> {
  /**
   * Schema of the claims, as in `createRpc`; its output is `auth.claims`.
   * @default none; `auth.claims` has the claims without validation
   */
  readonly claims?: Claims;
  /**
   * Store of the revocations: the one that the servers share.
   * @default the embedded issuer's store, else none
   */
  readonly store?: Store;
  /**
   * Receives the log lines.
   * @default JSON lines on standard error, from level info up
   */
  readonly logger?: Logger;
  /**
   * Hides from callers the reason for which a token was refused.
   * @default `NODE_ENV === "production"`
   */
  readonly production?: boolean;
  /** Seams for tests; never set them in production. */
  readonly testing?: { readonly clock?: Clock };
}

/** A token verifier of its own, which listens to a store until it is closed. */
export interface StandaloneTokenVerifier<Claims = Readonly<Record<string, unknown>>>
  extends TokenVerifier<Claims>,
    Disposable {
  /** Stops to listen to the store. */
  close(): void;
}

const sweepInterval = 60_000; // 1 min

/**
 * Makes a verifier for a process without a server, such as an HTTP API beside it: the same options,
 * the same rules, and with a shared store the same revocations.
 * @param auth as in `createServer`
 * @throws TypeError if an option is invalid
 * @example const tokens = createTokenVerifier({ issuer, audience }, { store });
 */
export function createTokenVerifier<Claims extends StandardSchema = never>(
  auth: AuthOption | readonly AuthOption[],
  options: TokenVerifierOptions<Claims> = {},
): StandaloneTokenVerifier<
  [Claims] extends [never] ? Readonly<Record<string, unknown>> : SchemaOutput<Claims>
> {
  refuseUnknownOptions("createTokenVerifier", options, verifierOptions);
  if (auth === undefined)
    throw new TypeError("auth is missing; pass { issuer, audience } of the tokens to accept");
  if (options.logger !== undefined) checkLogger(options.logger, logLevels);
  const machineClock = options.testing?.clock ?? systemClock;
  const log = new RateLimitedLog(unfailing(options.logger ?? jsonLogger()), machineClock);
  const clock = clockWithErrorHandling(machineClock, log);
  const observability = new Observability({}, clock, log);
  const authOptions = [auth].flat() as readonly AuthOption[];
  const production = options.production ?? process.env.NODE_ENV === "production";
  const authority = new TokenAuthority(authOptions, options.claims, [], {
    ...{ clock, production },
    fetchDocument: createFetchDocument(),
    onKeyFailure: (issuer, detail) => observability.keysFailed(issuer, detail),
    onUnusedKey: (issuer, key) => observability.keyUnused(issuer, key),
    onLookupFailure: (issuer, detail) => observability.lookupFailed(issuer, detail),
    onVerifyFailure: (issuer, detail) => observability.verifyFailed(issuer, detail),
    whenReady: () => revocations.whenCurrent(),
  });
  const { issuers } = authority;
  const stores =
    options.store === undefined ? [...new Set(issuers.map(({ store }) => store))] : [options.store];
  const revocations: Revocations = new Revocations({
    ...{ clock, issuers, stores },
    longestLifetime: longestLifetime(authOptions),
    onChange: () => {},
  });
  const stopSweeping = every(clock, sweepInterval, () => revocations.sweep());
  const close = (): void => {
    stopSweeping();
    revocations.close();
  };
  return {
    production,
    async verify(token, { request } = {}) {
      try {
        const address = request?.socket.remoteAddress;
        const peer = address === undefined ? "" : prefixOf(address);
        return (await verifyToken(token, peer, authority, revocations.list)) as never;
      } catch (thrown) {
        throw refusalOf(thrown);
      }
    },
    close,
    [Symbol.dispose]: close,
  };
}

const verifierOptions = {
  claims: true,
  store: true,
  logger: true,
  production: true,
  testing: true,
} satisfies Record<keyof TokenVerifierOptions, true>;
