import { type Members, membersOf } from "../message.js";

export interface DecodedToken {
  readonly header: Members;
  readonly claims: Members;
}

/** What is in a JWT, unverified: for people to look at. Undefined when it is none. */
export function decodedToken(token: string): DecodedToken | undefined {
  const [header, claims, signature] = token.split(".");
  if (header === undefined || claims === undefined || signature === undefined) return undefined;
  try {
    return { header: membersOf(jsonIn(header)), claims: membersOf(jsonIn(claims)) };
  } catch {
    return undefined; // no JWT
  }
}

function jsonIn(part: string): unknown {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (character) =>
    character.charCodeAt(0),
  );
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}
