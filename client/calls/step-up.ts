import type { ErrorData } from "../../src/protocol/error-codes.js";
import type { Connection } from "../connection/connection.js";
import type { RpcError } from "../errors.js";
import type { ClientSettings } from "../options.js";
import type { TokenRequest } from "../session/token-request.js";
import { createTokenSource, type TokenSource } from "../session/token-source.js";
import type { CallManager, RefusalHook } from "./call-manager.js";
import type { Call } from "./pending-calls.js";

/**
 * Calls that need a stronger or a newer login than the session's (RFC 9470) wait until the user has
 * logged in so, and are sent again, once. Everything else goes on.
 */
export function withStepUp(
  settings: ClientSettings,
  connection: Connection,
  caller: CallManager,
): RefusalHook {
  return new StepUps(settings, connection, caller).refused;
}

class StepUps {
  readonly #settings: ClientSettings;
  readonly #connection: Connection;
  readonly #caller: CallManager;
  /** What each waiting call needs, as JSON; empty: it was asked for that once. */
  readonly #needs = new Map<Call, string>();
  readonly #asked = new WeakSet<Call>();
  /** What the user is asked for. */
  #current: string | undefined;
  #tokens: TokenSource | undefined;

  constructor(settings: ClientSettings, connection: Connection, caller: CallManager) {
    this.#settings = settings;
    this.#connection = connection;
    this.#caller = caller;
    connection.renewal.onSignOut = () => this.#tokens?.cancel();
  }

  readonly refused = (call: Call, failure: RpcError): boolean | undefined => {
    if (failure.code !== "step_up_required") return undefined;
    if (this.#settings.token === undefined || this.#asked.has(call)) return false;
    if (!this.#hasRoom()) return false;
    const { acrValues, maxAge } = Object(failure.data) as Partial<ErrorData>;
    const needs = JSON.stringify({ acrValues, maxAge });
    call.refusal = failure;
    call.isHeld = true;
    this.#needs.set(call, needs);
    if (this.#current === undefined) this.#ask(needs).catch(this.#settings.onError);
    return true;
  };

  /** They are in no connection's way, and would grow without a bound while the user is asked. */
  #hasRoom(): boolean {
    const { queue } = this.#settings;
    if (this.#needs.size < queue) return true;
    for (const call of this.#needs.keys()) if (call.phase === "settled") this.#needs.delete(call);
    return this.#needs.size < queue;
  }

  /**
   * Asks for one thing at a time: calls that need another one wait as well, are sent again after
   * it, and may be refused again.
   */
  async #ask(needs: string): Promise<void> {
    this.#current = needs;
    let failure: { readonly cause?: unknown } | undefined = {};
    try {
      const token = await this.#token(JSON.parse(needs));
      if (token) {
        const result = await this.#present(token);
        this.#connection.renewal.accept(token, "step_up", result);
        failure = undefined;
      }
    } catch (cause) {
      failure = { cause };
    }
    this.#current = undefined;
    for (const [call, needed] of this.#needs) {
      call.isHeld = false;
      if (needed !== needs) continue;
      this.#asked.add(call);
      if (failure && call.phase === "queued")
        this.#caller.reject(
          call,
          Object.assign(Object(call.refusal), failure, { sent: call.mayHaveRun ? "maybe" : "no" }),
        );
    }
    this.#needs.clear();
    this.#caller.pump();
  }

  /** Another source than that of renewals, which go on however long the user takes. */
  #token(needs: object): Promise<string | null> {
    const token = this.#settings.token as NonNullable<ClientSettings["token"]>;
    const previous = this.#connection.renewal.current() ?? null;
    this.#tokens = createTokenSource(
      (request) => token({ ...request, previous, ...needs } as TokenRequest),
      this.#settings,
    );
    return this.#tokens.obtain("step_up", () => true);
  }

  /** As a call, which waits for the next connection when this one is lost. */
  #present(token: string): Promise<unknown> {
    const options = { idempotent: true, timeout: Number.POSITIVE_INFINITY };
    return this.#caller.call("refresh", { token }, options, (made) => {
      made.isRepeat = true; // whether or not it is refused, the session goes on
    });
  }
}
