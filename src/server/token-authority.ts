/**
 * Whose tokens count: joins the verifier, the application's claims schema and the embedded issuers.
 */

import type { IssuerPort } from "../auth/issuer-port.js";
import type { FetchDocument } from "../auth/keys/key-fetching.js";
import type { UnusedKey } from "../auth/keys/key-policy.js";
import type { TokenRules } from "../auth/keys/provider.js";
import type {
  Claims,
  ProviderOptions,
  RenewedTokens,
  VerifiedToken,
} from "../auth/provider-options.js";
import { faultOf, TokenRefusedError } from "../auth/refusal.js";
import { isObject } from "../auth/token/strict-json.js";
import { createVerifier, type Verifier } from "../auth/verifier.js";
import type { StandardSchema } from "../protocol/standard-schema.js";
import { validate } from "../rpc/define/validate.js";
import { isThenable, withTimeout } from "../runtime/application-code.js";
import type { Clock } from "../runtime/clock.js";

/** Whose tokens are accepted: those of an issuer, or of an embedded one. */
export type AuthOption = ProviderOptions | IssuerPort;

export interface AuthorityPorts {
  readonly clock: Clock;
  readonly fetchDocument: FetchDocument;
  /** Hides from callers why a token was refused. */
  readonly production: boolean;
  /**
   * Hears of every failed fetch and every refused key set.
   */
  readonly onKeyFailure: (issuer: string, detail: string) => void;
  /** Hears of each key that is passed over, once. */
  readonly onUnusedKey: (issuer: string, key: UnusedKey) => void;
  /** Called with each accepted token and the rules that it meets. Must not throw. */
  readonly onAccepted: (token: VerifiedToken, rules: TokenRules) => void;
  /**
   * Resolves while all that was revoked is known, and rejects when it is not: no token is accepted
   * then.
   */
  readonly whenReady: () => Promise<void>;
}

// an auth call holds up the next ones of its connection, a logout too
const callbackTimeoutMs = 20_000;

/** All but `mayRenew` and `mayRevoke` reject with `TokenRefusedError` or `AuthFault`. */
export class TokenAuthority {
  /** Hides from the wire why a token was refused. */
  readonly production: boolean;
  /** All issuers' names: their `iss`. */
  readonly names: readonly string[];
  /** The embedded issuers. */
  readonly issuers: readonly IssuerPort[];
  readonly #clock: Clock;
  readonly #verifier: Verifier;
  readonly #renewers = new Map<
    string,
    (refreshToken: string, subject: string, address: string) => Promise<RenewedTokens>
  >();
  readonly #claimsSchema: StandardSchema | undefined;
  readonly #identityClaims: readonly string[];
  readonly #whenReady: () => Promise<void>;

  /** Throws `TypeError` when an issuer's options contradict themselves. */
  constructor(
    options: readonly AuthOption[],
    claimsSchema: StandardSchema | undefined,
    identityClaims: readonly string[],
    ports: AuthorityPorts,
  ) {
    this.#clock = ports.clock;
    this.production = ports.production;
    this.names = [...new Set(options.map(({ issuer }) => issuer))];
    this.issuers = options.filter(isIssuer);
    this.#claimsSchema = claimsSchema;
    this.#identityClaims = identityClaims;
    this.#whenReady = ports.whenReady;
    this.#verifier = createVerifier(
      options.map((option) => (isIssuer(option) ? option.verification : option)),
      ports,
    );
    for (const option of options) {
      const { issuer, renew } = option;
      if (isIssuer(option))
        this.#renewers.set(issuer, (token, subject, address) =>
          option.renew(token, subject, address),
        );
      else if (renew !== undefined) this.#renewers.set(issuer, (token) => renew(token));
    }
  }

  /** Are there keys of every issuer? Never rejects. */
  isReady(): Promise<boolean> {
    return this.#verifier.isReady();
  }

  /**
   * Judges a token by its signature, its claims and the application's claims schema. `peer`: see
   * {@link Verifier.verify}.
   */
  async verify(token: string, peer: string): Promise<VerifiedToken> {
    await this.#whenReady();
    const verified = withIdentity(await this.#verifier.verify(token, peer), this.#identityClaims);
    return this.#claimsSchema === undefined
      ? verified
      : withClaims(verified, await this.#checkedClaims(this.#claimsSchema, verified.claims));
  }

  /** Does this issuer rotate refresh tokens here? */
  mayRenew(issuer: string): boolean {
    return this.#renewers.has(issuer);
  }

  async renew(
    issuer: string,
    refreshToken: string,
    subject: string,
    address: string,
  ): Promise<RenewedTokens> {
    const renew = this.#renewers.get(issuer);
    if (renew === undefined)
      throw new TokenRefusedError(
        "token_invalid",
        "this issuer's refresh tokens are not rotated here",
      );
    await this.#whenReady(); // before the token is consumed: what comes of it could not be accepted
    const renewed: unknown = await this.#inTime(renew(refreshToken, subject, address), "renew");
    if (areTokens(renewed)) return renewed;
    throw new Error("renew must resolve to { token, refreshToken }, two strings");
  }

  /** Can this issuer's refresh tokens be revoked here? */
  mayRevoke(issuer: string): boolean {
    return this.issuers.some((candidate) => candidate.issuer === issuer);
  }

  async revokeRefreshToken(issuer: string, refreshToken: string): Promise<void> {
    const port = this.issuers.find((candidate) => candidate.issuer === issuer);
    if (port !== undefined)
      await this.#inTime(port.revokeRefreshToken(refreshToken), "revokeRefreshToken");
  }

  /**
   * What the schema makes of the claims. A schema that throws refuses the token, like one that
   * finds issues.
   */
  async #checkedClaims(schema: StandardSchema, claims: Claims): Promise<unknown> {
    const checked = await this.#inTime(validateSafely(schema, claims), "the claims schema");
    if ("value" in checked) return checked.value;
    const [issue] = checked.issues;
    throw new TokenRefusedError(
      "token_invalid",
      `the claims don't fit the application's schema: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
    );
  }

  /** No timer for what answers at once. */
  #inTime<T>(work: T | PromiseLike<T>, what: string): T | Promise<T> {
    return isThenable(work)
      ? withTimeout(work as PromiseLike<T>, callbackTimeoutMs, this.#clock, what)
      : work;
  }
}

const envelopeBytes = 128; // {"jsonrpc":"2.0","id":1,"method":"authenticate","params":{"token":""}}

/** Throws `TypeError` if a token may be longer than the frame that has to bring it. */
export function checkTokenLength(options: readonly AuthOption[], openFrameBytes: number): void {
  for (const option of options) {
    const { issuer, maxTokenLength } = isIssuer(option) ? option.verification : option;
    if (maxTokenLength === undefined || maxTokenLength + envelopeBytes <= openFrameBytes) continue;
    throw new TypeError(
      `auth.maxTokenLength of ${issuer} is ${maxTokenLength}, and a frame before authentication has at most ${openFrameBytes} bytes: set limits.openFrameBytes to ${maxTokenLength + envelopeBytes} at least`,
    );
  }
}

/** The names of the embedded issuers. */
export function embeddedIn(options: readonly AuthOption[]): readonly string[] {
  return options.filter(isIssuer).map(({ issuer }) => issuer);
}

function isIssuer(option: AuthOption): option is IssuerPort {
  return "verification" in option;
}

function validateSafely(schema: StandardSchema, claims: Claims): ReturnType<typeof validate> {
  const failed = (error: unknown): never => {
    throw new TokenRefusedError(
      "token_invalid",
      `the application's claims schema threw: ${faultOf(error, true).detail}`,
    );
  };
  try {
    const checked = validate(schema, claims);
    return checked instanceof Promise ? checked.catch(failed) : checked;
  } catch (error) {
    return failed(error);
  }
}

function areTokens(renewed: unknown): renewed is RenewedTokens {
  const { token, refreshToken } = Object(renewed) as Partial<Record<keyof RenewedTokens, unknown>>;
  return typeof token === "string" && typeof refreshToken === "string";
}

/** Taken before the application's schema, which may leave claims out. */
function withIdentity(token: VerifiedToken, names: readonly string[]): VerifiedToken {
  if (names.length === 0) return token;
  return Object.freeze({
    ...token,
    identityClaims: Object.fromEntries(names.map((name) => [name, sortedJson(token.claims[name])])),
  });
}

/** The same text for the same value, whatever the order of members. */
function sortedJson(value: unknown): string | undefined {
  return JSON.stringify(value, (_name, member: unknown) =>
    isObject(member) && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

function withClaims(token: VerifiedToken, claims: unknown): VerifiedToken {
  return Object.freeze({ ...token, claims: Object.freeze(claims) as Claims });
}

/**
 * How long a revocation must be remembered; undefined when some issuer's tokens may live for any
 * time.
 */
export function longestLifetime(providers: readonly AuthOption[]): number | undefined {
  const lifetimes = providers.map((provider) =>
    "verification" in provider ? provider.verification.maxLifetime : provider.maxLifetime,
  );
  const known = lifetimes.filter((lifetime) => lifetime !== undefined);
  return known.length === lifetimes.length ? Math.max(...known) + 60_000 : undefined;
}
