import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import type { Jwk, ProviderOptions } from "../auth/provider-options.js";
import { refuseUnknownOptions } from "../runtime/known-options.js";

/** Whose token it is, and what it says. */
export interface TestTokenOptions {
  /**
   * The user: the claim `sub`.
   * @default "test-user"
   */
  readonly subject?: string;
  /**
   * The scopes that the token grants.
   * @default none
   */
  readonly scopes?: readonly string[];
  /**
   * Further claims, such as `{ org: "acme" }`, `acr` or `auth_time`. They may also replace those
   * that a test token has by itself; `undefined` leaves one out.
   * @default none
   */
  readonly claims?: Readonly<Record<string, unknown>>;
  /**
   * Time from the token's issue to its expiry, in milliseconds; below zero it has expired already.
   * @default 900_000 ms
   */
  readonly expiresIn?: number;
  /**
   * When the token was issued: a `Date`, or milliseconds since 1970.
   * @default now
   */
  readonly issuedAt?: Date | number;
}

const names = {
  subject: true,
  scopes: true,
  claims: true,
  expiresIn: true,
  issuedAt: true,
} satisfies Record<keyof TestTokenOptions, true>;

const usualLifetime = 900_000; // 15 min
const kid = "test-key";
/** Made anew in each process, so that a test token is worth nothing anywhere else. */
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

/**
 * The option `auth` of a server that accepts the tokens of {@link testToken}. The key pair is made
 * anew in each process.
 * @example const server = createServer(app, { auth: testAuth });
 */
export const testAuth: ProviderOptions = Object.freeze({
  issuer: "https://issuer.test",
  audience: "jotwire-test",
  publicKey: { ...publicKey.export({ format: "jwk" }), kid, alg: "ES256" } as Jwk,
});

/**
 * Makes a signed access token that a server with {@link testAuth} accepts.
 * @throws TypeError if an option is unknown
 * @example const headers = { authorization: `Bearer ${testToken({ subject: "ada" })}` };
 */
export function testToken(options: TestTokenOptions = {}): string {
  refuseUnknownOptions("testToken", options, names);
  const { subject = "test-user", scopes = [], claims, expiresIn = usualLifetime } = options;
  const issuedAt = Number(options.issuedAt ?? Date.now());
  if (!Array.isArray(scopes))
    throw new TypeError('testToken: scopes must be a list such as ["orders:read"]');
  if (!Number.isFinite(issuedAt + expiresIn))
    throw new TypeError("testToken: expiresIn and issuedAt must be milliseconds");
  return signed({
    iss: testAuth.issuer,
    aud: testAuth.audience,
    sub: subject,
    client_id: "test-client",
    jti: randomUUID(),
    iat: issuedAt / 1_000,
    exp: (issuedAt + expiresIn) / 1_000,
    scope: scopes.join(" "),
    ...claims,
  });
}

/** A JWS in its compact form (RFC 7515 §7.1). */
function signed(claims: object): string {
  const parts = [{ alg: "ES256", typ: "at+jwt", kid }, claims];
  const input = parts.map((part) => base64url(JSON.stringify(part))).join(".");
  const key = { key: privateKey, dsaEncoding: "ieee-p1363" } as const;
  return `${input}.${base64url(sign("sha256", Buffer.from(input), key))}`;
}

function base64url(value: string | Uint8Array): string {
  return Buffer.from(value).toString("base64url");
}
