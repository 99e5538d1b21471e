/** Decodes base64url without padding (RFC 7515 §2). Undefined unless `text` is the one canonical spelling of its bytes. */
export function decodeBase64url(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64url"); // lenient: skips foreign characters, drops spare bits
  return bytes.toString("base64url") === text ? bytes : undefined;
}

/** Decodes an unsigned big-endian integer (RFC 7518 §2, Base64urlUInt). Undefined unless canonical and without leading zero bytes. */
export function decodeBase64urlInteger(text: string): bigint | undefined {
  const bytes = decodeBase64url(text);
  if (!bytes || bytes.length === 0 || bytes[0] === 0) return undefined;
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}
