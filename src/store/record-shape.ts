import type { ClientRecord, ExpectedCredentials, FamilyRecord, UserRecord } from "./store.js";

type Kind = "string" | "number" | "boolean" | "array" | "object" | "string?" | "object?";

/** What each member of a record must be. */
export type Shape<R> = { readonly [member in keyof Required<R>]: Kind };

export const userShape: Shape<UserRecord> = {
  username: "string",
  passwordHash: "string",
  scopes: "array",
  claims: "object",
  disabled: "boolean",
  credentialVersion: "string",
  createdAt: "number",
  passwordToken: "object?",
};

export const clientShape: Shape<ClientRecord> = {
  clientId: "string",
  secretHash: "string",
  scopes: "array",
  createdAt: "number",
};

export const familyShape: Shape<FamilyRecord> = {
  id: "string",
  subject: "string",
  clientId: "string",
  scopes: "array",
  credentialVersion: "string",
  generation: "number",
  currentHash: "string",
  previousHash: "string",
  createdAt: "number",
  rotatedAt: "number",
  endsAt: "number",
  idleUntil: "number",
  revoked: "boolean",
  rotatedBy: "string?",
};

/** Is what was read a record, and not damaged? */
export function fits<R>(value: unknown, shape: Shape<R>): value is R {
  if (typeof value !== "object" || value === null) return false;
  const members = new Map<string, unknown>(Object.entries(value));
  return Object.entries<Kind>(shape).every(([member, kind]) => {
    const value = members.get(member);
    if (kind.endsWith("?")) return value === undefined || `${kindOf(value)}?` === kind;
    return kindOf(value) === kind;
  });
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return value === null ? "null" : typeof value;
}

/** Does a record have what a compare-and-set expects? */
export function isAsExpected(
  user: UserRecord,
  { passwordHash, credentialVersion, passwordTokenHash }: ExpectedCredentials = {},
): boolean {
  return (
    (passwordHash === undefined || passwordHash === user.passwordHash) &&
    (credentialVersion === undefined || credentialVersion === user.credentialVersion) &&
    (passwordTokenHash === undefined || passwordTokenHash === user.passwordToken?.hash)
  );
}
