import { type ErrorObject, errorOf, standardError } from "../../protocol/error-codes.js";
import {
  type Params,
  type Position,
  sinceMember,
  snapshotMember,
} from "../../protocol/messages.js";
import { isThenable, toPromise } from "../../runtime/application-code.js";
import type { Auth } from "../define/access.js";
import { type AuthorizeRule, askRule, deniedByRule, logFailedRule } from "../define/authorize.js";
import type { CallEntry, SubscriptionEntry } from "../define/registry.js";
import { checkRights } from "../define/step-up.js";
import { validate, validateParams } from "../define/validate.js";
import {
  type Call,
  CallContext,
  type Caller,
  type PendingSubscription,
  RpcFault,
  type SubscribeCall,
} from "./call.js";
import type { Deadlines } from "./deadlines.js";
import { runPipeline } from "./middleware.js";

/**
 * Runs the application's code for a call, in this order:
 *
 *   params schema → authorize → middleware → handler → result schema
 *   params schema → subscribe, which asks authorize, then runs the middleware
 *
 * Synchronous as long as that code is. Throws, or rejects with, {@link RpcFault}, and whatever the
 * application's functions throw.
 */
export class Invocation {
  readonly #deadlines: Deadlines<Call>;
  readonly #usualTimeout: number;

  /** @param usualTimeout the deadline of a rule whose method has none, in milliseconds */
  constructor(deadlines: Deadlines<Call>, usualTimeout: number) {
    this.#deadlines = deadlines;
    this.#usualTimeout = usualTimeout;
  }

  run(call: Call): unknown {
    const { entry, request } = call;
    if (entry.feed !== undefined) return this.#runFeed(call, entry);
    if (entry.params === undefined) return this.#authorize(call, entry, request.params);
    const checked = validateParams(entry.params, request.params);
    return checked instanceof Promise
      ? checked.then((result) => this.#authorize(call, entry, laterParamsOf(call, result)))
      : this.#authorize(call, entry, paramsOf(call, checked));
  }

  #authorize(call: Call, entry: CallEntry, params: unknown): unknown {
    const { authorize } = entry;
    return authorize === undefined
      ? this.#handle(call, entry, params)
      : this.#handleIfAllowed(call, entry, params, authorize);
  }

  #handleIfAllowed(
    call: Call,
    entry: CallEntry,
    params: unknown,
    authorize: AuthorizeRule,
  ): unknown {
    const answer = askRule(
      authorize,
      call.auth as Auth, // it is no public method
      params,
      () => call.signal,
      (error) => {
        if (!call.isAborted) logFailedRule(call.caller.log, entry.name, error);
      },
    );
    if (!(answer instanceof Promise)) {
      if (!answer) throw denied(call);
      return this.#handle(call, entry, params);
    }
    const stop = this.#deadlineOfRule(call);
    call.isAuthorizing = true;
    return answer.then((isAllowed) => {
      call.isAuthorizing = false;
      stop();
      mustBeAdmitted(call);
      if (!isAllowed) throw denied(call);
      return this.#handle(call, entry, params);
    });
  }

  /** A method without a deadline does not wait for ever for its rule. */
  #deadlineOfRule(call: Call): () => void {
    const usual = this.#usualTimeout;
    const { timeout = usual } = call.entry;
    if (timeout < Number.POSITIVE_INFINITY || usual === Number.POSITIVE_INFINITY) return () => {};
    this.#deadlines.add(call, usual);
    return () => this.#deadlines.delete(call, usual);
  }

  #runFeed(call: Call, entry: SubscriptionEntry): unknown {
    const reserved = splitReserved(call.request.params, entry);
    const { given } = reserved;
    if (entry.params === undefined) return this.#subscribe(call, entry, given, reserved);
    const checked = validateParams(entry.params, given);
    return checked instanceof Promise
      ? checked.then((result) =>
          this.#subscribe(call, entry, laterParamsOf(call, result), reserved),
        )
      : this.#subscribe(call, entry, paramsOf(call, checked), reserved);
  }

  #handle(call: Call, entry: CallEntry, params: unknown): unknown {
    const result = run(call, entry, params);
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
    reserved: ReservedParams,
  ): unknown {
    if (call.id === undefined) return undefined;
    const keep = (started: PendingSubscription) => {
      if (call.isAborted)
        started.abandon(); // it was answered already
      else call.started = started;
      return started.result;
    };
    const started = call.caller.subscribe({ call, entry, params, ...reserved });
    return started instanceof Promise ? started.then(keep) : keep(started);
  }
}

function run(call: Call, entry: CallEntry, params: unknown): unknown {
  const { pipeline, handler } = entry;
  if (pipeline === undefined) return handler(new CallContext(call, params) as never);
  return runPipeline(pipeline, call, params, {
    admit: () => mustStillRun(call),
    run: () => handler(new CallContext(call, params) as never),
  });
}

/** As {@link mustBeAdmitted}, of public methods too, and if a middleware has given up the call. */
export function mustStillRun(call: Call): void {
  if (call.isAborted || call.isLeft) throw new RpcFault(errorOf("cancelled")); // nobody hears this
  if (!call.entry.access.public) mustBeAdmitted(call);
}

/**
 * Throws {@link RpcFault} if the session that admitted the call has ended, expired or lost a scope,
 * or the call was answered, while the application's code was out.
 */
export function mustBeAdmitted(call: Call): void {
  if (call.isAborted) throw new RpcFault(errorOf("cancelled")); // nobody hears this
  const { session } = call;
  const refusal = session.refusal() ?? missingRight(call);
  if (refusal !== null) throw new RpcFault(refusal);
}

/** The answer to a call that the application's rule, or a token that has come since, denies. */
export function denied(call: Call): RpcFault {
  logDenial(call.caller, call.entry.name, call.auth);
  return new RpcFault(missingRight(call) ?? deniedByRule());
}

function missingRight({ entry, session }: Call): ErrorObject | null {
  return checkRights(entry.access, entry.stepUp, session.identity, session);
}

export function logDenial(caller: Caller, method: string, auth: Auth | null): void {
  caller.log.debug(
    { event: "authz.deny", method, issuer: auth?.issuer, subject: auth?.subject },
    "method refused",
  );
}

/** The params whose check took a while. */
function laterParamsOf(call: Call, checked: Awaited<ReturnType<typeof validateParams>>): unknown {
  if (!call.entry.access.public) mustBeAdmitted(call);
  return paramsOf(call, checked);
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

/** The params of a subscription's call, and what came with them in reserved members. */
type ReservedParams = Pick<SubscribeCall, "given" | "since" | "snapshot">;

/**
 * Takes the reserved members `$since` and `$snapshot` out of the params. Throws {@link RpcFault}
 * when one of them does not fit.
 */
function splitReserved(params: Params | undefined, entry: SubscriptionEntry): ReservedParams {
  if (params === undefined || Array.isArray(params) || !hasReserved(params))
    return { given: params, since: undefined, snapshot: undefined };
  const {
    [sinceMember]: since,
    [snapshotMember]: snapshot,
    ...given
  } = params as Readonly<Record<string, unknown>>;
  return { given, since: sinceOf(since), snapshot: snapshotOf(snapshot, entry) };
}

function hasReserved(params: Params): boolean {
  return Object.hasOwn(params, sinceMember) || Object.hasOwn(params, snapshotMember);
}

function sinceOf(since: unknown): Position | undefined {
  if (since === null || since === undefined) return undefined;
  const { epoch, offset } = Object(since) as Partial<Position>;
  if (typeof epoch === "string" && Number.isSafeInteger(offset) && (offset as number) >= 0)
    return { epoch, offset: offset as number };
  throw misfit(
    sinceMember,
    '"$since" must be {"epoch": string, "offset": number}, as the server told them',
  );
}

function snapshotOf(snapshot: unknown, { feed, name }: SubscriptionEntry): boolean | undefined {
  if (snapshot === null || snapshot === undefined) return undefined;
  if (typeof snapshot !== "boolean")
    throw misfit(snapshotMember, '"$snapshot" must be true or false');
  if (snapshot && !(feed.is === "topic" && feed.snapshot !== undefined))
    throw misfit(snapshotMember, `${name} makes no snapshots: leave out "$snapshot"`);
  return snapshot;
}

function misfit(member: string, message: string): RpcFault {
  return new RpcFault(standardError("invalidParams", { issues: [{ path: [member], message }] }));
}
