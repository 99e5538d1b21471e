import { errorTable, standardErrors } from "../../protocol/error-codes.js";

const standardTypes = {
  parse: "parse_error",
  invalidRequest: "invalid_request",
  methodNotFound: "method_not_found",
  invalidParams: "invalid_params",
  internal: "internal_error",
} as const satisfies Record<keyof typeof standardErrors, string>;

const types: ReadonlyMap<number, string> = new Map([
  ...Object.entries(errorTable).map(([reason, { code }]) => [code, reason] as const),
  ...Object.entries(standardErrors).map(
    ([name, { code }]) => [code, standardTypes[name as keyof typeof standardErrors]] as const,
  ),
]);

/**
 * Returns OpenTelemetry's `error.type` of a call that ended with `code`; undefined if it did not
 * fail. The names are those of the client's `error.code`; an error of the application is
 * `application_error`, whatever its name.
 */
export function errorTypeOf(code: number | null): string | undefined {
  if (code === null || code === 0) return undefined;
  return types.get(code) ?? "application_error";
}
