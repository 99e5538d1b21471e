import {
  type ErrorObject,
  errorOf,
  errorTable,
  standardError,
  standardErrors,
} from "../../protocol/error-codes.js";
import {
  type Id,
  isAuthMethod,
  type Params,
  type Position,
  type Request,
  type Response,
  sinceMember,
} from "../../protocol/messages.js";
import { isThenable, toPromise } from "../../runtime/application-code.js";
import { describe } from "../../runtime/thrown.js";
import { type Auth, checkAccess, tellRuleFailed } from "../define/access.js";
import type { CallEntry, MethodEntry, Registry, SubscriptionEntry } from "../define/registry.js";
import { validate, validateParams } from "../define/validate.js";
import { encodeError, encodeJsonResult, encodeResult, withinLimit } from "../json/encode.js";
import { Batch } from "./batch.js";
import {
  Call,
  CallContext,
  type Caller,
  type CallObservation,
  type CallObserver,
  type PendingSubscription,
  type Reply,
  RpcFault,
  rpcFaultOf,
} from "./call.js";
import { Deadlines, type Timers } from "./deadlines.js";
import { Engine } from "./engine.js";
import { InvalidRequest, readEnvelope } from "./envelope.js";
import { idInFlight } from "./pending-calls.js";

/**
 * From a checked request to the text of its response:
 *
 *   envelope → built-in? → session (expiry, revocation) → method known? → scopes → draining, in
 *   flight
 *            → engine: params schema → handler, or subscribe → result schema → encode
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
      this.#onLimit("requestTimeout");
      call.abort(errorOf("timeout"));
    });
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
      const text =
        "error" in response ? encodeError(id, response.error) : encodeResult(id, response.result);
      const code = "error" in response ? response.error.code : 0;
      if (started !== undefined && code === 0)
        return end(observation, code, { text, started: [started] }); // short: within any limit
      started?.abandon();
      const sent = withinLimit(id, text, this.#limits.responseBytes);
      if (sent !== text) this.#onLimit("responseBytes");
      return end(observation, sent === text ? code : errorTable.too_large.code, sent);
    } catch (thrown) {
      const error = this.#internal(call, thrown);
      return end(observation, error.code, encodeError(id, error));
    }
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
    { name, access }: MethodEntry,
    request: Request,
    caller: Caller,
    auth: Auth | null,
  ): ErrorObject | null {
    if (auth === null && !access.public) return caller.session.refusal();
    const denied = checkAccess(
      access,
      auth,
      access.authorize && ((error) => tellRuleFailed(caller.log, name, error)),
    );
    if (denied !== null) {
      caller.log.debug(
        { event: "authz.deny", method: name, issuer: auth?.issuer, subject: auth?.subject },
        "method refused",
      );
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
          ? this.#invoke(call)
          : observation.within(() => this.#invoke(call));
      if (isThenable(outcome)) return this.#track(call, toPromise(outcome));
      call.response = call.succeed(outcome);
    } catch (thrown) {
      call.response = call.fail(this.#errorOf(call, thrown));
    }
    return Promise.resolve(call.response);
  }

  /** Runs schemas and handler; synchronous as long as they are. */
  #invoke(call: Call): unknown {
    const { entry, request } = call;
    if (entry.feed !== undefined) return this.#invokeFeed(call, entry);
    if (entry.params === undefined) return this.#handle(call, entry, request.params);
    const checked = validateParams(entry.params, request.params);
    return checked instanceof Promise
      ? checked.then((result) => this.#handle(call, entry, paramsOf(call, result)))
      : this.#handle(call, entry, paramsOf(call, checked));
  }

  #invokeFeed(call: Call, entry: SubscriptionEntry): unknown {
    const { params, since } = splitSince(call.request.params);
    if (entry.params === undefined) return this.#subscribe(call, entry, params, since);
    const checked = validateParams(entry.params, params);
    return checked instanceof Promise
      ? checked.then((result) => this.#subscribe(call, entry, paramsOf(call, result), since))
      : this.#subscribe(call, entry, paramsOf(call, checked), since);
  }

  #handle(call: Call, entry: CallEntry, params: unknown): unknown {
    const result = entry.handler(new CallContext(call, params) as never);
    const { result: schema } = entry;
    if (schema === undefined) return result;
    const check = (value: unknown) => {
      const checked = validate(schema, value);
      return checked instanceof Promise ? checked.then(resultOf) : resultOf(checked);
    };
    return isThenable(result) ? toPromise(result).then(check) : check(result);
  }

  /** A notification subscribes to nothing: nobody would learn the subscription's id. */
  #subscribe(
    call: Call,
    entry: SubscriptionEntry,
    params: unknown,
    since: Since["since"],
  ): unknown {
    if (call.id === undefined) return undefined;
    const keep = (started: PendingSubscription) => {
      if (call.isAborted)
        started.abandon(); // it was answered already
      else call.started = started;
      return started.result;
    };
    const started = call.caller.subscribe({ call, entry, params, since });
    return started instanceof Promise ? started.then(keep) : keep(started);
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

/** What the handler is given. Throws {@link RpcFault} for params that don't fit. */
function paramsOf(call: Call, checked: Awaited<ReturnType<typeof validateParams>>): unknown {
  // while its params were checked: it was answered, nobody hears this
  if (call.isAborted) throw new RpcFault(errorOf("cancelled"));
  if ("issues" in checked)
    throw new RpcFault(standardError("invalidParams", { issues: checked.issues }));
  return checked.value;
}

function resultOf(checked: Awaited<ReturnType<typeof validate>>): unknown {
  if ("value" in checked) return checked.value;
  throw new TypeError(`the result does not fit its schema: ${JSON.stringify(checked.issues)}`);
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

/** The params of a subscription's call, and the position that came with them. */
interface Since {
  readonly params?: Params;
  readonly since?: Position;
}

/**
 * Takes the reserved member `$since` out of the params. Throws {@link RpcFault} when it is no
 * position.
 */
function splitSince(params: Params | undefined): Since {
  if (params === undefined) return {};
  if (Array.isArray(params) || !Object.hasOwn(params, sinceMember)) return { params };
  const { [sinceMember]: since, ...rest } = params as Readonly<Record<string, unknown>>;
  if (since === null || since === undefined) return { params: rest };
  const { epoch, offset } = Object(since) as Partial<Position>;
  if (typeof epoch === "string" && Number.isSafeInteger(offset) && (offset as number) >= 0)
    return { params: rest, since: { epoch, offset: offset as number } };
  const message = '"$since" must be {"epoch": string, "offset": number}, as the server told them';
  throw new RpcFault(
    standardError("invalidParams", { issues: [{ path: [sinceMember], message }] }),
  );
}
