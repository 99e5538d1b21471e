import { type CryptoKey, compactVerify, errors, importJWK } from "jose";
import type { Jwk } from "../provider-options.js";

/**
 * The one place that calls jose for verification. The format of the token is checked before
 * (token-format), its claims after (claims).
 */

export type { CryptoKey };

const hashes: Readonly<Record<string, string>> = {
  HS256: "SHA-256",
  HS384: "SHA-384",
  HS512: "SHA-512",
};

/**
 * @throws Error when the runtime doesn't take the key, e.g. because its point is not on the curve.
 */
export async function importPublicKey(jwk: Jwk, algorithm: string): Promise<CryptoKey> {
  const key = await importJWK({ ...jwk }, algorithm);
  if (key instanceof Uint8Array) throw new TypeError("not a public key");
  return key;
}

export function importSecret(secret: Uint8Array, algorithm: string): Promise<CryptoKey> {
  const hash = hashes[algorithm];
  if (!hash) throw new TypeError("not an HMAC algorithm");
  return crypto.subtle.importKey("raw", new Uint8Array(secret), { name: "HMAC", hash }, false, [
    "verify",
  ]);
}

/**
 * Does the token's signature fit this key and algorithm (RFC 7515 §5.2)? @throws Error when that
 * can't be found out.
 */
export function isSignedBy(key: CryptoKey, algorithm: string, token: string): Promise<boolean> {
  // no async function: the stack of jose's error would be followed through all that wait for it,
  // which takes 10 µs
  return compactVerify(token, key, { algorithms: [algorithm] }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof errors.JWSSignatureVerificationFailed) return false;
      throw error;
    },
  );
}
