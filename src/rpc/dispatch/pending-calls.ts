import { type ErrorObject, standardError } from "../../protocol/error-codes.js";
import type { Id } from "../../protocol/messages.js";

/** What can be in flight. */
export interface PendingCall {
  /** Undefined: a notification. */
  readonly id: Id | undefined;
  /** Answers with `error` now. */
  abort(error: ErrorObject): void;
}

/**
 * The calls of one connection whose handlers have returned a promise that is still pending, or
 * whose answers could not be sent yet.
 */
export class PendingCalls {
  // made with the first call that waits: most connections are idle, and the two take 350 bytes
  #all: Set<PendingCall> | undefined;
  #byId: Map<Id, PendingCall> | undefined;

  /** Answers that wait for room in the send buffer. */
  unsent = 0;
  /** Bytes of the answers that wait for slower members of their batches. */
  keptBytes = 0;

  get size(): number {
    return (this.#all?.size ?? 0) + this.unsent;
  }

  /** Is a request with this id in flight? `null` identifies nothing, so it is never taken. */
  has(id: Id): boolean {
    return id !== null && this.#byId?.has(id) === true;
  }

  add(call: PendingCall): void {
    this.#all ??= new Set();
    this.#byId ??= new Map();
    this.#all.add(call);
    if (call.id !== undefined) this.#byId.set(call.id, call);
  }

  /**
   * Takes the id of a request that is no call, such as an auth method's, until its answer. False:
   * the id is taken.
   */
  reserve(id: Id): boolean {
    if (id === null) return true;
    if (this.has(id)) return false;
    this.#byId ??= new Map();
    this.#byId.set(id, { id, abort: () => {} });
    return true;
  }

  release(id: Id): void {
    if (id !== null) this.#byId?.delete(id);
    // most connections make no call after `authenticate`
    if (this.#byId?.size === 0) this.#byId = undefined;
  }

  /** The request has its response: its id is free again. */
  answered(call: PendingCall): void {
    if (call.id !== undefined && this.#byId?.get(call.id) === call) this.#byId.delete(call.id);
  }

  /** The handler's promise has settled, which may be long after the response. */
  settled(call: PendingCall): void {
    this.#all?.delete(call);
  }

  /** Aborts the call with this id, if it is in flight. */
  cancel(id: Id, error: ErrorObject): void {
    this.#byId?.get(id)?.abort(error);
  }

  abortAll(error: ErrorObject): void {
    for (const call of this.#all ?? []) call.abort(error);
  }
}

/**
 * The answer to a request whose id is taken: nobody could tell which of the two requests another
 * answer is for.
 */
export function idInFlight(): ErrorObject {
  return standardError("invalidRequest", { hint: "a request with this id is still in flight" });
}
