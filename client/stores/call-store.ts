import { type CallError, type CallOptions, type Client, JotwireError } from "../browser.js";
import type { CallArguments } from "../client-api.js";
import { type SafeResult, safe } from "../safe.js";
import { ObservedStore, throwOutside } from "./view-store.js";

/** A call whose result a component shows. */
export interface CallView<Result, Errors> {
  /**
   * `off`: it isn't enabled. `loading`: there is no result yet. `done`: `data` is the last result.
   * `failed`: `error` says why; `data` is of the last call that succeeded.
   */
  readonly status: "off" | "loading" | "done" | "failed";
  /** The last result; `undefined` before the first, and after a change of user. */
  readonly data: Result | undefined;
  /** Why the last call has failed, narrowed by `error.code`; `undefined` if it hasn't. */
  readonly error: CallError<Errors> | undefined;
  /** Whether a call is under way, be it the first one or one that reads anew. */
  readonly isLoading: boolean;
}

const loading = { status: "loading", data: undefined, error: undefined, isLoading: true } as const;

/** The view of a call that isn't enabled. */
export const uncalled = { ...loading, status: "off", isLoading: false } as const;

/**
 * The result of one call, for as long as somebody listens; called anew by `reload`, and when
 * another user has signed in, of whom nothing old is shown.
 */
export class CallStore<Result, Errors> extends ObservedStore<CallView<Result, Errors>> {
  /** The view before the first result, also on a server. */
  static readonly first = loading;
  readonly #client: Client;
  readonly #name: string;
  readonly #params: unknown;
  /** Whose result it is. */
  #subject: string | undefined;
  /** The call that counts. */
  #latest: object | undefined;

  constructor(client: Client, name: string, params: unknown) {
    super(loading);
    this.#client = client;
    this.#name = name;
    this.#params = params;
  }

  /** Calls again, and shows the old result meanwhile. Does nothing while nobody listens. */
  readonly reload = (): void => {
    if (this.running !== undefined) this.#start(this.running);
  };

  protected begin(signal: AbortSignal): void {
    const stop = this.#client.on("state", ({ to }) => {
      const subject = this.#client.session?.subject;
      if (to !== "ready" || subject === this.#subject) return;
      const isAnother = this.#subject !== undefined;
      this.#subject = subject;
      if (!isAnother) return;
      this.show(loading);
      this.#start(signal);
    });
    signal.addEventListener("abort", stop);
    this.#subject = this.#client.session?.subject;
    this.#start(signal);
  }

  #start(signal: AbortSignal): void {
    this.#run(signal).catch(throwOutside);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const mine = {};
    this.#latest = mine;
    if (!this.view().isLoading) this.show({ ...this.view(), isLoading: true });
    const outcome = await safe<Result, Errors>(
      this.#client.call(this.#name, this.#params, { signal }) as never,
    );
    if (signal.aborted || this.#latest !== mine) return;
    if (outcome.ok)
      this.show({ status: "done", data: outcome.value, error: undefined, isLoading: false });
    else if (outcome.error instanceof JotwireError && outcome.error.code === "subject_changed")
      return this.#run(signal);
    else this.show({ ...this.view(), status: "failed", error: outcome.error, isLoading: false });
  }
}

/** A call that a user starts, such as by a button. */
export interface MutationView<Result, Errors> {
  /** What became of the last call that was started. */
  readonly status: "idle" | "running" | "done" | "failed";
  /** The result of the last call that was started, once it is there. */
  readonly data: Result | undefined;
  /** Why it has failed, narrowed by `error.code`. */
  readonly error: CallError<Errors> | undefined;
}

/** What starts a call that a component shows. */
export interface MutationControls<Params, Result, Errors> {
  /** Calls the method. The promise never rejects. */
  readonly run: (
    ...args: CallArguments<Params, CallOptions>
  ) => Promise<SafeResult<Result, CallError<Errors>>>;
  /** Forgets the last call, as after a dialog is closed. */
  readonly reset: () => void;
}

const idle = { status: "idle", data: undefined, error: undefined } as const;

/**
 * Shows the call that was started last. A call goes on when nobody listens any more: it may have
 * run.
 */
export class MutationStore<Result, Errors> extends ObservedStore<MutationView<Result, Errors>> {
  /** The view before a call, also on a server. */
  static readonly first = idle;
  readonly #client: Client;
  readonly #name: string;
  #latest: object | undefined;

  constructor(client: Client, name: string) {
    super(idle);
    this.#client = client;
    this.#name = name;
  }

  readonly run = async (
    params: unknown,
    options?: CallOptions,
  ): Promise<SafeResult<Result, CallError<Errors>>> => {
    const mine = {};
    this.#latest = mine;
    this.show({ ...idle, status: "running" });
    const outcome = await safe<Result, Errors>(
      this.#client.call(this.#name, params, options) as never,
    );
    if (this.#latest === mine)
      this.show(
        outcome.ok
          ? { status: "done", data: outcome.value, error: undefined }
          : { status: "failed", data: undefined, error: outcome.error },
      );
    return outcome;
  };

  readonly reset = (): void => {
    this.#latest = undefined;
    this.show(idle);
  };

  protected begin(): void {}
}
