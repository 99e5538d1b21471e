import type { TokenRequest } from "../session/token-request.js";
import type { AccessToken, LoginState, StepUp } from "./session-state.js";
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
  /** A method demands another login. */
  stepUp(need: StepUp): void;
}

/** What a session needs of a client: `createClient` makes one. */
export interface BoundClient {
  /** Connects anew, with a token for whoever is signed in. */
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
  #onLogin: () => void = () => {};

  /** `name`: the same in all tabs of the login. */
  constructor(name: string, source: LoginSource) {
    this.#source = source;
    this.#tabs = new Tabs(name, (message) => {
      if (message.is === "signed_in") this.#adopt(message.access);
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
    this.#first ??= this.#restore();
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

  /** One renewal for whoever asks meanwhile, in this tab and the others. */
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
      this.#settle(outcome);
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
    if (this.#tabs.markedAt() === null || !this.#source.survivesReload())
      return this.#signOut("never");
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

  #settle(outcome: AccessToken | "logout" | "ended" | "never"): void {
    const isShared = this.#source.survivesReload();
    if (typeof outcome === "object") {
      if (isShared) this.#tabs.mark(true);
      this.#adopt(outcome);
      if (isShared) this.#tabs.tell({ is: "signed_in", access: outcome });
    } else {
      this.#tabs.mark(false);
      this.#signOut(outcome);
      if (isShared) this.#tabs.tell({ is: "signed_out" });
    }
  }

  #adopt(access: AccessToken): void {
    this.#access = access;
    const { subject, scopes } = access;
    const survivesReload = this.#source.survivesReload();
    this.#first ??= Promise.resolve();
    this.#onLogin();
    this.#change({
      ...{ status: "signed_in", subject, scopes, survivesReload },
      ...{ reason: null, stepUp: null },
    });
  }

  #signOut(reason: "never" | "logout" | "ended"): void {
    this.#access = undefined;
    this.#source.forget();
    this.#change({
      ...{ status: "signed_out", subject: null, scopes: [], reason, stepUp: null },
      survivesReload: this.#source.survivesReload(),
    });
  }

  /** Waits for the login that the page asks for. */
  #steppedUp({ acrValues = [], maxAge, signal }: LoginTokenRequest): Promise<string | null> {
    if (this.#state.status !== "signed_in") return Promise.resolve(null);
    const need = { acrValues, maxAge };
    const { subject } = this.#state;
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.#change({ ...this.#state, stepUp: null });
        reject(signal.reason);
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", giveUp, { once: true });
      this.#onLogin = () => {
        this.#onLogin = () => {};
        signal.removeEventListener("abort", giveUp);
        const access = this.#access;
        resolve(access?.subject === subject ? access.token : null);
      };
      this.#change({ ...this.#state, stepUp: need });
      this.#source.stepUp(need);
    });
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
