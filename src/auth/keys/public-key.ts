import { createPublicKey, KeyObject, type webcrypto } from "node:crypto";
import type { Jwk } from "../provider-options.js";
import { isObject } from "../token/strict-json.js";

/**
 * Reads the option `publicKey` (JWK, PEM, `KeyObject` or `CryptoKey`) as a JWK.
 * @throws TypeError for anything else, and for a private key: a server that only verifies must not
 * hold one.
 */
export function readPublicKey(key: unknown): Jwk {
  if (typeof key === "string") return toJwk(readPem(key));
  if (key instanceof KeyObject) return toJwk(key);
  if (isCryptoKey(key)) return toJwk(KeyObject.from(key));
  if (!isJwk(key))
    throw new TypeError("publicKey must be a JWK, a PEM string, a KeyObject or a CryptoKey");
  return key;
}

/** Whether the runtime can use this JWK: e.g. whether its point is on the curve. */
export function isImportable(jwk: Jwk): boolean {
  try {
    createPublicKey({ key: { ...jwk }, format: "jwk" });
    return true;
  } catch {
    return false;
  }
}

function toJwk(key: KeyObject): Jwk {
  if (key.type !== "public")
    throw new TypeError(`publicKey must be a public key, not a ${key.type} one`);
  const jwk = attempt(
    () => key.export({ format: "jwk" }),
    "publicKey has a type that no accepted algorithm uses",
  );
  if (!isJwk(jwk)) throw new TypeError("publicKey can't be written as a JWK");
  return jwk;
}

/** An environment variable often holds a PEM text with its line breaks written as `\n`. */
function readPem(text: string): KeyObject {
  const pem = text.replaceAll("\\n", "\n");
  if (pem.includes("PRIVATE KEY"))
    throw new TypeError("publicKey must be a public key, not a private one");
  return attempt(
    () => createPublicKey(pem),
    "publicKey is not a PEM text of an SPKI public key or an X.509 certificate",
  );
}

function attempt<T>(action: () => T, message: string): T {
  try {
    return action();
  } catch (cause) {
    throw new TypeError(message, { cause });
  }
}

function isJwk(key: unknown): key is Jwk {
  return isObject(key) && typeof key.kty === "string";
}

function isCryptoKey(key: unknown): key is webcrypto.CryptoKey {
  return Object.prototype.toString.call(key) === "[object CryptoKey]";
}
