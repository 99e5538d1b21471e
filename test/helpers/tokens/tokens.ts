import { createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";

export type TestAlgorithm = "ES256" | "ES384" | "ES512" | "RS256" | "PS256" | "EdDSA" | "Ed25519";

/** A signing key of a pretended issuer. */
export interface TestKeys {
  readonly algorithm: TestAlgorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** With `kid`, `alg` and `use`. */
  readonly publicJwk: {
    readonly kty: string;
    readonly kid: string;
    readonly [member: string]: unknown;
  };
  readonly kid: string;
}

type Members = Readonly<Record<string, unknown>>;

const curves = { ES256: "P-256", ES384: "P-384", ES512: "P-521" } as const;
const digests = {
  ES256: "sha256",
  ES384: "sha384",
  ES512: "sha512",
  RS256: "sha256",
  PS256: "sha256",
  EdDSA: null,
  Ed25519: null,
} as const;

function generate(algorithm: TestAlgorithm) {
  if (algorithm === "EdDSA" || algorithm === "Ed25519") return generateKeyPairSync("ed25519");
  if (algorithm === "RS256" || algorithm === "PS256")
    return generateKeyPairSync("rsa", { modulusLength: 2048 });
  return generateKeyPairSync("ec", { namedCurve: curves[algorithm] });
}

export function createTestKeys(
  algorithm: TestAlgorithm = "ES256",
  kid: string = randomUUID(),
): TestKeys {
  const { privateKey, publicKey } = generate(algorithm);
  const jwk = publicKey.export({ format: "jwk" });
  return {
    algorithm,
    privateKey,
    publicKey,
    kid,
    publicJwk: { ...jwk, kty: String(jwk.kty), kid, alg: algorithm, use: "sig" },
  };
}

/**
 * What a valid token says: an access token as RFC 9068 wants it, for the audience "test", good for
 * 900 s from `iat`.
 */
export function validClaims(claims: Members = {}): Members {
  const iat = typeof claims.iat === "number" ? claims.iat : Math.floor(Date.now() / 1000);
  return {
    iss: "https://id.test",
    aud: "test",
    sub: "user-1",
    iat,
    exp: iat + 900,
    jti: randomUUID(),
    client_id: "client-1",
    scope: "",
    ...claims,
  };
}

/**
 * Signs a valid token, changed by `claims` and `header`: a member that is `undefined` is left out.
 */
export function signToken(keys: TestKeys, claims: Members = {}, header: Members = {}): string {
  const protectedHeader = { alg: keys.algorithm, typ: "at+jwt", kid: keys.kid, ...header };
  return signText(keys, JSON.stringify(protectedHeader), JSON.stringify(validClaims(claims)));
}

/** Signs exactly this header and this payload, whatever they are. */
export function signText(
  keys: TestKeys,
  header: string | Uint8Array,
  payload: string | Uint8Array,
): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${signature(keys, input)}`;
}

/** The signature, base64url, of `input` (RFC 7515 §5.1 step 5). */
export function signature(keys: TestKeys, input: string): string {
  const key = { key: keys.privateKey, dsaEncoding: "ieee-p1363" as const };
  // RSA_PKCS1_PSS_PADDING
  const pss = keys.algorithm === "PS256" ? { padding: 6, saltLength: 32 } : {};
  return sign(digests[keys.algorithm], Buffer.from(input), { ...key, ...pss }).toString(
    "base64url",
  );
}

export function base64url(value: string | Uint8Array): string {
  return Buffer.from(value).toString("base64url");
}

/** Signs a valid token with an HMAC secret; `header.alg` says how: HS256, HS384 or HS512. */
export function signHmac(
  secret: string | Uint8Array,
  claims: Members,
  header: Members & { readonly alg: string },
): string {
  const input = `${base64url(JSON.stringify({ typ: "at+jwt", ...header }))}.${base64url(JSON.stringify(validClaims(claims)))}`;
  return `${input}.${createHmac(header.alg.replace("HS", "sha"), secret).update(input).digest("base64url")}`;
}

/** What an attacker may take for an HMAC secret: the forms in which a public key is known. */
export function publicBytes({ publicKey, publicJwk }: TestKeys): readonly (string | Uint8Array)[] {
  const pem = publicKey.export({ type: "spki", format: "pem" });
  const number = Buffer.from(String(publicJwk.n ?? publicJwk.x), "base64url");
  return [
    pem,
    String(pem).trim(),
    publicKey.export({ type: "spki", format: "der" }),
    JSON.stringify(publicJwk),
    number,
    "",
  ];
}
