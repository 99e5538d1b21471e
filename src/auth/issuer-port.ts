import type { IncomingMessage, ServerResponse } from "node:http";
import type { ProviderOptions, RenewedTokens } from "./provider-options.js";
import type { RevocationListener, RevocationRecords } from "./revocation/revocation.js";

/** What an issuer has done so far, for metrics. */
export interface IssuerCounts {
  readonly logins: number;
  readonly refusedLogins: number;
  /** Logins that were refused unseen, since too many from the same address had failed. */
  readonly limitedLogins: number;
  /**
   * Logins, refreshes and revocations that were refused, since there were too many of the same
   * subject.
   */
  readonly limitedTokens: number;
  readonly refreshes: number;
  readonly refusedRefreshes: number;
  /** Refresh tokens that came a second time: their sessions were ended. */
  readonly reuses: number;
}

/**
 * What a server needs of an embedded authentication server. `createIssuer` returns one; another
 * could stand in.
 */
export interface IssuerPort {
  /** The `iss` of its tokens. */
  readonly issuer: string;
  /**
   * How its tokens are verified. `keys` is read anew at least every second, and whenever an unknown
   * `kid` turns up.
   */
  readonly verification: ProviderOptions & {
    readonly keys: () => Promise<{ readonly keys: readonly Record<string, unknown>[] }>;
  };
  /** Its store, of which a server reads the revocations. */
  readonly store: { readonly revocations: RevocationRecords };
  /** Absent: not counted. */
  readonly counts?: IssuerCounts;
  /**
   * Rotates a refresh token; with `subject`, only if it is that subject's. Throws {@link TokenRefusedError}:
   * `token_revoked` (unknown, reused, ended), `subject_mismatch` (somebody else's; it is not
   * consumed), `rate_limited` or `auth_unavailable`. `address`: the caller's.
   */
  renew(refreshToken: string, subject?: string, address?: string): Promise<RenewedTokens>;
  /**
   * Revokes the family of a refresh token (RFC 7009). Unknown tokens are no error. Throws
   * {@link TokenRefusedError} `rate_limited` or `auth_unavailable`.
   */
  revokeRefreshToken(refreshToken: string): Promise<void>;
  /**
   * Ends a session: its refresh tokens give nothing any more. An unknown one is no error. Rejects
   * when the store can't be reached.
   */
  endSession?(sessionId: string): Promise<void>;
  /**
   * Ends all sessions that a subject has by now: their refresh tokens give nothing any more.
   * Rejects when the store can't be reached.
   */
  endSubject?(subject: string): Promise<void>;
  /**
   * Answers an HTTP request if its path is one of the issuer's; false: not mine, nothing was
   * written.
   */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    context: IssuerRequestContext,
  ): Promise<boolean>;
  /**
   * Tells of every revocation that the issuer makes or reads from its store. Returns the function
   * that stops it.
   */
  onRevocation(listener: RevocationListener): () => void;
  /**
   * Tells of every operation of the issuer at its store. Absent: it is not watched. Returns the
   * function that ends it.
   */
  observeStore?(observer: StoreObserver): () => void;
}

/** What a server knows of a request that it hands to an issuer. */
export interface IssuerRequestContext {
  /** The caller's address, seen through trusted proxies. */
  readonly address: string;
  /** May pages of this origin read the answers (CORS)? */
  readonly mayReadFrom: (origin: string) => boolean;
}

/**
 * Hears of each operation at a store when it has ended: its name, such as `users.get`, how long it
 * took in seconds, and whether it failed.
 */
export type StoreObserver = (operation: string, duration: number, hasFailed: boolean) => void;
