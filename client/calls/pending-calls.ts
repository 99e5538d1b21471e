import type { Id } from "../../src/protocol/messages.js";
import type { RpcError } from "../errors.js";
import type { SubscriptionIterator } from "../subscriptions/subscription.js";
import type { ClientClock } from "../transport/clock.js";

/** A call that isn't settled. */
export interface Call {
  /** A new one each time that the call is sent. */
  id: number;
  /**
   * What stands behind the id in its frame. Kept until the call is settled, since it may have to be
   * sent again.
   */
  readonly body: string;
  /** By the monotonic clock. */
  deadline: number;
  /** `queued`: waiting to be sent; `sent`: waiting for its answer. */
  phase: "queued" | "sent" | "settled";
  /** Whose call it is; `null` while nobody has signed in yet. */
  owner: string | null;
  /** It may run twice. */
  readonly isIdempotent: boolean;
  /** Refused once because of the session, before it ran: it isn't repeated again for that. */
  isRepeat?: boolean;
  /** It waits for something else than a connection. */
  isHeld?: boolean;
  /** A subscription takes its answer: it is of this connection only. */
  isAdopted?: boolean;
  /** The connection was lost under it, and it waits to be sent again. */
  mayHaveRun?: boolean;
  /** With what it was refused for the time being, or until the session has more. */
  refusal?: RpcError;
  /** The calls of one batch share one object, and go out together. */
  readonly group: object | undefined;
  /** All that were sent in its frame, where that was a batch. */
  frame?: readonly Call[] | undefined;
  /** Why it was rejected. */
  failure?: unknown;
  /** Its promise, where a failure that nobody takes is reported nowhere. */
  promise?: ApiCall;
  /**
   * Makes it the first call of a subscription, with the subscription's answer, once there is one.
   */
  claim?(answer?: unknown): unknown;
  /** Stops listening to the call's `signal`. */
  release(): void;
  onResult(result: unknown): void;
  onFailure(error: unknown): void;
}

/**
 * A call's promise, and the events if the call is a subscription's and was made through `api`. Only
 * the server knows which names are subscriptions; the types show the one or the other.
 */
export class ApiCall extends Promise<unknown> {
  declare claim: () => SubscriptionIterator<unknown>;

  [Symbol.asyncIterator]() {
    return this.claim();
  }

  [Symbol.asyncDispose]() {
    return this.claim().return();
  }
}
// `then` gives a plain promise, and `await` needs no promise around this one
ApiCall.prototype.constructor = Promise;

export interface PendingCalls {
  /** In the order in which they are to be sent. */
  readonly waiting: ReadonlySet<Call>;
  /** By the id under which each was sent last. */
  readonly unanswered: ReadonlyMap<Id, Call>;
  /** Calls that wait for an answer, then calls that wait to be sent. A copy: calls may be moved. */
  unsettled(): Call[];
  /** The only writer of a call's phase. A call that is queued is the last of the queue. */
  move(call: Call, phase: Call["phase"]): Call;
  /** Looks at the time then, by the monotonic clock, or before. */
  wake(time: number): void;
  stop(): void;
}

const probeAfter = 5_000; // 5 s that a call waits for its answer

/**
 * All calls that aren't settled, and one timer for all of them: `expire` must settle the call whose
 * deadline has passed; `woke` is called each time that the timer was due, at least every 5 s while
 * some wait for an answer.
 */
export function createPendingCalls(
  clock: ClientClock,
  expire: (call: Call) => void,
  woke: () => void,
): PendingCalls {
  const queue = new Set<Call>();
  const unanswered = new Map<Id, Call>();
  let nextLook = Number.POSITIVE_INFINITY;
  let cancelLook = () => {};

  const unsettled = () => [...unanswered.values(), ...queue];

  const stop = () => {
    cancelLook();
    nextLook = Number.POSITIVE_INFINITY;
  };

  const wake = (time: number) => {
    if (time >= nextLook) return;
    stop();
    nextLook = time;
    cancelLook = clock.after(time - clock.monotonic(), look);
  };

  const watch = ({ phase, deadline }: Call) => {
    wake(phase === "sent" ? Math.min(deadline, clock.monotonic() + probeAfter) : deadline);
  };

  const look = () => {
    stop();
    for (const call of unsettled()) {
      if (call.deadline <= clock.monotonic()) expire(call);
      else watch(call);
    }
    woke();
  };

  return {
    waiting: queue,
    unanswered,
    unsettled,
    wake,
    stop,
    move(call, phase) {
      queue.delete(call);
      unanswered.delete(call.id);
      call.phase = phase;
      if (phase === "settled") return call;
      if (phase === "sent") unanswered.set(call.id, call);
      else queue.add(call);
      watch(call);
      return call;
    },
  };
}
