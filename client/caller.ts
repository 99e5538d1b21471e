import type { ErrorData } from "../src/protocol/error-codes.js";
import type { Id } from "../src/protocol/messages.js";
import type { CallOptions } from "./client-api.js";
import { DisconnectedError, errorFrom, JotwireError } from "./errors.js";
import { cancelFrame, frameOf } from "./frame.js";
import type { ClientSettings } from "./options.js";
import { type Call, createPendingCalls } from "./pending-calls.js";

/** What calls need of the connection. */
export interface CallPort {
  /** Whether calls may be sent; where not, they wait for `flush`. */
  isReady(): boolean;
  /** `false`: the socket isn't open, and nothing was sent. */
  send(frame: string): boolean;
  subject(): string | null;
  /** Somebody waits for a connection. Throws a `DisconnectedError` when there won't be one. */
  ensureConnecting(): void;
  /** A call was refused before it ran, with this advice. `true`: the connection sees to it, and `flush` will be called. */
  mayRepeat(action: unknown, refusal: unknown): boolean;
  /** An answer has not come in time. */
  probe(): void;
}

export interface Caller {
  /** `made` is handed the call before it is sent. */
  call(name: string, params?: unknown, options?: CallOptions, made?: (call: Call) => void): Promise<unknown>;
  /** Calls what `build` calls through the function that it is given, in one frame. */
  batch<Result>(build: (call: Caller["call"]) => Result): Result;
  /** Forgets a call that isn't settled. */
  forget(call: Call): void;
  /** `false`: there is no connection, and nothing was sent. */
  notify(name: string, params?: unknown): boolean;
  /** Takes a response. One that no call waits for is ignored. */
  answer(message: Readonly<Record<string, unknown>>): void;
  /** The connection is ready: sends what waits, and rejects what waits for another subject. */
  flush(): void;
  /** The connection is gone: what was sent is rejected, or waits again where it may run twice. */
  lost(reason: string, code: number, cause: unknown): void;
  /** There won't be another connection: rejects everything. */
  close(reason: string, code: number, cause: unknown): void;
}

const noOptions: CallOptions = {};

export function createCaller(settings: ClientSettings, port: CallPort): Caller {
  const { clock } = settings;
  let trouble: DisconnectedError | undefined; // why there has been no connection since the last one, if it is known

  const abandon = (call: Call, error: JotwireError) => {
    if (call.state === "sent") port.send(cancelFrame(call.id));
    settle(call).reject(error);
  };

  const pending = createPendingCalls(clock, (call) => {
    port.probe();
    abandon(call, new JotwireError("timeout", "No answer within the call's timeout", trouble && { cause: trouble }));
  });

  const settle = (call: Call): Call => {
    pending.remove(call);
    call.state = "settled";
    call.release?.();
    return call;
  };

  const sendable = (call: Call): string => {
    call.state = "sent"; // before it is: an answer may come at once
    call.subject ??= port.subject();
    return `{"jsonrpc":"2.0","id":${call.id}${call.body}`;
  };

  /** Sends one call, or those of one batch. */
  const transmit = (calls: readonly [Call, ...Call[]]): boolean => {
    if (port.send(calls[0].batch ? `[${calls.map(sendable)}]` : sendable(calls[0]))) return true;
    for (const call of calls) call.state = "queued";
    return false;
  };

  const submit = (calls: readonly [Call, ...Call[]]) => {
    if (port.isReady() && transmit(calls)) return;
    const queued = pending.all().filter((call) => call.state === "queued");
    for (const call of queued.slice(settings.queue)) {
      settle(call).reject(new JotwireError("queue_full", `${settings.queue} calls wait for a connection (option queue)`));
    }
  };

  const requeue = (call: Call) => {
    pending.remove(call);
    call.state = "queued";
    pending.add(call);
  };

  const start = (name: string, params: unknown, options: CallOptions, batch: Call[] | undefined, made?: (call: Call) => void) =>
    new Promise<unknown>((resolve, reject) => {
      const { signal, timeout = settings.timeout } = options;
      if (signal?.aborted) throw abortError(signal);
      port.ensureConnecting();
      const call: Call = {
        id: 0,
        body: bodyOf(name, params),
        deadline: timeout > 0 ? clock.monotonic() + timeout : Number.POSITIVE_INFINITY,
        state: "queued",
        subject: port.subject(),
        isIdempotent: options.idempotent ?? settings.idempotent.has(name),
        isRepeat: false,
        batch,
        resolve,
        reject,
      };
      if (signal) {
        const abort = () => abandon(call, abortError(signal));
        signal.addEventListener("abort", abort);
        call.release = () => signal.removeEventListener("abort", abort);
      }
      pending.add(call);
      made?.(call);
      if (batch) batch.push(call);
      else submit([call]);
    });

  /** An error without an id answers a frame that was refused whole: of what waits for an answer, the longest batch (a frame has a limit). */
  const refuseBatch = (error: JotwireError) => {
    const sent = pending.all().filter((call) => call.state === "sent" && call.batch);
    const members = (batch: object | undefined) => sent.filter((call) => call.batch === batch);
    const longest = sent.map((call) => members(call.batch)).reduce((most, some) => (some.length > most.length ? some : most), []);
    for (const call of longest) settle(call).reject(error);
  };

  return {
    call: (name, params, options = noOptions, made) => start(name, params, options, undefined, made),

    forget: settle,

    batch(build) {
      const calls: Call[] = [];
      let isOpen = true;
      try {
        return build((name, params, options = noOptions, made) => start(name, params, options, isOpen ? calls : undefined, made));
      } finally {
        isOpen = false;
        const [first, ...rest] = calls.filter(({ state }) => state === "queued"); // none that was aborted meanwhile
        if (first) submit([first, ...rest]);
      }
    },

    notify: (name, params) => port.isReady() && port.send(frameOf(name, params)),

    answer(message) {
      const { id, result, error } = message;
      if (id === null && error) return refuseBatch(errorFrom(error));
      const call = pending.awaiting(id as Id);
      if (call === undefined) return;
      if (!error) {
        if (result !== undefined) settle(call).resolve(result);
        return;
      }
      const failure = errorFrom(error);
      const { executed, action } = Object(failure.data) as Partial<ErrorData>;
      if (executed === false && !call.isRepeat && port.mayRepeat(action, failure)) {
        call.isRepeat = true;
        requeue(call);
      } else settle(call).reject(failure);
    },

    flush() {
      if (!port.isReady()) return;
      trouble = undefined;
      const subject = port.subject();
      const frames = new Map<object, [Call, ...Call[]]>(); // by batch; a call of its own is its own frame
      for (const call of pending.all()) {
        if (call.state === "sent") continue;
        if (call.subject !== null && call.subject !== subject) {
          settle(call).reject(new JotwireError("subject_changed", "The call waited for another user"));
          continue;
        }
        const frame = frames.get(call.batch ?? call);
        if (frame) frame.push(call);
        else frames.set(call.batch ?? call, [call]);
      }
      for (const frame of frames.values()) transmit(frame);
    },

    lost(reason, code, cause) {
      trouble = new DisconnectedError("no", reason, code, cause);
      for (const call of pending.all()) {
        if (call.state === "queued") continue;
        if (call.isIdempotent) {
          call.mayHaveRun = true;
          requeue(call);
        } else settle(call).reject(new DisconnectedError("maybe", reason, code, cause));
      }
    },

    close(reason, code, cause) {
      for (const call of pending.all()) {
        const sent = call.state === "sent" || call.mayHaveRun ? "maybe" : "no";
        settle(call).reject(new DisconnectedError(sent, reason, code, cause));
      }
      pending.stop();
    },
  };
}

/** What follows the id in a call's frame. Throws what `JSON.stringify` throws. */
function bodyOf(name: string, params: unknown): string {
  return `,"method":${JSON.stringify(name)}${params === undefined ? "" : `,"params":${JSON.stringify(params)}`}}`;
}

function abortError({ reason }: AbortSignal): JotwireError {
  return new JotwireError("aborted", "The call was aborted", { cause: reason });
}
