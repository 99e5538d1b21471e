import type { ErrorObject } from "../../protocol/error-codes.js";
import { isApplicationCode } from "../../protocol/error-codes.js";
import type { SchemaInput, StandardSchema } from "../../protocol/standard-schema.js";

/** One error that a method may answer with. */
export interface ErrorDeclaration {
  /** Any integer outside -32768…-32000. */
  readonly code: number;
  /** For people. On the wire the message is the error's name, or `NAME: message`. */
  readonly message?: string;
  /** Describes `error.data`. */
  readonly data?: StandardSchema;
}

/** The errors of a method by name. */
export type ErrorDeclarations = Readonly<Record<string, ErrorDeclaration>>;

/** What a handler throws: `throw error.OUT_OF_STOCK({ left: 10 })`. */
export type ErrorFactories<E> = {
  readonly [Name in keyof E]: E[Name] extends { readonly data: infer Data extends StandardSchema }
    ? (data: SchemaInput<Data>) => DeclaredError
    : () => DeclaredError;
};

/** An error that its method declared: it goes to the caller with its own code, message and data. */
export class DeclaredError extends Error {
  override readonly name = "DeclaredError";
  /** The name under which the method declares it. */
  readonly code: string;
  /** The `code` of the error on the wire. */
  readonly rpcCode: number;
  /** The `data` of the error on the wire. */
  readonly data: unknown;

  constructor(code: string, rpcCode: number, message: string, data: unknown) {
    super(message);
    this.code = code;
    this.rpcCode = rpcCode;
    this.data = data;
  }
}

/** The declared errors of one method: makes them, and knows its own again whatever was thrown. */
export class DeclaredErrors {
  readonly factories: Readonly<Record<string, (data?: unknown) => DeclaredError>>;
  // no instanceof: a thrown Proxy may make it throw
  readonly #made = new WeakMap<object, ErrorObject>();

  constructor(declarations: ErrorDeclarations, method: string) {
    const factories = Object.create(null) as Record<string, (data?: unknown) => DeclaredError>;
    for (const [name, { code, message }] of Object.entries(declarations)) {
      if (!isApplicationCode(code)) {
        throw new TypeError(
          `${method}: the code of error ${name} must be an integer outside -32768…-32000, not ${code}`,
        );
      }
      if (!/^[A-Za-z_$][\w$]*$/.test(name))
        throw new TypeError(`${method}: the name of error "${name}" must be an identifier`);
      const text = message === undefined ? name : `${name}: ${message}`;
      factories[name] = (data) => {
        const error = new DeclaredError(name, code, text, data);
        this.#made.set(
          error,
          data === undefined ? { code, message: text } : { code, message: text, data },
        );
        return error;
      };
    }
    this.factories = Object.freeze(factories);
  }

  /** The error object to send, if `thrown` was made by one of this method's factories. */
  find(thrown: unknown): ErrorObject | undefined {
    return typeof thrown === "object" && thrown !== null ? this.#made.get(thrown) : undefined;
  }
}
