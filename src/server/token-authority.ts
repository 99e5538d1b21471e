/**
 * Whose tokens count: joins the verifier, the application's claims schema and the embedded issuers.
 */

import { CustomVerifier, type CustomVerifierOptions } from "../auth/custom-verifier.js";
import type { IssuerLookup } from "../auth/issuer-lookup.js";
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
import type { Auth } from "../rpc/define/access.js";
import { validate } from "../rpc/define/validate.js";
import { isThenable, withTimeout } from "../runtime/application-code.js";
import type { Clock } from "../runtime/clock.js";

/**
 * Whose tokens are accepted: those of an issuer, of an embedded one, of the issuers that a function
 * knows, or those that the application verifies itself.
 */
export type AuthOption = ProviderOptions | IssuerPort | IssuerLookup | CustomVerifierOptions;

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
  readonly onAccepted?: (token: VerifiedToken, rules: TokenRules) => void;
  /** Hears of each failure of a function that looks up issuers. */
  readonly onLookupFailure?: (issuer: string, detail: string) => void;
  /** Hears of each failure of a `verify`. */
  readonly onVerifyFailure?: (issuer: string, detail: string) => void;
  /**
   * Longest token that a frame can bring before authentication, characters.
   * @default 16_384
   */
  readonly maxTokenLength?: number;
  /**
   * Resolves while all that was revoked is known, and rejects when it is not: no token is accepted
   * then.
   */
  readonly whenReady: () => Promise<void>;
}

type Renewer = (refreshToken: string, subject: string, address: string) => Promise<RenewedTokens>;

// an auth call holds up the next ones of its connection, a logout too
const callbackTimeoutMs = 20_000;

/** All but `mayRenew` and `mayRevoke` reject with `TokenRefusedError` or `AuthFault`. */
export class TokenAuthority {
  /** Hides from the wire why a token was refused. */
  readonly production: boolean;
  /** The embedded issuers. */
  readonly issuers: readonly IssuerPort[];
  readonly #clock: Clock;
  readonly #verifier: Verifier;
  readonly #renewers = new Map<string, Renewer>();
  /** Of sessions whose issuer was looked up: they go on when it is forgotten. */
  readonly #renewersOfSessions = new WeakMap<Auth, Renewer>();
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
    const { issuers, providers, lookup, custom } = sourcesOf(options);
    this.issuers = issuers;
    this.#claimsSchema = claimsSchema;
    this.#identityClaims = identityClaims;
    this.#whenReady = ports.whenReady;
    this.#verifier = createVerifier(
      [...issuers.map(({ verification }) => verification), ...providers],
      {
        ...ports,
        lookup,
        custom: custom.map((option) => new CustomVerifier(option, ports)),
      },
    );
    for (const port of issuers)
      this.#renewers.set(port.issuer, (token, subject, address) =>
        port.renew(token, subject, address),
      );
    for (const { issuer, renew } of providers)
      if (renew !== undefined) this.#renewers.set(issuer, (token) => renew(token));
  }

  /** Are there keys of every issuer of the list? Never rejects. */
  isReady(): Promise<boolean> {
    return this.#verifier.isReady();
  }

  /**
   * Judges a token by its signature, its claims and the application's claims schema. `peer`: see
   * {@link Verifier.verify}.
   */
  async verify(token: string, peer: string): Promise<VerifiedToken> {
    await this.#whenReady();
    const accepted = await this.#verifier.verify(token, peer);
    const identified = withIdentity(accepted, this.#identityClaims);
    const verified =
      this.#claimsSchema === undefined
        ? identified
        : withClaims(identified, await this.#checkedClaims(this.#claimsSchema, identified.claims));
    const renew = this.#verifier.renewerOf(accepted);
    if (renew !== undefined)
      this.#renewersOfSessions.set(verified, (refreshToken) => renew(refreshToken));
    return verified;
  }

  /** Does the issuer of this session rotate refresh tokens here? */
  mayRenew(identity: Auth): boolean {
    return this.#renewerOf(identity) !== undefined;
  }

  /** Rotates a refresh token for the session that `identity` is in force of. */
  async renew(identity: Auth, refreshToken: string, address: string): Promise<RenewedTokens> {
    const renew = this.#renewerOf(identity);
    if (renew === undefined)
      throw new TokenRefusedError(
        "token_invalid",
        "this issuer's refresh tokens are not rotated here",
      );
    await this.#whenReady(); // before the token is consumed: what comes of it could not be accepted
    const renewed: unknown = await this.#inTime(
      renew(refreshToken, identity.subject, address),
      "renew",
    );
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

  #renewerOf(identity: Auth): Renewer | undefined {
    return this.#renewers.get(identity.issuer) ?? this.#renewersOfSessions.get(identity);
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

/** Longest token that a frame of these bytes can bring, characters. */
export function longestToken(openFrameBytes: number): number {
  return openFrameBytes - envelopeBytes;
}

/** Throws `TypeError` if a token may be longer than the frame that has to bring it. */
export function checkTokenLength(options: readonly AuthOption[], openFrameBytes: number): void {
  const { issuers, providers, custom } = sourcesOf(options);
  const limited: readonly { readonly issuer?: string; readonly maxTokenLength?: number }[] = [
    ...issuers.map(({ verification }) => verification),
    ...providers,
    ...custom,
  ];
  for (const { issuer = "custom", maxTokenLength } of limited) {
    if (maxTokenLength === undefined || maxTokenLength <= longestToken(openFrameBytes)) continue;
    throw new TypeError(
      `auth.maxTokenLength of ${issuer} is ${maxTokenLength}, and a frame before authentication has at most ${openFrameBytes} bytes: set limits.openFrameBytes to ${maxTokenLength + envelopeBytes} at least`,
    );
  }
}

/** The names of the embedded issuers. */
export function embeddedIn(options: readonly AuthOption[]): readonly string[] {
  return sourcesOf(options).issuers.map(({ issuer }) => issuer);
}

interface Sources {
  readonly issuers: readonly IssuerPort[];
  readonly providers: readonly ProviderOptions[];
  readonly custom: readonly CustomVerifierOptions[];
  readonly lookup: IssuerLookup | undefined;
}

/** Tells the kinds of options apart; throws `TypeError` for more than one function. */
function sourcesOf(options: readonly AuthOption[]): Sources {
  const isOfType = (option: AuthOption, member: string) =>
    typeof option === "object" && option !== null && member in option;
  const isIssuer = (option: AuthOption): option is IssuerPort => isOfType(option, "verification");
  const isCustom = (option: AuthOption): option is CustomVerifierOptions =>
    isOfType(option, "verify") && !isIssuer(option);
  const lookups = options.filter((option) => typeof option === "function");
  if (lookups.length > 1)
    throw new TypeError("auth: give one function that knows all issuers, not several");
  return {
    issuers: options.filter(isIssuer),
    custom: options.filter(isCustom),
    lookup: lookups[0],
    providers: options.filter(
      (option): option is ProviderOptions =>
        !isIssuer(option) && !isCustom(option) && typeof option !== "function",
    ),
  };
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
 * time: an API key does, whatever the application says of its session.
 */
export function longestLifetime(options: readonly AuthOption[]): number | undefined {
  const { issuers, providers, custom, lookup } = sourcesOf(options);
  if (custom.length > 0 || lookup !== undefined) return undefined;
  const lifetimes = [...issuers.map(({ verification }) => verification), ...providers].map(
    ({ maxLifetime }) => maxLifetime,
  );
  const known = lifetimes.filter((lifetime) => lifetime !== undefined);
  return known.length === lifetimes.length ? Math.max(...known) + 60_000 : undefined;
}
