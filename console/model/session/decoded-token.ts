import { type Members, membersOf } from "../message.js";

export interface DecodedToken {
  readonly header: Members;
  readonly claims: Members;
}

/**
 * Decodes a JWT for display, without verification. Returns `undefined` if the text is not a JWT.
 */
export function decodedToken(token: string): DecodedToken | undefined {
  const [header, claims, signature] = token.split(".");
  if (header === undefined || claims === undefined || signature === undefined) return undefined;
  try {
    return { header: membersOf(jsonIn(header)), claims: membersOf(jsonIn(claims)) };
  } catch {
    return undefined; // not a JWT
  }
}

function jsonIn(part: string): unknown {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (character) =>
    character.charCodeAt(0),
  );
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}
