/** How strongly, and how lately, a user must have logged in to call a method (RFC 9470). */
import { type ErrorObject, errorOf } from "../../protocol/error-codes.js";
import { refuseUnknownOptions } from "../../runtime/known-options.js";
import { type AccessRule, type Auth, checkAccess } from "./access.js";

/** The login that a method needs. Give one member, or both. */
export interface StepUp {
  /**
   * Authentication context classes, one of which the token must name, the preferred one first (RFC
   * 9470 §4, `acr_values`).
   * @default none; any class will do
   */
  readonly acr?: readonly string[];
  /**
   * Longest time since the user logged in, in milliseconds, at least 1,000 (RFC 9470 §4,
   * `max_age`).
   * @default none; any login will do
   */
  readonly maxAge?: number;
}

/** The part of a caller's session that the rule asks about. */
interface LoginSource {
  /** Milliseconds since the user logged in; undefined if the token does not say. */
  loginAge(): number | undefined;
}

const stepUpOptions = { acr: true, maxAge: true } satisfies Record<keyof StepUp, true>;
const shortestAge = 1_000; // 1 s: providers count in seconds

/** Throws `TypeError` for a rule that can't be. */
export function checkStepUpRule(
  name: string,
  rule: unknown,
  isPublic: boolean,
): StepUp | undefined {
  if (rule === undefined) return undefined;
  if (isPublic) throw new TypeError(`${name}: a public method can't have stepUp`);
  if (typeof rule !== "object" || rule === null)
    throw new TypeError(`${name}: stepUp must be an object such as { maxAge: 300_000 }`);
  refuseUnknownOptions(`${name}: stepUp`, rule, stepUpOptions);
  const { acr, maxAge } = rule as Readonly<Record<string, unknown>>;
  if (acr === undefined && maxAge === undefined)
    throw new TypeError(`${name}: stepUp needs acr, maxAge, or both`);
  if (acr !== undefined && !(Array.isArray(acr) && acr.length > 0 && acr.every(isClass)))
    throw new TypeError(
      `${name}: stepUp.acr must be a list of classes without spaces, such as ["urn:example:mfa"]`,
    );
  if (maxAge !== undefined && !(typeof maxAge === "number" && maxAge >= shortestAge))
    throw new TypeError(
      `${name}: stepUp.maxAge must be milliseconds, from ${shortestAge} up, not ${String(maxAge)}`,
    );
  return rule;
}

/**
 * Returns the error to answer with if the caller lacks a scope or must log in again, or null. To be
 * asked of a live session, or of none.
 */
export function checkRights(
  access: AccessRule,
  stepUp: StepUp | undefined,
  auth: Auth | null,
  session: LoginSource,
): ErrorObject | null {
  const denied = checkAccess(access, auth);
  if (denied !== null || stepUp === undefined || auth === null) return denied;
  return checkStepUp(stepUp, auth, session);
}

function checkStepUp(rule: StepUp, { acrValues }: Auth, session: LoginSource): ErrorObject | null {
  const { acr, maxAge } = rule;
  const age = maxAge === undefined ? 0 : session.loginAge();
  const isStrong = acr?.some((name) => acrValues.includes(name)) ?? true;
  if (isStrong && age !== undefined && age <= (maxAge ?? 0)) return null;
  return errorOf("step_up_required", {
    ...stepUpData(rule),
    hint: isStrong ? adviceOnAge(age) : adviceOnClass(acrValues),
  });
}

/** The rule as it is on the wire, with times in seconds. */
export function stepUpData({ acr, maxAge }: StepUp): object {
  return {
    ...(acr === undefined ? {} : { acrValues: acr }),
    ...(maxAge === undefined ? {} : { maxAge: Math.floor(maxAge / 1_000) }),
  };
}

function adviceOnClass(acrValues: readonly string[]): string {
  const found =
    acrValues.length === 0
      ? "the token names no authentication context class (acr)"
      : "the token names another authentication context class (acr)";
  return `${found}; log in with one of acrValues, and refresh with the token of that login`;
}

function adviceOnAge(age: number | undefined): string {
  return age === undefined
    ? "the token does not say when the user logged in (auth_time); log in again, and refresh with a token that does"
    : "the login is too old; log in again, and refresh with the token of that login";
}

// values are sent to the provider as one list with spaces between them
function isClass(value: unknown): boolean {
  return typeof value === "string" && /^[^\s]+$/.test(value);
}
