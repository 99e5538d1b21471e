import { decodeBase64urlInteger } from "../token/base64url.js";

const minExponent = 65_537n;
const maxExponent = 2n ** 64n - 1n; // a larger one only makes verification slow
const minBits = 2_048; // RFC 7518 §3.3
const maxBits = 8_192;

/**
 * Why an RSA public key is too weak, or undefined when it is not. `n` and `e` as in a JWK (RFC 7518
 * §6.3.1).
 */
export function weaknessOfRsaKey(n: unknown, e: unknown): string | undefined {
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
