import type { ClientClock } from "./client-clock.js";
import { frameOf } from "./frame.js";

export interface AnswerHandlers {
  result(result: unknown): void;
  error(error: unknown): void;
}

/** The client's own requests (`authenticate`, `ping`, those of subscriptions). Their ids are strings, the application's are numbers. */
export interface ControlRequests {
  /** Gives the request's id. */
  send(method: string, params: unknown, limit: number, handlers?: AnswerHandlers): string;
  answer(message: Readonly<Record<string, unknown>>): void;
  /** Forgets all of them. */
  clear(): void;
}

/** `unanswered` is called when an answer takes longer than its `limit`, in milliseconds: the connection is as good as lost. */
export function createControlRequests(clock: ClientClock, send: (frame: string) => void, unanswered: () => void): ControlRequests {
  const waiting = new Map<unknown, { readonly handlers: AnswerHandlers | undefined; readonly cancel: () => void }>();
  let count = 0;
  return {
    send(method, params, limit, handlers) {
      const id = `${method}-${++count}`;
      waiting.set(id, { handlers, cancel: clock.after(limit, unanswered) });
      send(frameOf(method, params, id));
      return id;
    },
    answer({ id, result, error }) {
      const request = waiting.get(id);
      if (request === undefined) return;
      waiting.delete(id);
      request.cancel();
      if (error) request.handlers?.error(error);
      else request.handlers?.result(result);
    },
    clear() {
      for (const { cancel } of waiting.values()) cancel();
      waiting.clear();
    },
  };
}
