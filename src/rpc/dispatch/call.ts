import { type ErrorObject, errorOf } from "../../protocol/error-codes.js";
import {
  type Id,
  type Position,
  type Request,
  type Response,
  type SubscribeResult,
  subscriptionMark,
} from "../../protocol/messages.js";
import { childOf, type Logger } from "../../runtime/logger.js";
import type { Auth } from "../define/access.js";
import type { ConnectionHandle } from "../define/create-rpc.js";
import type { MethodEntry, SubscriptionEntry } from "../define/registry.js";
import type { PendingCalls } from "./pending-calls.js";

/** One request on its way through a handler. */

/** A subscription whose response is still to be sent. */
export interface PendingSubscription {
  readonly result: SubscribeResult;
  /** The response has been sent: events may follow. */
  begin(): void;
  /** Nobody will hear of it: the call was answered with an error. */
  abandon(): void;
}

/** The text of a response, and the subscriptions that begin when it has been sent. */
export interface Opening {
  readonly text: string;
  readonly started: readonly PendingSubscription[];
}

/** The text to send, or null when there is nothing to answer. */
export type Reply = string | Opening | null;

/** A call of a subscription, with its params checked. */
export interface SubscribeCall {
  readonly call: Call;
  readonly entry: SubscriptionEntry;
  readonly params: unknown;
  /** `$since` */
  readonly since: Position | undefined;
}

/**
 * The session that admitted a call. It stays the call's own when the user of the connection
 * changes.
 */
export interface CallerSession {
  /**
   * The token in force; null in any state but ACTIVE, and when the session is over. Checks expiry
   * and revocation.
   */
  readonly auth: Auth | null;
  /**
   * The last token of this session, also when the token has expired or the session is over; null:
   * nobody has authenticated.
   */
  readonly identity: Auth | null;
  /** Has the user of the connection changed since? */
  readonly isOver: boolean;
  /**
   * Why a method that is not public may not run now; null: it may. Checks expiry and revocation.
   */
  refusal(): ErrorObject | null;
}

/** What the dispatcher asks of the connection that a request came on. */
export interface Caller {
  /** The session now: another one after each login and each logout. */
  readonly session: CallerSession;
  /** Counts one more element of a batch against the rate limit. Null: it is within. */
  countElement(): ErrorObject | null;
  /**
   * May another element of a batch begin? False: the caller has no room for answers, or has used up
   * its share of this turn.
   */
  mayGoOn(): boolean;
  /** Counts the bytes of an answer against the share of this turn. */
  spend(bytes: number): void;
  /** The answer to `whoami`. */
  whoami(): unknown;
  /** Starts a subscription. Throws, or rejects with, {@link RpcFault}. */
  subscribe(call: SubscribeCall): PendingSubscription | Promise<PendingSubscription>;
  /** False: there is no such subscription. */
  unsubscribe(subscription: string): boolean;
  readonly handle: ConnectionHandle;
  readonly pending: PendingCalls;
  /** Will be closed soon: takes no new calls. */
  readonly isLeaving: boolean;
  readonly log: Logger;
  /** For what the application logs; no line of it is left out. */
  readonly applicationLog: Logger;
}

/** Thrown by `assertLive`, and sent as it is. */
export class RpcFault extends Error {
  override readonly name = "RpcFault";
  readonly error: ErrorObject;

  constructor(error: ErrorObject) {
    super(error.message);
    this.error = error;
  }
}

/** The error that was thrown as it is to be sent, if it was. */
export function rpcFaultOf(thrown: unknown): ErrorObject | undefined {
  try {
    return thrown instanceof RpcFault ? thrown.error : undefined;
  } catch {
    return undefined; // a Proxy that refuses to be looked at
  }
}

export class Call {
  readonly entry: MethodEntry;
  readonly request: Request;
  readonly caller: Caller;
  readonly session: CallerSession;
  readonly auth: Auth | null;
  /** As it was when the call came: good until the caller's next logout. */
  readonly handle: ConnectionHandle;
  readonly observation: CallObservation | undefined;
  /** What a call of a subscription has started. */
  started: PendingSubscription | undefined;
  /** Called when the call is answered before its work has ended: the work may never end. */
  onAbort: (() => void) | undefined;
  /** Null: there is none to send. Undefined: it is not known yet. */
  response: Response | null | undefined;
  #controller: AbortController | undefined;
  #abortedBy: ErrorObject | undefined;
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

  /** Made when it is first asked for: most handlers never do. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#abortedBy !== undefined && !this.#controller.signal.aborted)
      this.#controller.abort(abortReason(this.#abortedBy));
    return this.#controller.signal;
  }

  /** It was answered before its handler had ended. */
  get isAborted(): boolean {
    return this.#abortedBy !== undefined;
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
   * A promise of the response, which comes from `work` or from `abort`, whichever is first.
   * `settled` is called when `work` has ended.
   */
  pend(work: Promise<Response | null>, settled: () => void): Promise<Response | null> {
    return new Promise((resolve) => {
      this.#settle = resolve;
      void work.then((response) => {
        this.#settle = undefined;
        settled();
        resolve(response);
      });
    });
  }

  /**
   * Answers with `error` now and aborts the handler's signal; what the handler does later is not
   * heard.
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
    return result; // a Proxy that refuses to be looked at: encoding it fails, and is told
  }
}

function abortReason(error: ErrorObject): DOMException {
  return new DOMException(
    error.message,
    error.code === errorOf("timeout").code ? "TimeoutError" : "AbortError",
  );
}

/**
 * The context that a handler is given: plain members for what is free, getters for what is made on
 * demand.
 */
export class CallContext {
  readonly params: unknown;
  readonly auth: Auth | null;
  readonly connection: ConnectionHandle;
  readonly error: MethodEntry["errors"]["factories"];
  readonly #call: Call;

  constructor(call: Call, params: unknown) {
    this.params = params;
    this.auth = call.auth;
    this.connection = call.handle;
    this.error = call.entry.errors.factories;
    this.#call = call;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  get log(): Logger {
    return childOf(this.#call.caller.applicationLog, { method: this.#call.entry.name });
  }

  get assertLive(): () => void {
    const { session } = this.#call;
    return () => {
      const refusal = session.refusal();
      if (refusal !== null) throw new RpcFault(withoutExecuted(refusal));
    };
  }
}

/** The handler has begun: the caller must not repeat the call by itself. */
function withoutExecuted(error: ErrorObject): ErrorObject {
  const { executed: _, ...data } = error.data as Record<string, unknown>;
  return { ...error, data };
}

/** The context that a subscription's generator is given, for as long as it runs. */
export class FeedContext {
  readonly params: unknown;
  readonly signal: AbortSignal;
  readonly connection: ConnectionHandle;
  readonly error: MethodEntry["errors"]["factories"];
  readonly #call: Call;

  constructor(call: Call, params: unknown, signal: AbortSignal) {
    this.params = params;
    this.signal = signal;
    this.connection = call.handle;
    this.error = call.entry.errors.factories;
    this.#call = call;
  }

  /** As the last refresh left it, also when the session has expired or ended since. */
  get auth(): Auth | null {
    return this.#call.session.identity;
  }

  get log(): Logger {
    return childOf(this.#call.caller.applicationLog, { method: this.#call.entry.name });
  }

  get assertLive(): () => void {
    const { session } = this.#call;
    return () => {
      const refusal = session.refusal();
      if (refusal !== null) throw new RpcFault(refusal);
    };
  }
}

/** What is known of one request from its beginning to its end. */
export interface CallObservation {
  /**
   * Runs the application's part so that what it does is found to belong to this call. Absent: it is
   * run as it is.
   */
  readonly within?: (<T>(work: () => T) => T) | undefined;
  /**
   * The request is over. `code`: of the error it was answered with; 0: a result; null: a
   * notification, which has no answer.
   */
  end(code: number | null): void;
}

/** Told of requests, before anything is decided about them. */
export interface CallObserver {
  /**
   * `method`: null when there is none of that name, which is then anybody's string. Undefined:
   * nobody wants to know.
   */
  begin(method: string | null, request: Request): CallObservation | undefined;
}
