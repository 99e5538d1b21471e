import { type ErrorObject, errorOf } from "../../protocol/error-codes.js";
import {
  type Id,
  type Params,
  type Position,
  type Request,
  type Response,
  type SubscribeResult,
  subscriptionMark,
} from "../../protocol/messages.js";
import { childOf, type Logger } from "../../runtime/logger.js";
import type { Auth } from "../define/access.js";
import type { ConnectionHandle } from "../define/handler-context.js";
import type { MethodEntry, SubscriptionEntry } from "../define/registry.js";
import type { ServerActions } from "../define/server-actions.js";
import type { PendingCalls } from "./pending-calls.js";

/** One request and its way through a handler. */

/** A subscription whose response is not sent yet. */
export interface PendingSubscription {
  readonly result: SubscribeResult;
  /** JSON of the state that the answer carries. */
  readonly snapshot?: string;
  /** Returns the error to answer with if the right to the snapshot was lost since, or null. */
  refusal(): ErrorObject | null;
  /** Starts the events, after the response was sent. */
  begin(): void;
  /** Drops the subscription, since the call was answered with an error. */
  abandon(): void;
}

/** The text of a response, and the subscriptions that begin once it is sent. */
export interface Opening {
  readonly text: string;
  readonly started: readonly PendingSubscription[];
}

/** The text to send, or null without an answer. */
export type Reply = string | Opening | null;

/** A call of a subscription with validated params. */
export interface SubscribeCall {
  readonly call: Call;
  readonly entry: SubscriptionEntry;
  readonly params: unknown;
  /** The params as they came, without the reserved members. */
  readonly given: Params | undefined;
  /** `$since` */
  readonly since: Position | undefined;
  /** `$snapshot` */
  readonly snapshot: boolean | undefined;
}

/**
 * The session that admitted a call. The call keeps this session when the user of the connection
 * changes.
 */
export interface CallerSession {
  /**
   * The current token; null in any state but ACTIVE and after the end of the session. Checks expiry
   * and revocation.
   */
  readonly auth: Auth | null;
  /**
   * The last token of this session, even if the token has expired or the session has ended; null
   * without a session.
   */
  readonly identity: Auth | null;
  /** Whether the user of the connection has changed since. */
  readonly isOver: boolean;
  /**
   * Returns the error that prevents a non-public method from running now, or null. Checks expiry
   * and revocation.
   */
  refusal(): ErrorObject | null;
  /** Milliseconds since the user logged in; undefined if the token does not say. */
  loginAge(): number | undefined;
}

/** The connection of a request, as the dispatcher sees it. */
export interface Caller {
  /** The current session; each login and each logout starts another one. */
  readonly session: CallerSession;
  /**
   * Counts a further element of a batch. Returns the error if it exceeds the rate limit, or null.
   */
  countElement(): ErrorObject | null;
  /**
   * Returns whether another element of a batch may begin. `false` means that the send buffer is
   * full, or the connection's budget for this turn is used up.
   */
  mayGoOn(): boolean;
  /** Counts the bytes of an answer against the connection's budget for this turn. */
  spend(bytes: number): void;
  /** Returns the result of `whoami`. */
  whoami(): unknown;
  /** Starts a subscription. Throws, or rejects with, {@link RpcFault}. */
  subscribe(call: SubscribeCall): PendingSubscription | Promise<PendingSubscription>;
  /** Ends a subscription. Returns `false` if there is no such subscription. */
  unsubscribe(subscription: string): boolean;
  readonly handle: ConnectionHandle;
  /** What handlers may do to others. */
  readonly actions: ServerActions;
  readonly pending: PendingCalls;
  /** Whether the close is announced, so that new calls are refused. */
  readonly isLeaving: boolean;
  readonly log: Logger;
  /** Logger for the application, without rate limit. */
  readonly applicationLog: Logger;
}

/** An error that is sent as it is, such as that of `assertLive`. */
export class RpcFault extends Error {
  override readonly name = "RpcFault";
  readonly error: ErrorObject;

  constructor(error: ErrorObject) {
    super(error.message);
    this.error = error;
  }
}

/** Returns the error object of a thrown {@link RpcFault}, or `undefined` for any other value. */
export function rpcFaultOf(thrown: unknown): ErrorObject | undefined {
  try {
    return thrown instanceof RpcFault ? thrown.error : undefined;
  } catch {
    return undefined; // a Proxy whose traps throw
  }
}

export class Call {
  readonly entry: MethodEntry;
  readonly request: Request;
  readonly caller: Caller;
  readonly session: CallerSession;
  readonly auth: Auth | null;
  /** The handle at the time of the call, valid until the caller's next logout. */
  readonly handle: ConnectionHandle;
  readonly observation: CallObservation | undefined;
  /** The subscription that this call has started. */
  started: PendingSubscription | undefined;
  /** What the application's middleware has made for the handler; undefined: nothing. */
  context: object | undefined;
  /** Called if the call is answered before its work ends, which may be never. */
  onAbort: (() => void) | undefined;
  /** Whether the rule `authorize` has been asked and has not answered. */
  isAuthorizing = false;
  /** `null` without a response to send; `undefined` until the response is known. */
  response: Response | null | undefined;
  #controller: AbortController | undefined;
  #abortedBy: ErrorObject | undefined;
  /** The work that each middleware which gave up did not wait for: in the end, the handler's. */
  #left: Promise<unknown>[] | undefined;
  /** Set while the handler's promise is pending. */
  #settle: ((response: Response | null) => void) | undefined;

  constructor(
    entry: MethodEntry,
    request: Request,
    caller: Caller,
    auth: Auth | null,
    observation?: CallObservation,
  ) {
    this.entry = entry;
    this.request = request;
    this.caller = caller;
    this.session = caller.session;
    this.auth = auth;
    this.handle = caller.handle;
    this.observation = observation;
  }

  get id(): Id | undefined {
    return this.request.id;
  }

  /** Created on first access, since most handlers do not use the signal. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    const reason = this.#abortedBy ?? (this.isLeft ? errorOf("cancelled") : undefined);
    if (reason !== undefined && !this.#controller.signal.aborted)
      this.#controller.abort(abortReason(reason));
    return this.#controller.signal;
  }

  /** Whether the call was answered before its handler ended. */
  get isAborted(): boolean {
    return this.#abortedBy !== undefined;
  }

  /** Whether a middleware has ended without waiting for the handler. */
  get isLeft(): boolean {
    return this.#left !== undefined;
  }

  /** The call goes on without its handler, whose signal aborts. It counts until `work` settles. */
  leave(work: Promise<unknown> | undefined): void {
    if (work !== undefined) this.#left = [...(this.#left ?? []), work];
    this.#controller?.abort(abortReason(errorOf("cancelled")));
  }

  succeed(result: unknown): Response | null {
    return this.id === undefined
      ? null
      : { jsonrpc: "2.0", id: this.id, result: this.started ? result : methodResult(result) };
  }

  fail(error: ErrorObject): Response | null {
    return this.id === undefined ? null : { jsonrpc: "2.0", id: this.id, error };
  }

  /**
   * Returns a promise of the response, which comes from `work` or from `abort`, whichever is first.
   * Calls `settled` when `work` has ended.
   */
  pend(work: Promise<Response | null>, settled: () => void): Promise<Response | null> {
    return new Promise((resolve) => {
      this.#settle = resolve;
      void work.then((response) => {
        this.#settle = undefined;
        if (this.#left === undefined) settled();
        else void this.#whenLeftEnds().then(settled);
        resolve(response);
      });
    });
  }

  /** A middleware further in may give up later than the one around it. */
  async #whenLeftEnds(): Promise<void> {
    for (let at = 0; at < (this.#left?.length ?? 0); at++) await this.#left?.[at]?.catch(() => {});
  }

  /**
   * Answers with `error` now and aborts the handler's signal. Ignores the handler's later result.
   */
  abort(error: ErrorObject): void {
    if (this.#settle === undefined) return;
    this.#abortedBy = error;
    const settle = this.#settle;
    this.#settle = undefined;
    settle(this.fail(error));
    this.#controller?.abort(abortReason(error));
    this.onAbort?.();
  }
}

/**
 * A method's result without the mark of a subscription: it would have one when the method passes on
 * another server's answer.
 */
function methodResult(result: unknown): unknown {
  if (result === undefined) return null;
  if (typeof result !== "object" || result === null) return result;
  try {
    if (!Object.hasOwn(result, subscriptionMark)) return result;
    return Object.fromEntries(Object.entries(result).filter(([name]) => name !== subscriptionMark));
  } catch {
    return result; // a Proxy whose traps throw; encoding reports the error
  }
}

function abortReason(error: ErrorObject): DOMException {
  return new DOMException(
    error.message,
    error.code === errorOf("timeout").code ? "TimeoutError" : "AbortError",
  );
}

/** What the contexts of handlers and generators share. Getters create the rest on demand. */
class Context {
  readonly params: unknown;
  readonly connection: ConnectionHandle;
  readonly error: MethodEntry["errors"]["factories"];
  readonly #call: Call;

  constructor(call: Call, params: unknown) {
    this.params = params;
    this.connection = call.handle;
    this.error = call.entry.errors.factories;
    this.#call = call;
  }

  get context(): object {
    return this.#call.context ?? this.#call.entry.context;
  }

  get publish(): ServerActions["publish"] {
    return this.#call.caller.actions.publish;
  }

  get notify(): ServerActions["notify"] {
    return this.#call.caller.actions.notify;
  }

  get reauthorize(): ServerActions["reauthorize"] {
    return this.#call.caller.actions.reauthorize;
  }

  get revoke(): ServerActions["revoke"] {
    return this.#call.caller.actions.revoke;
  }

  get log(): Logger {
    return childOf(this.#call.caller.applicationLog, { method: this.#call.entry.name });
  }
}

/** The context of a handler. */
export class CallContext extends Context {
  readonly auth: Auth | null;
  readonly #call: Call;

  constructor(call: Call, params: unknown) {
    super(call, params);
    this.auth = call.auth;
    this.#call = call;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  get assertLive(): () => void {
    const { session } = this.#call;
    return () => {
      const refusal = session.refusal();
      if (refusal !== null) throw new RpcFault(withoutExecuted(refusal));
    };
  }
}

/**
 * Removes `executed: false`, since the handler has begun and the caller must not repeat the call.
 */
function withoutExecuted(error: ErrorObject): ErrorObject {
  const { executed: _, ...data } = error.data as Record<string, unknown>;
  return { ...error, data };
}

/** The context of a subscription's generator. */
export class FeedContext extends Context {
  readonly signal: AbortSignal;
  readonly #call: Call;

  constructor(call: Call, params: unknown, signal: AbortSignal) {
    super(call, params);
    this.signal = signal;
    this.#call = call;
  }

  /** The token of the last refresh, even if the session has expired or ended since. */
  get auth(): Auth | null {
    return this.#call.session.identity;
  }

  get assertLive(): () => void {
    const { session } = this.#call;
    return () => {
      const refusal = session.refusal();
      if (refusal !== null) throw new RpcFault(refusal);
    };
  }
}

/** Observes one request from its beginning to its end. */
export interface CallObservation {
  /**
   * Runs the application's code in the context of this call, for example in its span.
   */
  readonly within?: (<T>(work: () => T) => T) | undefined;
  /**
   * Ends the observation. `code` is the code of the error, 0 for a result, or null for a
   * notification, which has no answer.
   */
  end(code: number | null): void;
}

/** Observes requests, before their dispatch. */
export interface CallObserver {
  /**
   * Begins an observation. `method` is null for an unknown method, since a peer could choose any
   * name. Returns `undefined` if nothing observes the request.
   */
  begin(method: string | null, request: Request): CallObservation | undefined;
}
