import { createPrivateKey, generateKeyPairSync, randomUUID, sign } from "node:crypto";

export const issuer = "https://id.example.com";
export const audience = "bench";
export const scope = "orders:read";

/** A signing key (ES256) as JWKs, which may be sent to another process. */
export function createKeys() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    privateJwk: { ...privateKey.export({ format: "jwk" }), kid: "bench", alg: "ES256" },
    publicJwk: { ...publicKey.export({ format: "jwk" }), kid: "bench", alg: "ES256", use: "sig" },
  };
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/**
 * A function that signs access tokens (RFC 9068), all of one length, each with its own `jti`, good
 * for an hour.
 */
export function createSigner(privateJwk) {
  const key = {
    key: createPrivateKey({ key: privateJwk, format: "jwk" }),
    dsaEncoding: "ieee-p1363",
  };
  const header = encode({ alg: "ES256", typ: "at+jwt", kid: privateJwk.kid });
  return ({ iat = Math.floor(Date.now() / 1000), subject = "user-42" } = {}) => {
    const payload = {
      iss: issuer,
      aud: audience,
      sub: subject,
      client_id: "bench",
      scope,
      iat,
      exp: iat + 3_600,
      jti: randomUUID(),
    };
    const input = `${header}.${encode(payload)}`;
    return `${input}.${sign("sha256", Buffer.from(input), key).toString("base64url")}`;
  };
}

/** The same token with a signature that is somebody else's. */
export function withWrongSignature(token) {
  const [header, payload, signature] = token.split(".");
  const bytes = Buffer.from(signature, "base64url");
  bytes[10] ^= 1;
  return `${header}.${payload}.${bytes.toString("base64url")}`;
}
