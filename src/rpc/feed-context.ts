import { childOf, type Logger } from "../runtime/logger.js";
import type { Auth } from "./define/access.js";
import type { ConnectionHandle } from "./define/create-rpc.js";
import type { MethodEntry } from "./define/registry.js";
import { type Call, Halt } from "./dispatch/call.js";

/** The context that a subscription's generator is given, for as long as it runs. */
export class FeedContext {
  readonly params: unknown;
  readonly signal: AbortSignal;
  readonly connection: ConnectionHandle;
  readonly error: MethodEntry["errors"]["factories"];
  readonly #call: Call;

  constructor(call: Call, params: unknown, signal: AbortSignal) {
    this.params = params;
    this.signal = signal;
    this.connection = call.handle;
    this.error = call.entry.errors.factories;
    this.#call = call;
  }

  /** As the last refresh left it, also when the session has expired or ended since. */
  get auth(): Auth | null {
    return this.#call.session.identity;
  }

  get log(): Logger {
    return childOf(this.#call.caller.applicationLog, { method: this.#call.entry.name });
  }

  get assertLive(): () => void {
    const { session } = this.#call;
    return () => {
      const refusal = session.refusal();
      if (refusal !== null) throw new Halt(refusal);
    };
  }
}
