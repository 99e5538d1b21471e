import { type BoundClient, LoginSession, type LoginTokenRequest } from "./login-session.js";
import { PasswordLogin } from "./password-login.js";
import {
  ProviderLogin,
  type ProviderLoginOptions,
  type RedirectOptions,
} from "./provider-login.js";
import { type LoginState, pageUrl } from "./session-state.js";

/** Where users log in with a password: an embedded issuer. */
export interface PasswordSessionOptions {
  /**
   * The URL of the embedded issuer.
   * @default the page's origin
   */
  readonly url?: string | URL;
}

/** Where users log in at an OpenID provider, by authorization code and PKCE. */
export interface ProviderSessionOptions {
  /** The provider, and how this application is known there. */
  readonly provider: ProviderLoginOptions;
}

/** What both kinds of sessions have. */
export interface BrowserSession {
  /** Who is signed in. Each change is a new object, which suits `useSyncExternalStore`. */
  readonly state: LoginState;
  /** Calls `listener` after each change of `state`. Returns the function that ends that. */
  readonly subscribe: (listener: () => void) => () => void;
  /** For the option `token` of `createClient`. */
  readonly token: (request: LoginTokenRequest) => Promise<string | null>;
  /**
   * Resolves once it is known whether somebody is signed in. Rejects with `LoginFailure` if nobody
   * can be asked now; asking `token` tries again.
   */
  ready(): Promise<LoginState>;
  /**
   * Has a client follow the session: it connects anew when another user signs in, in whatever tab,
   * and closes when the user signs out. Returns the function that ends that.
   */
  bind(client: BoundClient): () => void;
  /** Stops hearing of other tabs. The login stays as it is. */
  close(): void;
}

/** A session by name and password. */
export interface PasswordSession extends BrowserSession {
  /** Signs in, in all tabs. Rejects with `LoginFailure`. */
  login(username: string, password: string): Promise<void>;
  /**
   * Sets the password of the user whom a token of `users.invite` or `users.resetPassword` names,
   * and signs that user in, in all tabs. Rejects with `LoginFailure`: `invalid_password_token`,
   * `invalid_password`, `too_many` or `unavailable`.
   */
  setPassword(passwordToken: string, newPassword: string): Promise<void>;
  /** Ends the login, in all tabs. Rejects with `LoginFailure` if the issuer can't be reached. */
  logout(): Promise<void>;
  /**
   * Ends all logins of the user, on all devices. Rejects with `LoginFailure`: `refused` where this
   * login has ended meanwhile, so that nobody knows whose; after another login it works.
   */
  signOutEverywhere(): Promise<void>;
}

/** A session of an OpenID provider. */
export interface ProviderSession extends BrowserSession {
  /** Leaves the page for the provider's, which leads back to it. */
  login(options?: RedirectOptions): Promise<void>;
  /**
   * Ends the login in all tabs, and leaves the page for the provider's logout, if it has one.
   */
  logout(): Promise<void>;
}

/**
 * Makes the session of a page: it logs in and out, renews tokens once for all tabs, and keeps the
 * login over a reload. One for each page and issuer. On a server that renders pages nobody is
 * signed in.
 *
 * @throws TypeError if an option is missing or unknown
 * @example
 * const session = createSession();
 * const client = createClient({ url: "/rpc", token: session.token });
 * session.bind(client);
 * await session.login("ada", password);
 */
export function createSession(options?: PasswordSessionOptions): PasswordSession;
/** Makes the session of a page whose users log in at an OpenID provider. */
export function createSession(options: ProviderSessionOptions): ProviderSession;
export function createSession(
  options: PasswordSessionOptions | ProviderSessionOptions = {},
): PasswordSession | ProviderSession {
  const known = ["url", "provider"];
  for (const name of Object.keys(options))
    if (!known.includes(name)) throw new TypeError(`createSession has no option ${name}`);
  return "provider" in options ? providerSession(options) : passwordSession(options);
}

function passwordSession({ url = "/" }: PasswordSessionOptions): PasswordSession {
  const page = pageUrl();
  // outside of a page nothing is asked before `login`, which says that a URL is missing
  const issuer = page === undefined ? String(url) : new URL(url, page).href;
  const source = new PasswordLogin(issuer);
  // the page shows a form, by state.stepUp
  const session = new LoginSession(
    `jotwire-session ${issuer}`,
    asSource(source, async () => {}),
  );
  return {
    ...shared(session),
    get state() {
      return session.state;
    },
    login: (username, password) => session.change(() => source.login(username, password)),
    setPassword: (passwordToken, newPassword) =>
      session.change(() => source.setPassword(passwordToken, newPassword)),
    logout: () => session.change(() => source.logout(false)),
    signOutEverywhere: () => session.change(() => source.logout(true)),
  };
}

function providerSession({ provider }: ProviderSessionOptions): ProviderSession {
  const name = `jotwire-session ${provider.issuer} ${provider.clientId}`;
  const source = new ProviderLogin(provider, name);
  const redirect = (options: RedirectOptions) => source.login(options);
  const session: LoginSession = new LoginSession(
    name,
    asSource(source, ({ acrValues, maxAge }) => redirect({ acrValues, maxAge })),
  );
  const arrival = source.isArrival() ? session.change(() => source.arrive()) : undefined;
  arrival?.catch(() => {}); // ready() tells
  return {
    ...shared(session),
    get state() {
      return session.state;
    },
    ready: async () => {
      await arrival;
      return session.ready();
    },
    token: async (request) => {
      await arrival?.catch(() => {}); // an older login may be there still
      return session.token(request);
    },
    login: (options = {}) => redirect(options),
    async logout() {
      const leave = await source.logoutUrl();
      await session.change(() => source.logout());
      if (leave !== undefined) location.assign(leave);
    },
  };
}

type Source = ConstructorParameters<typeof LoginSession>[1];

function asSource(source: Omit<Source, "stepUp">, stepUp: Source["stepUp"]): Source {
  return {
    survivesReload: () => source.survivesReload(),
    renew: (signal) => source.renew(signal),
    forget: () => source.forget(),
    stepUp,
  };
}

function shared(session: LoginSession): Omit<BrowserSession, "state"> {
  return {
    subscribe: (listener) => session.subscribe(listener),
    token: (request) => session.token(request),
    ready: () => session.ready(),
    bind: (client) => session.bind(client),
    close: () => session.close(),
  };
}
