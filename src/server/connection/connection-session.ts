import { type ErrorObject, errorOf } from "../../protocol/error-codes.js";
import type { Auth } from "../../rpc/define/access.js";
import type { CallerSession } from "../../rpc/dispatch/call.js";

/** What a session asks of its connection, as long as it is the connection's own. */
interface SessionHost {
  readonly auth: Auth | null;
  refusal(): ErrorObject | null;
  loginAge(): number | undefined;
}

/**
 * One session of a connection: from `authenticate` to `logout`, or the time before `authenticate`.
 * A refresh continues the session. Calls and generators keep the session that admitted them, so the
 * next user of the connection is never taken for theirs.
 */
export class ConnectionSession implements CallerSession {
  readonly #host: SessionHost;
  #identity: Auth | null;
  #isOver = false;

  constructor(host: SessionHost, identity: Auth | null) {
    this.#host = host;
    this.#identity = identity;
  }

  get auth(): Auth | null {
    return this.#isOver ? null : this.#host.auth;
  }

  get identity(): Auth | null {
    return this.#identity;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  refusal(): ErrorObject | null {
    if (this.#isOver)
      return errorOf("unauthenticated", {
        hint: "the session that admitted this call has ended; authenticate and call again",
      });
    return this.#host.refusal();
  }

  loginAge(): number | undefined {
    return this.#isOver ? undefined : this.#host.loginAge();
  }

  /** Continues the session with the token of a refresh. */
  renew(identity: Auth): void {
    this.#identity = identity;
  }

  /** Ends the session: the user has changed. */
  end(): void {
    this.#isOver = true;
  }
}
