import type { Subscription } from "../../pubsub/subscription.js";
import { type Auth, checkAccess } from "../../rpc/define/access.js";
import { type AuthorizeRule, askRule, logFailedRule } from "../../rpc/define/authorize.js";
import type { ConnectionHandle } from "../../rpc/define/handler-context.js";
import type { SubscriptionEntry } from "../../rpc/define/registry.js";
import type { Call } from "../../rpc/dispatch/call.js";
import { withTimeout } from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import type { Limits } from "../limits.js";

// a rule that never settles would keep its place among those that are out, without a limit, too
const longestWait = 300_000; // 5 min

/** What all rights of a server share. */
export interface RightServices {
  readonly clock: Clock;
  readonly limits: Pick<Limits, "requestTimeout">;
}

/**
 * Whether one subscriber may have one subscription:
 *
 *   ask ──► out, the subscription is paused ── true ──► the subscription proceeds
 *            │          ▲                 └── anything else ──► the subscription ends: forbidden
 *            └── ask ───┘ asked anew after the answer, which no longer counts
 *
 * One question is out at a time, so the application is never asked twice at once for one right. A
 * synchronous rule answers without a pause.
 */
export class SubscriptionRight {
  readonly entry: SubscriptionEntry;
  /** Key of the topic; empty for a generator. */
  readonly topic: string;
  /** Of the call that asked for it: the output of their schema. */
  readonly params: unknown;
  /** What the right is for; undefined until the first answer. */
  subscription: Subscription | undefined;
  readonly #call: Call;
  readonly #services: RightServices;
  /** The answer that counts; present while a question is out. */
  #answer: Promise<boolean> | undefined;
  #isOutdated = false;
  /** Whether the rule is being called. */
  #isAsking = false;
  #isClosed = false;
  /** Aborts the signal of the question that is out. */
  #abandon: () => void = () => {};
  /** Whether the first question is out: the call's deadline holds for it. */
  #isFirst = false;
  /** Takes the first answer; present while it is out. */
  #begin: ((isAllowed: boolean) => void) | undefined;

  constructor(
    call: Call,
    entry: SubscriptionEntry,
    topic: string,
    params: unknown,
    services: RightServices,
  ) {
    this.#call = call;
    this.entry = entry;
    this.topic = topic;
    this.params = params;
    this.#services = services;
  }

  /**
   * Asks for the first time, under the deadline of the call. Calls `begin` in the moment in which
   * the answer is known, so that no later question is missed, and returns what it returns.
   */
  first<T>(begin: (isAllowed: boolean) => T | Promise<T>): T | Promise<T> {
    this.#isFirst = true;
    const answer = this.#askOnce();
    if (!(answer instanceof Promise)) {
      this.#isFirst = false;
      return begin(answer);
    }
    return new Promise((resolve, reject) => {
      this.#begin = (isAllowed) => {
        try {
          resolve(begin(isAllowed));
        } catch (error) {
          reject(error);
        }
      };
      this.#answer = answer.then((isAllowed) => this.#settle(isAllowed));
    });
  }

  /** Whose it is; null after the end of the session. */
  get auth(): Auth | null {
    const { session } = this.#call;
    return session.isOver ? null : session.identity;
  }

  /** Whose it is or was, by the last token of the session. */
  get identity(): Auth {
    return this.#call.session.identity as Auth; // only users subscribe
  }

  /** The connection of the call, until that user logs out. */
  get handle(): ConnectionHandle {
    return this.#call.handle;
  }

  /** Key of the user who is asked about, also after the end of the session. */
  get user(): string {
    const { identity } = this.#call.session;
    return `${identity?.issuer} ${identity?.subject}`;
  }

  /** Whether the application has a rule for it, beside the scopes. */
  get hasRule(): boolean {
    return this.entry.authorize !== undefined;
  }

  /** Whether a question is out. */
  get isOut(): boolean {
    return this.#answer !== undefined;
  }

  /**
   * Asks with the user's current token. The answer is that of a question which began after this
   * call. Never rejects.
   */
  ask(): boolean | Promise<boolean> {
    if (this.#isClosed) return false;
    // the rule itself has it asked again: not inside its own question
    if (this.#isAsking) return Promise.resolve().then(() => this.ask());
    if (this.#answer !== undefined) {
      this.#isOutdated = true;
      this.#abandon();
      return this.#answer;
    }
    const answer = this.#askOnce();
    if (!(answer instanceof Promise)) return this.#apply(answer);
    this.subscription?.pause();
    this.#answer = answer.then((isAllowed) => this.#settle(isAllowed));
    return this.#answer;
  }

  /** The subscription is over: no answer is needed any more. */
  close(): void {
    this.#isClosed = true;
    this.#abandon();
  }

  #settle(isAllowed: boolean): boolean | Promise<boolean> {
    if (this.#isOutdated && !this.#isClosed) {
      this.#isOutdated = false;
      const again = this.#askOnce();
      if (again instanceof Promise) return again.then((answer) => this.#settle(answer));
      return this.#settle(again);
    }
    this.#answer = undefined;
    return this.#apply(isAllowed && !this.#isClosed);
  }

  #apply(isAllowed: boolean): boolean {
    const begin = this.#begin;
    this.#begin = undefined;
    this.#isFirst = false;
    begin?.(isAllowed);
    if (isAllowed) this.subscription?.proceed();
    else this.subscription?.end("forbidden");
    return isAllowed;
  }

  #askOnce(): boolean | Promise<boolean> {
    const { auth } = this;
    const { access, authorize } = this.entry;
    if (auth === null || checkAccess(access, auth) !== null) return false;
    // the call waits for its first answer, and would be refused whatever that is
    if (this.#begin !== undefined && this.#call.session.refusal() !== null) return false;
    if (authorize === undefined) return true;
    this.#isAsking = true;
    const answer = this.#askRule(authorize, auth);
    this.#isAsking = false;
    return answer;
  }

  #askRule(authorize: AuthorizeRule, auth: Auth): boolean | Promise<boolean> {
    let controller: AbortController | undefined;
    let isOver = false;
    const signal = () => {
      controller ??= new AbortController();
      if (isOver) controller.abort();
      return controller.signal;
    };
    const failed = (error: unknown) => {
      // a rule whose signal was aborted may well throw
      if (!isOver) logFailedRule(this.#call.caller.log, this.entry.name, error);
    };
    const abandon = () => {
      isOver = true;
      controller?.abort();
    };
    const answer = askRule(authorize, auth, this.params, signal, failed);
    if (!(answer instanceof Promise)) {
      isOver = true;
      return answer;
    }
    this.#abandon = abandon;
    const { clock, limits } = this.#services;
    const timeout = Math.min(limits.requestTimeout, longestWait);
    const limited = this.#isFirst
      ? answer
      : withTimeout(answer, timeout, clock, "the rule authorize");
    return limited
      .catch((error: unknown) => {
        failed(error);
        return false;
      })
      .finally(abandon);
  }
}
