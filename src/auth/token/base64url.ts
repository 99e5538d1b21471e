const foreign = /[^A-Za-z0-9_-]/;
/**
 * What the last character may be when it carries four, or two, bits that stand for nothing: those
 * are 0.
 */
const lastOfTwo = "AQgw";
const lastOfThree = "AEIMQUYcgkosw048";

/**
 * Decodes base64url without padding (RFC 7515 §2). Undefined unless `text` is the one canonical
 * spelling of its bytes.
 */
export function decodeBase64url(text: string): Uint8Array | undefined {
  return isCanonicalBase64url(text) ? Buffer.from(text, "base64url") : undefined;
}

/** Is it base64url without padding, in the one canonical spelling (RFC 4648 §3.5)? */
export function isCanonicalBase64url(text: string): boolean {
  if (foreign.test(text)) return false;
  const rest = text.length % 4;
  if (rest === 0) return true;
  return (
    rest !== 1 && (rest === 2 ? lastOfTwo : lastOfThree).includes(text.charAt(text.length - 1))
  );
}

/**
 * Decodes an unsigned big-endian integer (RFC 7518 §2, Base64urlUInt). Undefined unless canonical
 * and without leading zero bytes.
 */
export function decodeBase64urlInteger(text: string): bigint | undefined {
  const bytes = decodeBase64url(text);
  if (!bytes || bytes.length === 0 || bytes[0] === 0) return undefined;
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}
