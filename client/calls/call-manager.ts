import {
  defaultBatchLength,
  defaultRequestsInFlight,
} from "../../src/protocol/connection-limits.js";
import type { ErrorData } from "../../src/protocol/error-codes.js";
import { type Id, subscriptionMark } from "../../src/protocol/messages.js";
import type { CallOptions } from "../client-api.js";
import type { Connection } from "../connection/connection.js";
import {
  type ClientFault,
  DisconnectedError,
  type Disconnection,
  errorFrom,
  JotwireError,
  type RpcError,
} from "../errors.js";
import type { ClientSettings } from "../options.js";
import { delayOf } from "../transport/backoff.js";
import { type Answered, cancelFrame, excessOf, frameOf } from "../transport/frame.js";
import { readOptions } from "./call-options.js";
import { ApiCall, type Call, createPendingCalls, type PendingCalls } from "./pending-calls.js";

/** Makes a call. `made` is handed the call before the call is sent. */
export type Start = (
  name: string,
  params?: unknown,
  options?: CallOptions,
  made?: (call: Call) => void,
) => ApiCall;

/**
 * Looks at a call that was refused before it ran. Returns whether the call waits to be sent again;
 * `undefined`: that is not for this function to say.
 */
export type RefusalHook = (call: Call, failure: RpcError) => boolean | undefined;

/** What the ready-made module leaves out. */
export type Extension = (
  settings: ClientSettings,
  connection: Connection,
  caller: CallManager,
) => RefusalHook;

/**
 * ```
 *            room, and ready             answer
 *   queued ──────────────────► sent ──────────────► settled
 *      ▲                         │
 *      └─────────────────────────┘ refused before it ran; the connection was lost, and it may run twice
 * ```
 */
export class CallManager {
  readonly #settings: ClientSettings;
  readonly #connection: Connection;
  readonly #calls: PendingCalls;
  // why there has been no connection since the last one, if it is known
  #trouble: DisconnectedError | undefined;
  #lastId = 0;
  #building = 0; // batches: nothing is sent meanwhile
  #refusals = 0; // for the time being, without an answer in between
  #resumeAt = 0; // after such a one nothing is sent until then, by the monotonic clock
  readonly #refused: RefusalHook | undefined;

  /** `extend` makes what looks at refusals first. */
  constructor(settings: ClientSettings, connection: Connection, extend?: Extension) {
    this.#settings = settings;
    this.#refused = extend?.(settings, connection, this);
    this.#connection = connection;
    this.#calls = createPendingCalls(
      settings.clock,
      (call) => this.#fail(call, "timeout", call.refusal ?? this.#trouble),
      () => {
        if (this.#calls.unanswered.size) connection.probe();
        this.pump();
      },
    );
  }

  readonly call = (
    name: string,
    params?: unknown,
    options: CallOptions = {},
    made?: (call: Call) => void,
    batch?: Call[],
  ): ApiCall => {
    return new ApiCall((onResult, onFailure) => {
      const { signal, timeout, idempotent } = readOptions(
        options,
        this.#settings.timeout,
        this.#settings.idempotent.has(name),
      );
      const abort = () => this.#fail(call, "aborted", signal?.reason);
      const call: Call = {
        id: 0,
        body: JSON.stringify({ method: name, params }).slice(1),
        deadline: this.#settings.clock.monotonic() + timeout,
        phase: "queued",
        owner: this.#connection.renewal.owner(),
        isIdempotent: idempotent,
        group: batch,
        onResult,
        onFailure,
        release: () => signal?.removeEventListener("abort", abort),
      };
      made?.(call);
      try {
        signal?.addEventListener("abort", abort);
        if (signal?.aborted) abort();
        else {
          // it may be the end of the client, which all calls are rejected with
          this.#connection.ensureConnecting();
          if (call.phase === "queued") this.#calls.move(call, "queued");
        }
      } catch (error) {
        this.reject(call, error);
      }
      if (batch) batch.unshift(call);
      else if (!call.isAdopted) this.#submit([call]);
    });
  };

  /**
   * A call of this connection, before those that wait: not repeated when it is lost, nor when it
   * was refused for the time being.
   */
  sendNow(name: string, params: unknown, answered: Answered): Call | undefined {
    let call: Call | undefined;
    this.call(name, params, {}, (made) => {
      call = adopt(made, answered);
      this.#transmit(call); // before those that have waited longer
    }).catch(answered);
    return call;
  }

  /** Forgets a call that isn't settled. */
  forget(call: Call): Call {
    call.release();
    return this.#calls.move(call, "settled");
  }

  /**
   * Calls what `build` calls through the function that it is given, in as few frames as the limits
   * allow; nothing, when it throws.
   */
  batch<Result>(build: (start: Start) => Result): Result {
    const calls: Call[] = [];
    let batch: Call[] | undefined = calls;
    this.#building++;
    try {
      return build((name, params, options, made) => this.call(name, params, options, made, batch));
    } catch (error) {
      for (const call of calls) this.#fail(call, "aborted", error);
      throw error;
    } finally {
      batch = undefined;
      this.#building--;
      this.#submit(calls);
    }
  }

  /** `false`: there is no connection, or it is larger than a frame may be, and nothing was sent. */
  readonly notify = (name: string, params?: unknown): boolean => {
    const text = frameOf(name, params);
    return (
      this.#connection.isReady() &&
      !excessOf(text, this.#connection.renewal.allowed().frameBytes) &&
      this.#connection.send(text)
    );
  };

  /** Takes a response. One that no call waits for is ignored. */
  answer({ id, result, error }: Readonly<Record<string, unknown>>): void {
    if (id === null && error) return this.#refuseBatch(errorFrom(error));
    const call = this.#calls.unanswered.get(id as Id);
    if (!call) return;
    if (error) this.#refuse(call, errorFrom(error));
    else if (result !== undefined) {
      this.#refusals = 0;
      this.forget(call);
      if (Object(result)[subscriptionMark] === true && call.claim) call.claim(result);
      else call.onResult(result);
    }
  }

  /** Sends what waits, as far as there is room, and rejects what waits for another subject. */
  pump(): void {
    if (this.#resumeAt > this.#settings.clock.monotonic()) return this.#calls.wake(this.#resumeAt);
    this.#resumeAt = 0;
    for (const call of this.#calls.waiting) if (this.#building || !this.#transmit(call)) return;
  }

  /**
   * The connection is gone: what was sent is rejected, or waits again where it may run twice.
   * `isOver`: there won't be another one, and everything is rejected. Gives the error for what
   * wasn't sent.
   */
  lost(isOver: boolean, ...why: Disconnection): DisconnectedError {
    const trouble = new DisconnectedError("no", ...why);
    this.#trouble = trouble;
    this.#resumeAt = this.#refusals = 0;
    for (const call of this.#calls.unsettled()) {
      call.mayHaveRun ||= call.phase === "sent";
      if (!isOver && !call.isAdopted && (call.phase === "queued" || call.isIdempotent))
        this.#calls.move(call, "queued");
      else this.reject(call, new DisconnectedError(sentOf(call), ...why));
    }
    if (isOver) this.#calls.stop();
    return trouble;
  }

  reject(call: Call, failure: unknown): void {
    call.failure = failure;
    call.promise?.catch(() => {});
    this.forget(call).onFailure(failure);
  }

  #fail(call: Call, code: ClientFault, cause?: unknown, message?: string): void {
    const error = new JotwireError(code, message, cause, sentOf(call));
    // where its answer comes all the same, there is room again
    if (call.phase === "sent") this.#connection.send(cancelFrame(call.id));
    this.reject(call, error);
  }

  /** Sends a call; of a batch, as many in one frame as may be. `false`: nothing can be sent now. */
  #transmit(first: Call, most = Number.POSITIVE_INFINITY): boolean {
    const {
      batchLength = defaultBatchLength,
      requestsInFlight = defaultRequestsInFlight / 2,
      frameBytes,
    } = this.#connection.renewal.allowed();
    const room = (requestsInFlight || Number.POSITIVE_INFINITY) - this.#calls.unanswered.size;
    if (room < 1 || !this.#connection.isReady()) return false;
    this.#trouble = undefined;
    const owner = this.#connection.renewal.owner();
    first.owner ??= owner;
    if (first.owner !== owner) {
      this.#fail(first, "subject_changed");
      return true;
    }
    if (first.isHeld) return true;
    const { group: batch } = first;
    const frame = batch
      ? [...this.#calls.waiting]
          .filter((call) => call.group === batch && (call.owner ?? owner) === owner && !call.isHeld)
          .slice(0, Math.min(room, batchLength || room, most))
      : [first];
    const texts = `${frame.map((call) => {
      call.id = ++this.#lastId;
      return `{"jsonrpc":"2.0","id":${call.id},${call.body}`;
    })}`;
    const text = batch ? `[${texts}]` : texts;
    const excess = excessOf(text, frameBytes);
    if (excess) {
      if (frame.length > 1) return this.#transmit(first, frame.length >> 1);
      this.#fail(first, "too_large", undefined, excess);
      return true;
    }
    for (const call of frame) {
      this.#calls.move(call, "sent"); // before it is: an answer may come at once
      call.owner = owner;
      call.frame = batch && frame;
    }
    if (this.#connection.send(text)) return true;
    for (const call of [...frame, ...this.#calls.waiting]) this.#calls.move(call, "queued");
    return false;
  }

  #submit(calls: readonly Call[]): void {
    this.pump();
    for (const call of calls) {
      if (call.phase === "queued" && this.#calls.waiting.size > this.#settings.queue)
        this.#fail(call, "queue_full");
    }
  }

  /**
   * An error without an id answers a frame that was refused whole: of what waits for an answer, the
   * longest batch (a frame has a limit).
   */
  #refuseBatch(error: JotwireError): void {
    let longest: readonly Call[] = [];
    for (const { frame = [] } of this.#calls.unanswered.values())
      if (frame.length > longest.length) longest = frame;
    for (const call of longest) if (call.phase === "sent") this.reject(call, error);
  }

  /**
   * Before it ran: it is sent again when the session is renewed, once; when what held it
   * is there; or after a while, as often as its time allows.
   */
  #refuse(call: Call, failure: RpcError): unknown {
    const { temporary, executed, action, retryAfter } = Object(failure.data) as Partial<ErrorData>;
    if (call.mayHaveRun) Object.assign(failure, { sent: "maybe" });
    if (executed === false) {
      let isToRepeat = action === "retry" && temporary !== false && !call.isAdopted;
      if (isToRepeat) {
        call.refusal = failure;
        // of many at once, the first
        this.#resumeAt ||=
          this.#settings.clock.monotonic() + delayOf(++this.#refusals, this.#settings, retryAfter);
      } else {
        const isHeld = this.#refused?.(call, failure);
        if (isHeld === undefined)
          call.isRepeat = !call.isRepeat && this.#connection.renewal.mayRepeat(action, failure);
        isToRepeat = isHeld ?? call.isRepeat ?? false;
      }
      if (isToRepeat) return this.#calls.move(call, "queued");
    }
    this.reject(call, failure);
  }
}

/** From now on the call's answer is for `answered`; it is neither aborted nor late any more. */
export function adopt(call: Call, answered: Answered): Call {
  call.release();
  return Object.assign(call, {
    deadline: Number.POSITIVE_INFINITY,
    isAdopted: true,
    claim: undefined,
    onResult: (result: unknown) => answered(undefined, result),
    onFailure: answered,
  });
}

function sentOf(call: Call): "no" | "maybe" {
  return call.phase === "sent" || call.mayHaveRun ? "maybe" : "no";
}
