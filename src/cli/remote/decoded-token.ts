import { CliError } from "../cli-error.js";

/**
 * A JWT's two readable parts (RFC 7519 §3). Nothing is verified: anybody can write anything there.
 */
export interface DecodedToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Throws a `CliError` for what is no JWT. */
export function decodeToken(text: string): DecodedToken {
  const parts = text
    .replace(/\s+/g, " ")
    .trim()
    .replace(/^bearer /i, "")
    .split(".");
  if (parts.length === 5)
    throw new CliError(
      "usage",
      "that is an encrypted token (JWE): only who has its key can read it",
    );
  const [header, claims] = parts.map(decodePart);
  if (parts.length !== 3 || header === undefined || claims === undefined) {
    throw new CliError(
      "usage",
      "that is no JWT: it has three parts of base64url, joined by dots, the first two of them JSON objects",
    );
  }
  return { header, claims };
}

function decodePart(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Seconds until `exp`, negative when that is over; undefined: it has none. */
export function secondsLeft({ claims }: DecodedToken, now = Date.now()): number | undefined {
  return typeof claims.exp === "number" ? Math.floor(claims.exp - now / 1_000) : undefined;
}

/** `expires in 4 min 12 s`, for people. */
export function expiryText(left: number | undefined): string {
  if (left === undefined) return "never expires (no exp claim)";
  return left > 0 ? `expires in ${durationText(left)}` : `expired ${durationText(-left)} ago`;
}

function durationText(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ].filter(([amount]) => amount !== 0);
  return parts.length === 0
    ? "0 s"
    : parts
        .map((part) => part.join(" "))
        .slice(0, 2)
        .join(" ");
}
