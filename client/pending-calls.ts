import type { Id } from "../src/protocol/messages.js";
import type { ClientClock } from "./client-clock.js";

/** A call that isn't settled. */
export interface Call {
  id: number;
  /** What stands behind the id in its frame. Kept until the call is settled, since it may have to be sent again. */
  readonly body: string;
  /** By the monotonic clock. */
  deadline: number;
  /** `queued`: waiting for a connection; `sent`: waiting for its answer. */
  state: "queued" | "sent" | "settled";
  /** Whose call it is; `null` while nobody has signed in yet. */
  subject: string | null;
  isIdempotent: boolean;
  /** Refused once because of the session, before it ran: it isn't repeated again. */
  isRepeat: boolean;
  /** The connection was lost under it, and it waits to be sent again. */
  mayHaveRun?: boolean;
  /** The calls of one batch share one object, and go out in one frame. */
  readonly batch: object | undefined;
  /** Stops listening to the call's `signal`. */
  release?: (() => void) | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

export interface PendingCalls {
  /** Gives the call an id that no call had before. */
  add(call: Call): void;
  /** The call is settled; `false` when it was settled before. */
  remove(call: Call): boolean;
  /** The call that waits for an answer with this id. */
  awaiting(id: Id): Call | undefined;
  /** In the order of their ids. Calls may be added and removed meanwhile. */
  all(): Call[];
  stop(): void;
}

/** All calls that aren't settled, and one timer for all of their deadlines. `expire` must remove its call. */
export function createPendingCalls(clock: ClientClock, expire: (call: Call) => void): PendingCalls {
  const calls = new Map<Id, Call>();
  let lastId = 0;
  let nextSweep = Number.POSITIVE_INFINITY;
  let cancelSweep = () => {};

  const sweepAt = (deadline: number) => {
    if (deadline >= nextSweep) return;
    cancelSweep();
    nextSweep = deadline;
    cancelSweep = clock.after(deadline - clock.monotonic(), sweep);
  };

  const sweep = () => {
    const now = clock.monotonic();
    nextSweep = Number.POSITIVE_INFINITY;
    let next = nextSweep;
    for (const call of calls.values()) {
      if (call.deadline <= now) expire(call);
      else next = Math.min(next, call.deadline);
    }
    sweepAt(next);
  };

  return {
    add(call) {
      call.id = ++lastId;
      calls.set(call.id, call);
      sweepAt(call.deadline);
    },
    remove: (call) => calls.delete(call.id),
    awaiting(id) {
      const call = calls.get(id);
      return call?.state === "sent" ? call : undefined;
    },
    all: () => [...calls.values()],
    stop() {
      cancelSweep();
      nextSweep = Number.POSITIVE_INFINITY;
    },
  };
}
