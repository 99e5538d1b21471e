/** The signature algorithms that we verify (RFC 7518 §3, RFC 8037, RFC 9864). */

export const publicKeyAlgorithms: readonly string[] = [
  "ES256",
  "ES384",
  "ES512",
  "Ed25519",
  "EdDSA",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
];

/** Each with the shortest secret that it may have, in bytes (RFC 7518 §3.2). */
export const secretAlgorithms: ReadonlyMap<string, number> = new Map([
  ["HS256", 32],
  ["HS384", 48],
  ["HS512", 64],
]);
