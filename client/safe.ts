import type { CallPromise } from "./client-api.js";
import type { CallError } from "./errors.js";

/** The outcome of a call as a value: `safe` gives it. */
export type SafeResult<Value, Failure> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: Failure };

/**
 * Turns a call's promise into one that never rejects: `{ok: true, value}` or `{ok: false, error}`,
 * the error narrowed by `error.code`.
 *
 * @example
 * ```ts
 * const result = await safe(client.api.orders.create({ sku: "A1" }));
 * if (result.ok) console.log(result.value.id);
 * else if (result.error.code === "OUT_OF_STOCK") console.log(result.error.data.left);
 * ```
 */
export function safe<Result, Errors>(
  call: CallPromise<Result, Errors>,
): Promise<SafeResult<Result, CallError<Errors>>> {
  return call.then(
    (value) => ({ ok: true, value }),
    (error) => ({ ok: false, error }),
  );
}
