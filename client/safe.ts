import type { CallPromise } from "./client-api.js";
import type { CallError } from "./errors.js";

export type SafeResult<Value, Failure> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: Failure };

/**
 * Turns a call's promise into one that never rejects: `{ok: true, value}` or `{ok: false, error}`,
 * the error narrowed by `error.code`.
 */
export function safe<Result, Errors>(
  call: CallPromise<Result, Errors>,
): Promise<SafeResult<Result, CallError<Errors>>> {
  return call.then(
    (value) => ({ ok: true, value }),
    (error) => ({ ok: false, error }),
  );
}
