import { randomBytes } from "node:crypto";
import { sameDigest } from "../../store/refresh-token-rotation.js";
import type { PasswordTokenRecord, UserRecord } from "../../store/store.js";
import { hashOf } from "../digest.js";
import { maxNameLength } from "./user-rules.js";

const minLifeMs = 60_000;
const maxLifeMs = 30 * 24 * 3_600_000;
const secretBytes = 32;
const maxNameBytes = 3 * maxNameLength; // UTF-8
const pattern = /^([\w-]{2,})\.[\w-]{43}$/;
const maxTokenLength = Math.ceil((maxNameBytes * 4) / 3) + 1 + 43;

/** What every refused token is answered with. */
export const tokenOutdated =
  "the link to set a password is not valid any more: if you have used it, log in; otherwise ask for a new one";

/**
 * Makes a token that sets a password: `<base64url of the name>.<base64url of 32 random bytes>`.
 * `now` and `expiresIn` in milliseconds.
 *
 * @throws Error if `expiresIn` is out of its range
 */
export function newPasswordToken(
  username: string,
  purpose: PasswordTokenRecord["purpose"],
  expiresIn: number,
  now: number,
): { readonly token: string; readonly record: PasswordTokenRecord } {
  if (!(expiresIn >= minLifeMs && expiresIn <= maxLifeMs))
    throw new Error(
      `expiresIn must be from ${minLifeMs} to ${maxLifeMs} milliseconds, not ${expiresIn}`,
    );
  const name = Buffer.from(username).toString("base64url");
  const token = `${name}.${randomBytes(secretBytes).toString("base64url")}`;
  return { token, record: { hash: hashOf(token), purpose, expiresAt: (now + expiresIn) / 1_000 } };
}

/** The user that a token names; `undefined`: no token has this form. */
export function usernameIn(token: string): string | undefined {
  if (typeof token !== "string" || token.length > maxTokenLength) return undefined;
  const [, name] = pattern.exec(token) ?? [];
  if (name === undefined) return undefined;
  const username = Buffer.from(name, "base64url").toString();
  return username.length <= maxNameLength ? username : undefined;
}

/** Why a token is refused; `undefined`: it is good. `now` in seconds. */
export function refusalOf(
  token: string,
  user: UserRecord | undefined,
  now: number,
): "unknown" | "disabled" | "expired" | undefined {
  const known = user?.passwordToken;
  // compared in any case, so that time tells nothing about users
  const isKnown = sameDigest(hashOf(token), String(known?.hash ?? hashOf("")));
  if (user === undefined || known === undefined || !isKnown) return "unknown";
  if (user.disabled) return "disabled";
  return now < known.expiresAt ? undefined : "expired"; // a damaged time has expired
}
