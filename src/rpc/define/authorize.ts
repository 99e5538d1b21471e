/**
 * The application's own rules: who may call a method, or have a subscription, with these params.
 */
import { type ErrorObject, errorOf } from "../../protocol/error-codes.js";
import { isThenable, toPromise } from "../../runtime/application-code.js";
import type { Logger } from "../../runtime/logger.js";
import { describe } from "../../runtime/thrown.js";
import type { Auth } from "./access.js";

/** The argument of `authorize`. */
export interface AuthorizeContext<AuthType, Params> {
  /** Who asks. */
  readonly auth: AuthType;
  /** The params: the output of their schema. */
  readonly params: Params;
  /**
   * Aborts when the answer no longer matters: at the deadline, at `$/cancelRequest`, at a logout,
   * when the connection closes, or when the rule is asked anew.
   */
  readonly signal: AbortSignal;
}

/**
 * A rule of the application. Only `true` allows; anything else, an error and a rule that does not
 * settle before its deadline deny.
 */
export type AuthorizeRule<AuthType = Auth, Params = unknown> = (
  context: AuthorizeContext<AuthType, Params>,
) => boolean | Promise<boolean>;

/** One rule that allows what each of these allows; undefined: there are none. */
export function jointRule(rules: readonly AuthorizeRule[]): AuthorizeRule | undefined {
  const [first, ...others] = rules;
  const rest = others.length === 0 ? undefined : jointRule(others);
  if (first === undefined || rest === undefined) return first;
  return (context) => {
    const answer: unknown = first(context);
    if (!isThenable(answer)) return answer === true && rest(context);
    return toPromise(answer).then((value) => value === true && rest(context));
  };
}

/** Creates the signal on demand, since most rules do not use it. */
class AuthorizeArgument implements AuthorizeContext<Auth, unknown> {
  readonly auth: Auth;
  readonly params: unknown;
  readonly #signal: () => AbortSignal;

  constructor(auth: Auth, params: unknown, signal: () => AbortSignal) {
    this.auth = auth;
    this.params = params;
    this.#signal = signal;
  }

  get signal(): AbortSignal {
    return this.#signal();
  }
}

/**
 * Asks a rule; stays synchronous if the rule does. Never throws or rejects: an error is a no, and
 * `failed` receives it.
 */
export function askRule(
  rule: AuthorizeRule,
  auth: Auth,
  params: unknown,
  signal: () => AbortSignal,
  failed: (error: unknown) => void,
): boolean | Promise<boolean> {
  try {
    const answer: unknown = rule(new AuthorizeArgument(auth, params, signal));
    if (!isThenable(answer)) return answer === true;
    return toPromise(answer).then(
      (value) => value === true,
      (error: unknown) => {
        failed(error);
        return false;
      },
    );
  } catch (error) {
    failed(error);
    return false;
  }
}

/** The answer to a caller whom the rule denies. */
export function deniedByRule(): ErrorObject {
  return errorOf("forbidden", {
    required: [],
    missing: [],
    rule: "authorize",
    hint: "your scopes are enough, but the application's own rule does not allow it",
  });
}

export function logFailedRule(log: Logger, method: string, error: unknown): void {
  log.error(
    { event: "authorize.fail", method, err: describe(error) },
    "the rule authorize failed, so access was denied",
  );
}
