import type { Jwk } from "../provider-options.js";
import { decodeBase64url, decodeBase64urlInteger } from "../token/base64url.js";
import { isObject, type StrictObject } from "../token/strict-json.js";
import { isKeyId, maxKeyId } from "../token/token-format.js";

/**
 * Which keys may verify, and by which algorithm (RFC 7517, RFC 7518 §6, draft-ietf-oauth-rfc8725bis
 * §3.1).
 */

export type Judgement =
  | {
      readonly usable: true;
      readonly keyId: string | undefined;
      readonly algorithms: readonly string[];
      readonly jwk: Jwk;
    }
  | { readonly usable: false; readonly reason: string };

export type UsableKey = Extract<Judgement, { usable: true }>;

/** A key that is passed over, and why. */
export interface UnusedKey {
  readonly keyId: string | undefined;
  readonly reason: string;
}

export interface ReadKeySet {
  readonly usable: readonly UsableKey[];
  readonly unused: readonly UnusedKey[];
}

export const leak = "it is a private or symmetric key: withdraw it, it is known to everybody";

const maxKeys = 100;
// RFC 7518 §6.2.2, §6.3.2, §6.4
const secretMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

const curves: Readonly<Record<string, { readonly algorithm: string; readonly bytes: number }>> = {
  "P-256": { algorithm: "ES256", bytes: 32 },
  "P-384": { algorithm: "ES384", bytes: 48 },
  "P-521": { algorithm: "ES512", bytes: 66 },
};
const rsaAlgorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const edwardsAlgorithms = ["Ed25519", "EdDSA"];

/**
 * Judges the keys of a set (RFC 7517 §5). A key that cannot verify by one of `accepted`, or is
 * flawed, spoils none of the others. The same key twice is one.
 * @throws Error if `document` is not a key set, or has too many keys
 */
export function readKeySet(document: unknown, accepted: readonly string[]): ReadKeySet {
  const keys = isObject(document) ? document.keys : undefined;
  if (!Array.isArray(keys)) throw new Error("the key set has no keys array");
  if (keys.length > maxKeys) throw new Error(`the key set has more than ${maxKeys} keys`);
  const usable = new Map<string, UsableKey>();
  const unused: UnusedKey[] = [];
  for (const key of keys) {
    const judgement = isObject(key) ? judgeKey(key, accepted) : unusable("it is not an object");
    if (judgement.usable) usable.set(JSON.stringify([judgement.keyId, judgement.jwk]), judgement);
    else unused.push({ keyId: keyIdOf(key), reason: judgement.reason });
  }
  return { usable: [...usable.values()], unused };
}

function keyIdOf(key: unknown): string | undefined {
  const keyId = isObject(key) ? key.kid : undefined;
  return isKeyId(keyId) ? keyId : undefined;
}

/** May this public key verify, and by which of the `accepted` algorithms? */
export function judgeKey(given: StrictObject, accepted: readonly string[]): Judgement {
  const key = withoutNulls(given);
  if (holdsSecret(key)) return unusable(leak);
  if (key.kid !== undefined && !isKeyId(key.kid))
    return unusable(`its kid is not a string of 1 to ${maxKeyId} characters`);
  if (key.use !== undefined && key.use !== "sig") return unusable("its use is not sig");
  if (
    key.key_ops !== undefined &&
    !(Array.isArray(key.key_ops) && (key.key_ops.length === 0 || key.key_ops.includes("verify")))
  ) {
    return unusable("its key_ops have no verify");
  }
  const material = readMaterial(key);
  if ("weakness" in material) return unusable(material.weakness);
  const ownAlgorithms =
    key.alg === undefined
      ? material.algorithms
      : material.algorithms.filter((name) => name === key.alg);
  if (ownAlgorithms.length === 0) return unusable("its alg does not fit its type");
  const algorithms = ownAlgorithms.filter((name) => accepted.includes(name));
  if (algorithms.length === 0)
    return unusable(`it is for ${ownAlgorithms.join(", ")}, and none of these is accepted`);
  return { usable: true, keyId: key.kid, algorithms, jwk: material.jwk };
}

function unusable(reason: string): Judgement {
  return { usable: false, reason };
}

/** Some issuers write `"alg": null` or `"d": null` for members that a key does not have. */
function withoutNulls(key: StrictObject): StrictObject {
  return Object.fromEntries(Object.entries(key).filter(([, value]) => value !== null));
}

function holdsSecret(key: StrictObject): boolean {
  return key.kty === "oct" || secretMembers.some((member) => Object.hasOwn(key, member));
}

type Material =
  | { readonly algorithms: readonly string[]; readonly jwk: Jwk }
  | { readonly weakness: string };

/** The members that make the key, and nothing else of the JWK. */
function readMaterial({ kty, crv, n, e, x, y }: StrictObject): Material {
  if (kty === "RSA") {
    const [modulus, exponent] = [integerText(n), integerText(e)];
    const weakness = weaknessOfRsaKey(modulus, exponent);
    return weakness
      ? { weakness }
      : { algorithms: rsaAlgorithms, jwk: { kty, n: modulus, e: exponent } };
  }
  if (kty === "EC") {
    const curve = typeof crv === "string" && Object.hasOwn(curves, crv) ? curves[crv] : undefined;
    if (!curve) return { weakness: "its curve is not P-256, P-384 or P-521" };
    if (!isBytes(x, curve.bytes) || !isBytes(y, curve.bytes))
      return { weakness: "x or y is missing or malformed" };
    return { algorithms: [curve.algorithm], jwk: { kty, crv, x, y } };
  }
  if (kty === "OKP") {
    if (crv !== "Ed25519") return { weakness: "its curve is not Ed25519" };
    if (!isBytes(x, 32)) return { weakness: "x is missing or malformed" };
    return { algorithms: edwardsAlgorithms, jwk: { kty, crv, x } };
  }
  return { weakness: "its type is not RSA, EC or OKP" };
}

/** Without the padding and the leading zero bytes that RFC 7518 §2 forbids and issuers write. */
function integerText(value: unknown): unknown {
  const bytes = typeof value === "string" ? decodeBase64url(value.replace(/={1,2}$/, "")) : null;
  if (!bytes) return value;
  const first = bytes.findIndex((byte) => byte !== 0);
  return Buffer.from(bytes.subarray(Math.max(first, 0))).toString("base64url");
}

function isBytes(value: unknown, length: number): boolean {
  return typeof value === "string" && decodeBase64url(value)?.length === length;
}

const minExponent = 65_537n;
const maxExponent = 2n ** 64n - 1n; // a larger one only makes verification slow
const minBits = 2_048; // RFC 7518 §3.3
const maxBits = 8_192;

/**
 * Why an RSA public key is too weak, or undefined when it is not. `n` and `e` as in a JWK (RFC 7518
 * §6.3.1).
 */
function weaknessOfRsaKey(n: unknown, e: unknown): string | undefined {
  const modulus = typeof n === "string" ? decodeBase64urlInteger(n) : undefined;
  const exponent = typeof e === "string" ? decodeBase64urlInteger(e) : undefined;
  if (modulus === undefined || exponent === undefined) return "n or e is missing or malformed";
  const bits = modulus.toString(2).length;
  if (bits < minBits || bits > maxBits)
    return `the modulus has ${bits} bits, not ${minBits} to ${maxBits}`;
  if (modulus % 2n === 0n) return "the modulus is even";
  if (exponent < minExponent || exponent > maxExponent || exponent % 2n === 0n)
    return "the exponent is not an odd number from 65537 up";
  if (hasRocaFingerprint(modulus)) return "the key has the fingerprint of CVE-2017-15361 (ROCA)";
  return undefined;
}

/**
 * Primes that the faulty Infineon library made are 65537^a mod M for a primorial M, so the modulus
 * is, modulo every small prime, a power of 65537 (Nemec et al., "The Return of Coppersmith's
 * Attack", 2017). An honest modulus is so once in 2^27.
 */
function hasRocaFingerprint(modulus: bigint): boolean {
  return rocaResidues.every(({ prime, powers }) => powers.has(modulus % prime));
}

const rocaResidues = oddPrimesUpTo(167).map((prime) => ({
  prime: BigInt(prime),
  powers: powersOf(65_537n, BigInt(prime)),
}));

function oddPrimesUpTo(last: number): number[] {
  const primes: number[] = [];
  for (let candidate = 3; candidate <= last; candidate += 2)
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  return primes;
}

function powersOf(base: bigint, prime: bigint): ReadonlySet<bigint> {
  const powers = new Set<bigint>();
  for (let power = 1n; !powers.has(power); power = (power * base) % prime) powers.add(power);
  return powers;
}
