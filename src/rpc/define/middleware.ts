/**
 * Middleware: code of the application that runs around the handlers of several methods, and the
 * context that it makes for them.
 */
import type { Auth } from "./access.js";
import type { HandlerContext, NoMembers } from "./handler-context.js";
import type { NotificationSchemas } from "./server-actions.js";

declare const added: unique symbol;

/** What `next` resolves with, and what a middleware must return. */
export interface MiddlewareResult<Added = unknown> {
  /** For types only: what this middleware adds to the context. */
  readonly [added]: Added;
  /** What the handler returned, or the result of a subscription's call. */
  readonly result: unknown;
}

/** Runs the rest of a call. To be called once. */
export interface Next {
  /** Adds nothing to the context. */
  (): Promise<MiddlewareResult<NoMembers>>;
  /** Adds members to the context, or replaces them. */
  <Added extends object>(options: { readonly context: Added }): Promise<MiddlewareResult<Added>>;
}

/** The argument of a middleware. Destructure only the members that you need. */
export interface MiddlewareContext<
  AuthType = Auth | null,
  Errors = NoMembers,
  Notifications extends NotificationSchemas = NotificationSchemas,
  Context = NoMembers,
> extends HandlerContext<unknown, AuthType, Errors, Notifications, Context> {
  /** The name of the method, subscription or topic on the wire, such as `orders.create`. */
  readonly method: string;
  /**
   * Runs the rest of the call: further middleware, then the handler. Resolves when the handler has
   * returned, or the subscription is open; rejects with what the handler throws.
   */
  readonly next: Next;
}

/**
 * Runs around the handlers of several methods. Returns what `next` resolves with, or throws: then
 * the caller gets the error as if the handler had thrown it.
 */
export type Middleware<
  AuthType,
  Errors,
  Notifications extends NotificationSchemas,
  Context,
  Added,
> = (
  context: MiddlewareContext<AuthType, Errors, Notifications, Context>,
) => Promise<MiddlewareResult<Added>>;

/** The argument of `createRpc({ context })`, when that is a function. */
export type ContextSource<Claims, Notifications extends NotificationSchemas> = Omit<
  MiddlewareContext<Auth<Claims> | null, NoMembers, Notifications>,
  "next" | "context" | "error"
>;

/** Members of `Base`, of which those of `Added` replace the ones of the same name. */
export type Merged<Base, Added> = [keyof Base] extends [never]
  ? Added
  : [keyof Added] extends [never]
    ? Base
    : Flat<Omit<Base, keyof Added> & Added>;
type Flat<T> = { [Name in keyof T]: T[Name] };
