import {
  defaultBatchLength,
  defaultRequestsInFlight,
} from "../../src/protocol/connection-limits.js";
import type { ErrorData } from "../../src/protocol/error-codes.js";
import { type Id, subscriptionMark } from "../../src/protocol/messages.js";
import type { CallOptions } from "../client-api.js";
import type { Answered } from "../connection/control-requests.js";
import {
  type ClientFault,
  DisconnectedError,
  type Disconnection,
  errorFrom,
  JotwireError,
  type RpcError,
} from "../errors.js";
import type { ClientSettings } from "../options.js";
import type { ClientLimits } from "../session/session.js";
import { delayOf } from "../transport/backoff.js";
import { cancelFrame, excessOf, frameOf } from "../transport/frame.js";
import { readOptions } from "./call-options.js";
import { ApiCall, type Call, createPendingCalls } from "./pending-calls.js";

/** What calls need of the connection. */
export interface CallPort {
  /** Whether calls may be sent; where not, they wait for `pump`. */
  isReady(): boolean;
  /** `false`: the socket isn't open, and nothing was sent. */
  send(frame: string): boolean;
  owner(): string | null;
  allowed(): ClientLimits;
  /** Somebody waits for a connection. Throws a `DisconnectedError` when there won't be one. */
  ensureConnecting(): void;
  /**
   * A call was refused before it ran, with this advice. `true`: the connection sees to it, and
   * `pump` will be called.
   */
  mayRepeat(action: unknown, refusal: unknown): boolean;
  /** A call has waited for its answer for a while. */
  probe(): void;
}

/** Makes a call. `made` is handed the call before the call is sent. */
export type Start = (
  name: string,
  params?: unknown,
  options?: CallOptions,
  made?: (call: Call) => void,
) => ApiCall;

export interface CallManager {
  call: Start;
  /**
   * A call of this connection, before those that wait: not repeated when it is lost, nor when it
   * was refused for the time being.
   */
  request(name: string, params: unknown, answered: Answered): Call | undefined;
  /**
   * Calls what `build` calls through the function that it is given, in as few frames as the limits
   * allow; nothing, when it throws.
   */
  batch<Result>(build: (start: Start) => Result): Result;
  /** Forgets a call that isn't settled. */
  forget(call: Call): void;
  /** `false`: there is no connection, or it is larger than a frame may be, and nothing was sent. */
  notify(name: string, params?: unknown): boolean;
  /** Takes a response. One that no call waits for is ignored. */
  answer(message: Readonly<Record<string, unknown>>): void;
  /** Sends what waits, as far as there is room, and rejects what waits for another subject. */
  pump(): void;
  /**
   * The connection is gone: what was sent is rejected, or waits again where it may run twice.
   * `isOver`: there won't be another one, and everything is rejected. Gives the error for what
   * wasn't sent.
   */
  lost(isOver: boolean, ...why: Disconnection): DisconnectedError;
}

/**
 * ```
 *            room, and ready             answer
 *   queued ──────────────────► sent ──────────────► settled
 *      ▲                         │
 *      └─────────────────────────┘ refused before it ran; the connection was lost, and it may run twice
 * ```
 */
export function createCallManager(settings: ClientSettings, port: CallPort): CallManager {
  const { clock } = settings;
  // why there has been no connection since the last one, if it is known
  let trouble: DisconnectedError | undefined;
  let lastId = 0;
  let building = 0; // batches: nothing is sent meanwhile
  let refusals = 0; // for the time being, without an answer in between
  let resumeAt = 0; // after such a one nothing is sent until then, by the monotonic clock

  const {
    waiting: queue,
    unanswered,
    all,
    move,
    wake,
    stop,
  } = createPendingCalls(
    clock,
    (call) => fail(call, "timeout", call.refusal ?? trouble),
    () => {
      if (unanswered.size > 0) port.probe();
      pump();
    },
  );

  const settle = (call: Call): Call => {
    call.release();
    return move(call, "settled");
  };

  const reject = (call: Call, failure: unknown) => {
    call.failure = failure;
    settle(call).onFailure(failure);
  };

  const fail = (call: Call, code: ClientFault, cause?: unknown, message?: string) => {
    const error = new JotwireError(code, message, cause, sentOf(call));
    // where its answer comes all the same, there is room again
    if (call.phase === "sent") port.send(cancelFrame(call.id));
    reject(call, error);
  };

  const textOf = (call: Call): string => {
    call.id = ++lastId;
    return `{"jsonrpc":"2.0","id":${lastId},${call.body}`;
  };

  /** Sends a call; of a batch, as many in one frame as may be. `false`: nothing can be sent now. */
  const transmit = (first: Call, most = Number.POSITIVE_INFINITY): boolean => {
    const { group: batch } = first;
    const { batchLength = defaultBatchLength, requestsInFlight = defaultRequestsInFlight / 2 } =
      port.allowed();
    const room = (requestsInFlight || Number.POSITIVE_INFINITY) - unanswered.size;
    if (room < 1 || !port.isReady()) return false;
    trouble = undefined;
    first.owner ??= port.owner();
    if (first.owner !== port.owner()) {
      fail(first, "subject_changed");
      return true;
    }
    const frame = batch
      ? [...queue]
          .filter((call) => call.group === batch && (call.owner ?? first.owner) === first.owner)
          .slice(0, Math.min(room, batchLength || room, most))
      : [first];
    const texts = `${frame.map(textOf)}`;
    const text = batch ? `[${texts}]` : texts;
    const excess = excessOf(text, port.allowed().frameBytes);
    if (excess) {
      if (frame.length > 1) return transmit(first, frame.length >> 1);
      fail(first, "too_large", undefined, excess);
      return true;
    }
    for (const call of frame) {
      move(call, "sent"); // before it is: an answer may come at once
      call.owner = first.owner;
      call.frame = batch && frame;
    }
    if (port.send(text)) return true;
    for (const call of [...frame, ...queue]) move(call, "queued");
    return false;
  };

  const pump = () => {
    if (resumeAt > clock.monotonic()) return wake(resumeAt);
    resumeAt = 0;
    for (const call of queue) if (building || !transmit(call)) return;
  };

  const submit = (calls: readonly Call[]) => {
    pump();
    for (const call of calls) {
      if (call.phase === "queued" && queue.size > settings.queue) fail(call, "queue_full");
    }
  };

  const start = (
    name: string,
    params?: unknown,
    options: CallOptions = {},
    made?: (call: Call) => void,
    batch?: Call[],
  ) =>
    new ApiCall((onResult, onFailure) => {
      const { signal, timeout, idempotent } = readOptions(
        options,
        settings.timeout,
        settings.idempotent.has(name),
      );
      const abort = () => fail(call, "aborted", signal?.reason);
      const call: Call = {
        id: 0,
        body: JSON.stringify({ method: name, params }).slice(1),
        deadline: clock.monotonic() + timeout,
        phase: "queued",
        owner: port.owner(),
        isIdempotent: idempotent,
        group: batch,
        onResult,
        onFailure,
        release: () => signal?.removeEventListener("abort", abort),
      };
      move(call, "queued");
      made?.(call);
      try {
        signal?.addEventListener("abort", abort);
        if (signal?.aborted) abort();
        // it may be the end of the client, which all calls are told of
        else port.ensureConnecting();
      } catch (error) {
        reject(call, error);
        if (!all().length) stop();
      }
      if (batch) batch.unshift(call);
      else if (!call.isAdopted) submit([call]);
    });

  /**
   * An error without an id answers a frame that was refused whole: of what waits for an answer, the
   * longest batch (a frame has a limit).
   */
  const refuseBatch = (error: JotwireError) => {
    let longest: readonly Call[] = [];
    for (const { frame = [] } of unanswered.values())
      if (frame.length > longest.length) longest = frame;
    for (const call of longest) if (call.phase === "sent") reject(call, error);
  };

  /**
   * Before it ran: it is sent again when the session is renewed, once; or after a while, as often
   * as its time allows.
   */
  const refuse = (call: Call, failure: RpcError): unknown => {
    const { temporary, executed, action, retryAfter } = Object(failure.data) as Partial<ErrorData>;
    if (executed === false) {
      const isForNow = action === "retry" && temporary !== false && !call.isAdopted;
      if (isForNow) {
        call.refusal = failure;
        // of many at once, the first
        resumeAt ||= clock.monotonic() + delayOf(++refusals, settings, retryAfter);
      } else call.isRepeat = !call.isRepeat && port.mayRepeat(action, failure);
      if (isForNow || call.isRepeat) return move(call, "queued");
    }
    if (call.mayHaveRun) Object.assign(failure, { sent: "maybe" });
    reject(call, failure);
  };

  return {
    call: start,

    request(name, params, answered) {
      let call: Call | undefined;
      start(name, params, {}, (made) => {
        call = adopt(made, answered);
        transmit(call); // before those that have waited longer
      }).catch(answered);
      return call;
    },

    forget: settle,

    batch(build) {
      const calls: Call[] = [];
      let batch: Call[] | undefined = calls;
      building++;
      try {
        return build((name, params, options, made) => start(name, params, options, made, batch));
      } catch (error) {
        for (const call of calls) fail(call, "aborted", error);
        throw error;
      } finally {
        batch = undefined;
        building--;
        submit(calls);
      }
    },

    notify(name, params) {
      const text = frameOf(name, params);
      return port.isReady() && !excessOf(text, port.allowed().frameBytes) && port.send(text);
    },

    answer({ id, result, error }) {
      if (id === null && error) return refuseBatch(errorFrom(error));
      const call = unanswered.get(id as Id);
      if (!call) return;
      if (error) refuse(call, errorFrom(error));
      else if (result !== undefined) {
        refusals = 0;
        settle(call);
        if (Object(result)[subscriptionMark] === true && call.claim) call.claim(result);
        else call.onResult(result);
      }
    },

    pump,

    lost(isOver, ...why) {
      trouble = new DisconnectedError("no", ...why);
      resumeAt = refusals = 0;
      for (const call of all()) {
        call.mayHaveRun ||= call.phase === "sent";
        if (!isOver && !call.isAdopted && (call.phase === "queued" || call.isIdempotent))
          move(call, "queued");
        else reject(call, new DisconnectedError(sentOf(call), ...why));
      }
      if (isOver) stop();
      return trouble;
    },
  };
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
