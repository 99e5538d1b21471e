import {
  type ErrorObject,
  type ErrorReason,
  errorOf,
  errorTable,
  standardError,
} from "../../src/protocol/error-codes.js";

const declaredCode = 1; // the type of an application does not tell its numbers

/** An error that goes to the client as it is. */
export class MockError extends Error {
  override readonly name = "MockError";
  readonly error: ErrorObject;

  constructor(error: ErrorObject) {
    super(error.message);
    this.error = error;
  }
}

/** A declared error, or one of jotwire's own. */
export function namedError(name: string, data?: object): MockError {
  return new MockError(
    Object.hasOwn(errorTable, name)
      ? errorOf(name as ErrorReason, data as Readonly<Record<string, unknown>>)
      : { code: declaredCode, message: name, ...(data === undefined ? {} : { data }) },
  );
}

/** What a thrown value is answered with. */
export function errorObjectOf(thrown: unknown): ErrorObject {
  if (thrown instanceof MockError) return thrown.error;
  const { message = String(thrown) } = Object(thrown) as { readonly message?: string };
  return standardError("internal", { hint: `the mock threw: ${message}` });
}
