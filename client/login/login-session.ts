import type { TokenRequest } from "../session/token-request.js";
import { type AccessToken, type LoginState, pageUrl, type StepUp } from "./session-state.js";
import { Tabs } from "./tabs.js";

const leastLifeMs = 5_000; // a token that ends sooner is renewed before it is given away

/** Where tokens come from. Each call is made while no other tab makes one. */
export interface LoginSource {
  /** Whether a reload keeps the login, so that tabs share it. */
  survivesReload(): boolean;
  /** Gives the next access token; `null`: the login has ended. Rejects for what is temporary. */
  renew(signal: AbortSignal | undefined): Promise<AccessToken | null>;
  /** Forgets what it keeps of the login, since it has ended. */
  forget(): void;
  /** A method demands another login. Rejects if the user can't be asked for it. */
  stepUp(need: StepUp): Promise<void>;
}

/** A demand for another login that nobody has answered yet. */
interface Demand {
  readonly need: StepUp;
  answer(token: string | null): void;
}

/** What a session needs of a client: `createClient` makes one. */
export interface BoundClient {
  /** Closes the connection and opens another one, with a token of the user who is signed in. */
  reconnect(): Promise<void>;
  /** Closes the connection. */
  close(): Promise<void>;
}

/** The argument of `token()`, with what a method demands (`reason: "step_up"`). */
export type LoginTokenRequest = Omit<TokenRequest, "reason"> & {
  readonly reason: string;
  readonly acrValues?: readonly string[] | undefined;
  readonly maxAge?: number | undefined;
};

/** One login in all tabs of an origin: who is signed in, and the tokens of it. */
export class LoginSession {
  readonly #tabs: Tabs;
  readonly #source: LoginSource;
  readonly #listeners = new Set<() => void>();
  #state: LoginState;
  #access: AccessToken | undefined;
  #renewing: Promise<string | null> | undefined;
  #first: Promise<unknown> | undefined;
  readonly #demands = new Set<Demand>();

  /** `name`: the same in all tabs of the login. */
  constructor(name: string, source: LoginSource) {
    this.#source = source;
    this.#tabs = new Tabs(name, (message) => {
      if (message.is === "signed_in") this.#adopt(message.access, message.isLogin === true);
      // a tab that was frozen may hear of it after the next login, whose secrets are not its to
      // forget
      else this.#signOut("logout");
    });
    this.#state = {
      ...{ status: "loading", subject: null, scopes: [], reason: null, stepUp: null },
      survivesReload: source.survivesReload(),
    };
  }

  get state(): LoginState {
    return this.#state;
  }

  /** Calls `listener` after each change. Returns the function that ends that. */
  subscribe(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** Is somebody signed in, as another tab or the time before the reload left it? */
  ready(): Promise<LoginState> {
    this.#first ??= this.#restore().catch((error: unknown) => {
      if (this.#state.status !== "loading") return; // another tab has said it meanwhile
      this.#first = undefined;
      throw error;
    });
    return this.#first.then(() => this.#state);
  }

  async token(request: LoginTokenRequest): Promise<string | null> {
    await this.ready();
    if (request.reason === "step_up") return this.#steppedUp(request);
    if (this.#state.status !== "signed_in") return null;
    const known = this.#access;
    const isOther = !request.force || known?.token !== request.previous;
    if (known !== undefined && isOther && lives(known)) return known.token;
    return this.renew(request.signal);
  }

  /** One renewal for all callers at the same time, in this tab and the others. */
  renew(signal?: AbortSignal): Promise<string | null> {
    this.#renewing ??= this.#renew(signal).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** Does what changes the login, alone, and tells the other tabs what came of it. */
  change(work: () => Promise<AccessToken | "logout" | "ended">): Promise<void> {
    return this.#tabs.alone(async () => {
      const outcome = await work();
      this.#first ??= Promise.resolve();
      this.#settle(outcome, true);
    });
  }

  /**
   * Has a client follow the session: it connects anew for another user, and closes when nobody is
   * signed in. Returns the function that ends that.
   */
  bind(client: BoundClient): () => void {
    let { subject, status } = this.#state;
    return this.subscribe(() => {
      const before = { subject, status };
      ({ subject, status } = this.#state);
      // what comes of it is the client's to tell, by its state
      if (status === "signed_out" && before.status === "signed_in") client.close().catch(() => {});
      else if (status === "signed_in" && subject !== before.subject)
        client.reconnect().catch(() => {});
    });
  }

  close(): void {
    this.#tabs.close();
    this.#listeners.clear();
  }

  async #restore(): Promise<void> {
    const isKept = pageUrl() !== undefined && this.#source.survivesReload();
    if (!isKept || this.#tabs.markedAt() === null) {
      this.#source.forget();
      return this.#signOut("never");
    }
    await this.renew();
  }

  async #renew(signal: AbortSignal | undefined): Promise<string | null> {
    const [since, before] = [Date.now(), this.#access];
    return this.#tabs.alone(async () => {
      if (this.#access === before) await this.#tabs.whenHeardSince(since);
      const { status } = this.#state;
      if (status === "signed_out") return null; // meanwhile, by another tab
      if (this.#access !== undefined && this.#access !== before) return this.#access.token;
      const access = await this.#source.renew(signal);
      this.#settle(access ?? (status === "loading" ? "never" : "ended"));
      return access?.token ?? null;
    });
  }

  /** `isLogin`: the user has shown who it is, rather than a refresh token. */
  #settle(outcome: AccessToken | "logout" | "ended" | "never", isLogin = false): void {
    const isShared = this.#source.survivesReload();
    if (typeof outcome === "object") {
      if (isShared) this.#tabs.mark(true);
      this.#adopt(outcome, isLogin);
      if (isShared) this.#tabs.tell({ is: "signed_in", access: outcome, isLogin });
    } else {
      this.#tabs.mark(false);
      this.#source.forget();
      this.#signOut(outcome);
      if (isShared) this.#tabs.tell({ is: "signed_out" });
    }
  }

  #adopt(access: AccessToken, isLogin: boolean): void {
    this.#access = access;
    const { subject, scopes } = access;
    const survivesReload = this.#source.survivesReload();
    this.#first ??= Promise.resolve();
    const isAnother = subject !== this.#state.subject;
    if (isLogin || isAnother) this.#answerDemands(isAnother ? null : access.token);
    this.#change({
      ...{ status: "signed_in", subject, scopes, survivesReload },
      ...{ reason: null, stepUp: this.#stepUp() },
    });
  }

  #signOut(reason: "never" | "logout" | "ended"): void {
    this.#access = undefined;
    this.#answerDemands(null);
    this.#change({
      ...{ status: "signed_out", subject: null, scopes: [], reason, stepUp: null },
      survivesReload: this.#source.survivesReload(),
    });
  }

  /** Waits for the login that the page asks for; a renewal does not count as one. */
  #steppedUp({ acrValues = [], maxAge, signal }: LoginTokenRequest): Promise<string | null> {
    if (this.#state.status !== "signed_in") return Promise.resolve(null);
    if (signal.aborted) return Promise.reject(signal.reason);
    const need = { acrValues, maxAge };
    return new Promise((resolve, reject) => {
      const giveUp = (reason: unknown) => {
        if (!this.#demands.delete(demand)) return;
        signal.removeEventListener("abort", abort);
        this.#change({ ...this.#state, stepUp: this.#stepUp() });
        reject(reason);
      };
      const abort = () => giveUp(signal.reason);
      const answer = (token: string | null) => {
        signal.removeEventListener("abort", abort);
        resolve(token);
      };
      const demand: Demand = { need, answer };
      signal.addEventListener("abort", abort);
      this.#demands.add(demand);
      this.#change({ ...this.#state, stepUp: need });
      this.#source.stepUp(need).catch(giveUp);
    });
  }

  #answerDemands(token: string | null): void {
    const demands = [...this.#demands];
    this.#demands.clear();
    for (const { answer } of demands) answer(token);
  }

  /** What the page has to ask for: the last demand that nobody has given up. */
  #stepUp(): StepUp | null {
    return [...this.#demands].at(-1)?.need ?? null;
  }

  #change(state: LoginState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        queueMicrotask(() => {
          throw error; // where the platform reports it
        });
      }
    }
  }
}

function lives({ expiresAt }: AccessToken): boolean {
  return expiresAt - Date.now() > leastLifeMs;
}
