import { passwordProblem } from "../password-hasher.js";

/** The greatest length of a user name, characters: what a `sub` may have. */
export const maxNameLength = 255;
const maxClaimsLength = 4_096; // characters of JSON: a token has to fit in 8_192

/** Throws an Error that says what is wrong with the name of a new user. */
export function checkName(username: string): void {
  const isName =
    username !== "" &&
    username.length <= maxNameLength &&
    username.trim() === username &&
    !/[\p{Cc}\p{Cs}]/u.test(username);
  if (!isName)
    throw new Error(
      `a user name has 1 to ${maxNameLength} characters, no control characters, and no space at its ends`,
    );
  if (username.startsWith("client:"))
    throw new Error("a user name can't begin with client: since the subjects of OAuth clients do");
}

/** Throws an Error that says what is wrong with a new password. */
export function checkPassword(password: string): void {
  const problem = passwordProblem(password);
  if (problem !== undefined) throw new Error(problem);
}

/** Throws an Error that says what is wrong with the claims of a user. */
export function checkClaims(claims: Readonly<Record<string, unknown>>): void {
  for (const name of Object.keys(claims)) {
    if (reservedClaims.has(name))
      throw new Error(
        `the claim ${name} is set by the issuer: choose another name (for scopes: the option scopes)`,
      );
  }
  if (JSON.stringify(claims).length > maxClaimsLength)
    throw new Error(`claims may have at most ${maxClaimsLength} characters as JSON`);
}

/**
 * Claims that the issuer sets itself, or that would give a token another meaning: users can't have
 * claims of these names.
 */
const reservedClaims: ReadonlySet<string> = new Set([
  ...["iss", "aud", "sub", "exp", "iat", "nbf", "jti", "client_id", "sid", "scope", "auth_time"],
  ...[
    "cnf",
    "act",
    "nonce",
    "at_hash",
    "c_hash",
    "events",
    "token_use",
    "scp",
    "permissions",
    "__proto__",
  ],
]);
