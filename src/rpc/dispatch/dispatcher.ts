import { JSONRPCServer } from "json-rpc-2.0";
import {
  type ErrorObject,
  errorOf,
  errorTable,
  standardError,
  standardErrors,
} from "../../protocol/error-codes.js";
import { type Id, isAuthMethod, type Request, type Response } from "../../protocol/messages.js";
import { isThenable, toPromise } from "../../runtime/application-code.js";
import { describe } from "../../runtime/thrown.js";
import type { Auth } from "../define/access.js";
import { deniedByRule, logFailedRule } from "../define/authorize.js";
import type { MethodEntry, Registry } from "../define/registry.js";
import { checkRights } from "../define/step-up.js";
import {
  encodeError,
  encodeJsonResult,
  encodeResult,
  encodeSubscribed,
  encodeTooLarge,
  fits,
  withinLimit,
} from "../json/encode.js";
import { Batch } from "./batch.js";
import {
  Call,
  type Caller,
  type CallObservation,
  type CallObserver,
  type PendingSubscription,
  type Reply,
  RpcFault,
  rpcFaultOf,
} from "./call.js";
import { Deadlines, type Timers } from "./deadlines.js";
import { InvalidRequest, readEnvelope } from "./envelope.js";
import { Invocation, logDenial } from "./invoke.js";
import { idInFlight } from "./pending-calls.js";

/**
 * From a checked request to the text of its response:
 *
 *   envelope → built-in? → session (expiry, revocation) → method known? → scopes → step-up →
 *            draining, in flight
 *            → engine: params schema → authorize → handler, or subscribe → result schema → encode
 *
 * Everything before the engine answers at once and runs no code of the application.
 */

/**
 * What became of a frame: its reply; a call whose handler is asynchronous, with its response once
 * it has one, to be encoded when there is room for it; or a batch to go on with.
 */
export type Outcome = Reply | Promise<Call> | Batch;

/** A method that the server itself answers, at once and in any state that it likes. */
export interface Builtin {
  /** False: only with a live session. */
  readonly public: boolean;
  /** What `run` returns is JSON already. */
  readonly isJson?: true;
  /** May throw {@link RpcFault}. */
  run(request: Request, caller: Caller): unknown;
}

export interface DispatcherLimits {
  readonly batchLength: number;
  readonly requestsInFlight: number;
  readonly requestTimeout: number;
  readonly responseBytes: number;
}

export interface DispatcherPorts {
  readonly timers: Timers;
  /** Makes the id that joins a log line to an `Internal error`. */
  readonly newErrorId: () => string;
  /** Default: nobody watches. */
  readonly observer?: CallObserver;
  /** Told which limit something was refused or cut for. */
  readonly onLimit?: (limit: keyof DispatcherLimits) => void;
}

export class Dispatcher {
  readonly #registry: Registry;
  readonly #builtins: ReadonlyMap<string, Builtin>;
  readonly #limits: DispatcherLimits;
  readonly #newErrorId: () => string;
  readonly #observer: CallObserver | undefined;
  readonly #onLimit: (limit: keyof DispatcherLimits) => void;
  readonly #engine = new Engine<Call>();
  readonly #deadlines: Deadlines<Call>;
  readonly #invocation: Invocation;

  constructor(
    registry: Registry,
    builtins: ReadonlyMap<string, Builtin>,
    limits: DispatcherLimits,
    ports: DispatcherPorts,
  ) {
    this.#registry = registry;
    this.#builtins = builtins;
    this.#limits = limits;
    this.#newErrorId = ports.newErrorId;
    this.#observer = ports.observer;
    this.#onLimit = ports.onLimit ?? (() => {});
    this.#deadlines = new Deadlines(ports.timers, (call) => {
      if (call.isAborted) return; // its rule was still out
      this.#onLimit("requestTimeout");
      call.abort(call.isAuthorizing ? deniedByTimeout(call) : errorOf("timeout"));
    });
    this.#invocation = new Invocation(this.#deadlines, limits.requestTimeout);
    for (const name of registry.keys()) this.#engine.add(name, (_request, call) => this.#run(call));
  }

  /** Stops the deadlines' timers. */
  close(): void {
    this.#deadlines.clear();
  }

  /**
   * Begins one frame's worth of requests that are not an auth method. `batchLength`: how many
   * elements a batch may have here.
   */
  respond(value: unknown, caller: Caller, batchLength = this.#limits.batchLength): Outcome {
    return Array.isArray(value)
      ? this.#respondToBatch(value, caller, batchLength)
      : this.#respondToOne(value, caller);
  }

  /** The reply to a call that has its response. */
  encode(call: Call): Reply {
    const { id, started, observation, response = null } = call;
    if (response === null || id === undefined) return end(observation, null, null);
    try {
      if (started !== undefined && !("error" in response))
        return this.#encodeSubscription(call, id, started);
      const text =
        "error" in response ? encodeError(id, response.error) : encodeResult(id, response.result);
      const code = "error" in response ? response.error.code : 0;
      started?.abandon();
      const sent = withinLimit(id, text, this.#limits.responseBytes);
      if (sent !== text) this.#onLimit("responseBytes");
      return end(observation, sent === text ? code : errorTable.too_large.code, sent);
    } catch (thrown) {
      const error = this.#internal(call, thrown);
      return end(observation, error.code, encodeError(id, error));
    }
  }

  #encodeSubscription({ observation }: Call, id: Id, started: PendingSubscription): Reply {
    const { result, snapshot } = started;
    const refusal = started.refusal();
    if (refusal !== null) {
      started.abandon();
      return end(observation, refusal.code, encodeError(id, refusal));
    }
    const text = encodeSubscribed(id, result, snapshot);
    // without a snapshot it is short: within any limit
    if (snapshot === undefined || fits(text, this.#limits.responseBytes))
      return end(observation, 0, { text, started: [started] });
    started.abandon();
    this.#onLimit("responseBytes");
    const tooLarge = encodeTooLarge(id, this.#limits.responseBytes);
    return end(observation, errorTable.too_large.code, tooLarge);
  }

  #respondToBatch(elements: readonly unknown[], caller: Caller, most: number): Reply | Batch {
    if (elements.length === 0)
      return encodeError(null, standardError("invalidRequest", { hint: "an empty batch" }));
    if (elements.length > most) {
      this.#onLimit("batchLength");
      return encodeError(
        null,
        standardError("invalidRequest", {
          hint: `a batch may have at most ${most} elements here, not ${elements.length}`,
        }),
      );
    }
    const begin = (element: unknown, index: number) =>
      this.#respondToElement(element, index, caller);
    return new Batch(elements, caller, this.#limits.responseBytes, begin, (call) =>
      this.encode(call),
    );
  }

  /** The first element is not counted: its frame was. */
  #respondToElement(element: unknown, index: number, caller: Caller): Reply | Promise<Call> {
    const request = readEnvelope(element);
    const excess = index === 0 ? null : caller.countElement();
    if (excess !== null) return errorReply(request.id, excess);
    if (request instanceof InvalidRequest) return encodeError(request.id, request.error);
    if (isAuthMethod(request.method)) {
      return errorReply(
        request.id,
        standardError("invalidRequest", {
          hint: `send ${request.method} by itself, not in a batch`,
        }),
      );
    }
    return this.#respondToRequest(request, caller);
  }

  #respondToOne(value: unknown, caller: Caller): Reply | Promise<Call> {
    const request = readEnvelope(value);
    return request instanceof InvalidRequest
      ? encodeError(request.id, request.error)
      : this.#respondToRequest(request, caller);
  }

  #respondToRequest(request: Request, caller: Caller): Reply | Promise<Call> {
    const entry = this.#registry.get(request.method);
    if (entry === undefined) return this.#respondWithoutEntry(request, caller);
    const observation = this.#observer?.begin(entry.name, request);
    const { auth } = caller.session; // looks at expiry and revocation, once a request
    const refusal = this.#refusal(entry, request, caller, auth);
    if (refusal === null)
      return this.#respondByEngine(new Call(entry, request, caller, auth, observation));
    observation?.end(refusal.code);
    return errorReply(request.id, refusal);
  }

  /**
   * A built-in method, or one that does not exist: which of the two is nobody's business who has no
   * session.
   */
  #respondWithoutEntry(request: Request, caller: Caller): Reply {
    const builtin = this.#builtins.get(request.method);
    const observation = this.#observer?.begin(
      builtin === undefined ? null : request.method,
      request,
    );
    const refusal = builtin?.public === true ? null : caller.session.refusal();
    const isFree = !isTaken(request, caller);
    if (refusal === null && builtin !== undefined && isFree)
      return this.#respondByBuiltin(builtin, request, caller, observation);
    const error =
      refusal ??
      (isFree ? undefined : idInFlight()) ??
      standardError("methodNotFound", { hint: "rpc.discover lists the methods that you may call" });
    observation?.end(error.code);
    return errorReply(request.id, error);
  }

  #respondByBuiltin(
    builtin: Builtin,
    request: Request,
    caller: Caller,
    observation: CallObservation | undefined,
  ): Reply {
    try {
      const result = builtin.run(request, caller);
      observation?.end(request.id === undefined ? null : 0);
      if (request.id === undefined) return null;
      const text = builtin.isJson
        ? encodeJsonResult(request.id, result as string)
        : encodeResult(request.id, result);
      return withinLimit(request.id, text, this.#limits.responseBytes);
    } catch (thrown) {
      const told = rpcFaultOf(thrown);
      observation?.end(told?.code ?? standardErrors.internal.code);
      if (told === undefined) throw thrown;
      return errorReply(request.id, told);
    }
  }

  /** Every reason not to run that is known before the application's code. */
  #refusal(
    { name, access, stepUp }: MethodEntry,
    request: Request,
    caller: Caller,
    auth: Auth | null,
  ): ErrorObject | null {
    if (auth === null && !access.public) return caller.session.refusal();
    const denied = checkRights(access, stepUp, auth, caller.session);
    if (denied !== null) {
      logDenial(caller, name, auth);
      return denied;
    }
    if (caller.isLeaving)
      return errorOf("overloaded", {
        retryAfter: 1,
        hint: "the server is shutting down; reconnect",
      });
    if (caller.pending.size >= this.#limits.requestsInFlight) {
      this.#onLimit("requestsInFlight");
      return errorOf("overloaded", {
        hint: `at most ${this.#limits.requestsInFlight} requests in flight`,
      });
    }
    return isTaken(request, caller) ? idInFlight() : null;
  }

  /**
   * What the engine resolves with is the call's response. The one of a synchronous handler is known
   * when it returns.
   */
  #respondByEngine(call: Call): Reply | Promise<Call> {
    const received = this.#engine.receive(call.request, call);
    if (call.response !== undefined) return this.encode(call);
    return received.then((response) => {
      call.response = response;
      return call;
    });
  }

  /** The engine's method: never rejects. */
  #run(call: Call): Promise<Response | null> {
    try {
      const { observation } = call;
      const outcome =
        observation?.within === undefined
          ? this.#invocation.run(call)
          : observation.within(() => this.#invocation.run(call));
      if (isThenable(outcome)) return this.#track(call, toPromise(outcome));
      call.response = call.succeed(outcome);
    } catch (thrown) {
      call.response = call.fail(this.#errorOf(call, thrown));
    }
    return Promise.resolve(call.response);
  }

  /** Only now does the call count as in flight: it can be cancelled, and it has a deadline. */
  #track(call: Call, work: Promise<unknown>): Promise<Response | null> {
    const { pending } = call.caller;
    const timeout = call.entry.timeout ?? this.#limits.requestTimeout;
    pending.add(call);
    if (timeout < Number.POSITIVE_INFINITY) this.#deadlines.add(call, timeout);
    const response = work.then(
      (result) => call.succeed(result),
      // an aborted handler may well throw
      (thrown) => (call.isAborted ? null : call.fail(this.#errorOf(call, thrown))),
    );
    return call
      .pend(response, () => pending.settled(call))
      .finally(() => {
        pending.answered(call);
        this.#deadlines.delete(call, timeout);
      });
  }

  #errorOf(call: Call, thrown: unknown): ErrorObject {
    return rpcFaultOf(thrown) ?? call.entry.errors.find(thrown) ?? this.#internal(call, thrown);
  }

  #internal(call: Call, thrown: unknown): ErrorObject {
    const errorId = this.#newErrorId();
    call.caller.log.error(
      { event: "call.fail", errorId, method: call.entry.name, err: describe(thrown) },
      "handler failed",
    );
    return standardError("internal", { errorId });
  }
}

function isTaken({ id }: Request, { pending }: Caller): boolean {
  return id !== undefined && pending.has(id);
}

function deniedByTimeout(call: Call): ErrorObject {
  const error = new Error("the rule authorize has not answered before the deadline");
  logFailedRule(call.caller.log, call.entry.name, error);
  return deniedByRule();
}

/** The reply, of which whoever watches has been told. */
function end(observation: CallObservation | undefined, code: number | null, reply: Reply): Reply {
  observation?.end(code);
  return reply;
}

/** Null for a notification: it is not answered, whatever happens. */
function errorReply(id: Id | undefined, error: ErrorObject): Reply {
  return id === undefined ? null : encodeError(id, error);
}

type Run<Context> = (request: Request, context: Context) => PromiseLike<Response | null>;

/**
 * The JSON-RPC engine, json-rpc-2.0, for one request at a time. It is only ever given a request
 * that passed the envelope check and names a known method, and methods that never reject: raw
 * frames and batches make it misbehave.
 */
class Engine<Context> {
  // its default prints the peer's strings
  readonly #server = new JSONRPCServer<Context>({ errorListener: () => {} });

  add(name: string, run: Run<Context>): void {
    this.#server.addMethodAdvanced(
      name,
      run as Parameters<JSONRPCServer<Context>["addMethodAdvanced"]>[1],
    );
  }

  receive(request: Request, context: Context): Promise<Response | null> {
    return this.#server.receive(
      withoutStrangers(request) as { method: string } & Parameters<
        JSONRPCServer<Context>["receive"]
      >[0],
      context,
    ) as Promise<Response | null>;
  }
}

/**
 * The engine takes a request that also has a `result` or an `error` for no request; the
 * specification says nothing against them.
 */
function withoutStrangers(request: Request): Request {
  const strange = request as Request & { readonly result?: unknown; readonly error?: unknown };
  if (strange.result === undefined && strange.error === undefined) return request;
  const { result: _result, error: _error, ...rest } = strange;
  return rest;
}
