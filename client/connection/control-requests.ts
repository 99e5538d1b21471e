import type { ClientClock } from "../transport/clock.js";
import { frameOf } from "../transport/frame.js";

/** Takes the answer: an `error`, or else a `result`. */
export type Answered = (error: unknown, result?: unknown) => void;

/**
 * The client's own requests (`authenticate`, `refresh`, `ping`). Their ids are strings, the
 * application's are numbers.
 */
export interface ControlRequests {
  send(method: string, params: unknown, limit: number, answered?: Answered): void;
  answer(message: Readonly<Record<string, unknown>>): void;
  /** Forgets all of them. */
  forgetAll(): void;
}

/**
 * `unanswered` is called when an answer takes longer than its `limit`, in milliseconds: the
 * connection is as good as lost.
 */
export function createControlRequests(
  clock: ClientClock,
  send: (frame: string) => void,
  unanswered: () => void,
): ControlRequests {
  const waiting = new Map<
    unknown,
    { readonly answered: Answered | undefined; readonly cancel: () => void }
  >();
  let count = 0;
  return {
    send(method, params, limit, answered) {
      const id = `${method}-${++count}`;
      waiting.set(id, { answered, cancel: clock.after(limit, unanswered) });
      send(frameOf(method, params, id));
    },
    answer({ id, result, error }) {
      const request = waiting.get(id);
      if (request === undefined) return;
      waiting.delete(id);
      request.cancel();
      request.answered?.(error, result);
    },
    forgetAll() {
      for (const { cancel } of waiting.values()) cancel();
      waiting.clear();
    },
  };
}
