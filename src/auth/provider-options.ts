/** Whose tokens a server accepts: the public `auth` option, one object for each issuer. */

/** A JSON Web Key (RFC 7517 §4). */
export interface Jwk {
  /** The type of the key, such as `EC` (RFC 7517 §4.1). */
  readonly kty: string;
  /** The other members, which depend on `kty`. */
  readonly [member: string]: unknown;
}

/** A JSON Web Key Set (RFC 7517 §5). */
export interface JwkSet {
  /** The keys of the set. */
  readonly keys: readonly Jwk[];
}

/** The claims of a token (RFC 7519 §4). */
export type Claims = Readonly<Record<string, unknown>>;

/** A refreshed pair, as `renew` returns it. */
export interface RenewedTokens {
  /** The new access token, a JWT. */
  readonly token: string;
  /** The new refresh token. */
  readonly refreshToken: string;
}

/** Whose tokens a server accepts, and by which keys. */
export interface ProviderOptions {
  /**
   * The `iss` claim, compared as an exact string (RFC 7519 §4.1.1). With no key given, also the
   * base URL of OIDC discovery.
   */
  readonly issuer: string;
  /**
   * What the `aud` claim must contain (RFC 7519 §4.1.3); of several, one is enough.
   */
  readonly audience: string | readonly string[];
  /**
   * The claim that holds the audience, where it is not `aud`: `"client_id"` for Cognito, `"azp"`
   * for Clerk and Keycloak. A function returns the audience, or several, of a token's claims.
   * @default `"aud"`
   */
  readonly audienceClaim?: string | ((claims: Claims) => string | readonly string[] | undefined);
  /**
   * Members that the audience may have.
   * @default 16
   */
  readonly maxAudiences?: number;
  /**
   * Returns the subject, where it is not `sub`: 1 to 255 characters that no other user has.
   * @default the `sub` claim
   */
  readonly subject?: (claims: Claims) => string;
  /**
   * Longest token, in characters. A frame before authentication must have room for it:
   * `limits.openFrameBytes`.
   * @default 16_384
   */
  readonly maxTokenLength?: number;
  /** URL of a key set, or the key set itself. */
  readonly jwks?: string | URL | JwkSet;
  /**
   * A public key, or several: JWK, PEM (SPKI or X.509, also with `\n` written out), `KeyObject` or
   * `CryptoKey`.
   */
  readonly publicKey?: Jwk | string | object | readonly (Jwk | string | object)[];
  /**
   * HMAC secret, at least 32 bytes (48 for HS384, 64 for HS512), or several while one replaces
   * another. Never beside a public key: give the issuer twice for a move from one to the other.
   */
  readonly secret?: string | Uint8Array | readonly (string | Uint8Array)[];
  /**
   * Accepted `alg` values.
   * @default the key's own `alg`, else those that fit its type
   */
  readonly algorithms?: readonly string[];
  /**
   * Accepted `typ` header, or several.
   * @default `at+jwt`, `JWT` or none
   */
  readonly typ?: string | readonly string[];
  /**
   * Claims that must be there. `exp` and `sub` can't be left out.
   * @default `["exp", "sub"]`
   */
  readonly requiredClaims?: readonly string[];
  /**
   * Longest accepted `exp - iat`, milliseconds.
   * @default none
   */
  readonly maxLifetime?: number;
  /**
   * Tolerance for `nbf` and `iat`, never for `exp`; milliseconds, at most 60_000.
   * @default 30_000 ms
   */
  readonly leeway?: number;
  /**
   * Fetch keys from a host that resolves to a private or loopback address, by `http` too. A host
   * with a public address is asked by `https` alone.
   * @default false
   */
  readonly allowPrivateHosts?: boolean;
  /**
   * Fetches key sets and metadata, for instance through a proxy. It must not follow redirects to
   * hosts that you do not trust; private addresses are its own business.
   * @default Node's `https`, without a proxy
   */
  readonly fetch?: typeof globalThis.fetch;
  /**
   * The claim that holds the scopes, or several, whose scopes are joined. A nested claim is named
   * by its path: `"realm_access.roles"`. A claim whose whole name is the path comes first.
   * @default `scope`, `scp` and `permissions`
   */
  readonly scopesClaim?: string | readonly string[];
  /**
   * Returns the scopes that a token grants, where naming claims is not enough. Not beside
   * `scopesClaim`.
   * @default the scopes in `scopesClaim`
   */
  readonly scopes?: (claims: Claims) => readonly string[];
  /**
   * The claim that names the authentication context class of the login, or several claims: a
   * string, or a list of them. A nested claim is named by its path, as in `scopesClaim`.
   * @default `acr` and `acrs`
   */
  readonly acrClaim?: string | readonly string[];
  /**
   * The claim that says when the user logged in, in seconds since 1970.
   * @default `auth_time`
   */
  readonly authTimeClaim?: string;
  /**
   * Accept a token with a `nonce` that has neither scopes nor the claim `typ: "Bearer"`. ID tokens
   * look like that: demand a claim that they lack, by `requiredClaims`.
   * @default false
   */
  readonly allowNonce?: boolean;
  /**
   * Rotates a refresh token for `refresh({refreshToken})`.
   * @default not offered
   */
  readonly renew?: (refreshToken: string) => Promise<RenewedTokens>;
}

/** What a verified token says. Frozen, and shared by all requests of its session. */
export interface VerifiedToken {
  readonly issuer: string;
  readonly subject: string;
  readonly scopes: readonly string[];
  readonly claims: Claims;
  /** `exp`, in milliseconds since 1970. */
  readonly expiresAt: number;
  /** `iat`, in milliseconds since 1970; undefined when the token has none. */
  readonly issuedAt: number | undefined;
  /** `jti` */
  readonly tokenId: string | undefined;
  /** `sid`: the session, for our own issuer the family, that the token belongs to. */
  readonly sessionId: string | undefined;
  /** `client_id` */
  readonly clientId: string | undefined;
  /** `acr` */
  readonly acrValues: readonly string[];
  /** `auth_time`, in milliseconds since 1970. */
  readonly authenticatedAt: number | undefined;
  /**
   * The claims that the server's option `identityClaims` names, as JSON with sorted members.
   * Absent: it names none.
   */
  readonly identityClaims?: Readonly<Record<string, string | undefined>>;
  /**
   * Digest of all that the token says, signature left out: two tokens of one fingerprint are one.
   */
  readonly fingerprint: string;
}
