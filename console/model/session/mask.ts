const secretNames =
  /^((access|refresh|id|password|reset)_?)?token$|(password|secret)$|^(jwt|proof)$/i;
// a JSON object in base64url, and what follows: JWS and JWE compact
const tokens = /eyJ[\w-]*\.[\w-]+(\.[\w-]*)*/g;
const deepest = 200; // far beyond what a server sends

/**
 * The same frame without tokens, passwords and other secrets: the only form in which the console
 * keeps, shows and exports frames.
 */
export function maskedFrame(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text.replace(tokens, hidden); // not JSON: told as it is
  }
  const masked = JSON.stringify(maskedValue(value));
  // numbers that JavaScript would round stay as they came
  return masked === JSON.stringify(value) ? text : masked;
}

/** A copy without secrets: strings under telling names, and whatever looks like a JWT under any. */
export function maskedValue(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return value.replace(tokens, hidden);
  if (typeof value !== "object" || value === null) return value;
  if (depth > deepest) return "…";
  if (Array.isArray(value)) return value.map((element) => maskedValue(element, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      typeof member === "string" && secretNames.test(name)
        ? hidden(member)
        : maskedValue(member, depth + 1),
    ]),
  );
}

function hidden(secret: string): string {
  return `‹hidden, ${secret.length} characters›`;
}
