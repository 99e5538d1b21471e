import type { Request } from "../protocol/messages.js";

/** What is known of one request from its beginning to its end. */
export interface CallObservation {
  /** Runs the application's part so that what it does is found to belong to this call. Absent: it is run as it is. */
  readonly within?: (<T>(work: () => T) => T) | undefined;
  /** The request is over. `code`: of the error it was answered with; 0: a result; null: a notification, which has no answer. */
  end(code: number | null): void;
}

/** Told of requests, before anything is decided about them. */
export interface CallObserver {
  /** `method`: null when there is none of that name, which is then anybody's string. Undefined: nobody wants to know. */
  begin(method: string | null, request: Request): CallObservation | undefined;
}
