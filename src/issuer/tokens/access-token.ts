import { randomUUID } from "node:crypto";
import { compactVerify, decodeProtectedHeader, errors, importJWK, SignJWT } from "jose";
import type { SecretRecords } from "../../store/store.js";
import { type SigningKeys, signingAlgorithm } from "./signing-keys.js";

/** What an access token says, besides `iss`, `aud` and `jti` (RFC 9068 §2.2). Times in seconds. */
export interface AccessGrant {
  readonly subject: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** More claims. The registered ones win over them. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly sessionId?: string;
  readonly authenticatedAt?: number;
}

/** A token of ours, by its claims. */
export interface SignedToken {
  readonly jti: string;
  readonly sub: string;
  /** Seconds. */
  readonly exp: number;
  readonly sid?: string;
}

const tokenType = "at+jwt"; // RFC 9068 §2.1

/** Signs and recognizes the access tokens of one issuer. */
export class AccessTokens {
  readonly #issuer: string;
  readonly #audience: string;
  readonly #keys: SigningKeys;

  constructor(issuer: string, audience: string, keys: SigningKeys) {
    this.#issuer = issuer;
    this.#audience = audience;
    this.#keys = keys;
  }

  /** `secrets`: an operation's way to the keys, if they must be read. */
  async sign(grant: AccessGrant, secrets?: SecretRecords): Promise<string> {
    const { kid, key } = await this.#keys.signer(secrets);
    const claims = {
      ...grant.claims,
      iss: this.#issuer,
      aud: this.#audience,
      sub: grant.subject,
      client_id: grant.clientId,
      exp: grant.expiresAt,
      iat: grant.issuedAt,
      jti: randomUUID(),
      ...(grant.sessionId === undefined ? {} : { sid: grant.sessionId }),
      ...(grant.scopes.length === 0 ? {} : { scope: grant.scopes.join(" ") }),
      ...(grant.authenticatedAt === undefined ? {} : { auth_time: grant.authenticatedAt }),
    };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: signingAlgorithm, typ: tokenType, kid })
      .sign(key);
  }

  /** A token that we signed, whether it has expired or not. Undefined: not ours. */
  async identify(token: string): Promise<SignedToken | undefined> {
    const kid = keyIdOf(token);
    const jwk = kid === undefined ? undefined : await this.#keys.publicKey(kid);
    if (jwk === undefined) return undefined;
    const key = await importJWK(jwk, signingAlgorithm);
    const { jti, sub, exp, sid } = (await verifiedClaims(token, key)) ?? {};
    if (typeof jti !== "string" || typeof sub !== "string" || typeof exp !== "number")
      return undefined;
    return { jti, sub, exp, ...(typeof sid === "string" ? { sid } : {}) };
  }
}

function keyIdOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch (error) {
    if (error instanceof TypeError) return undefined; // no JWS
    throw error;
  }
}

async function verifiedClaims(
  token: string,
  key: Awaited<ReturnType<typeof importJWK>>,
): Promise<Record<string, unknown> | undefined> {
  try {
    const { payload } = await compactVerify(token, key, { algorithms: [signingAlgorithm] });
    return JSON.parse(Buffer.from(payload).toString());
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
