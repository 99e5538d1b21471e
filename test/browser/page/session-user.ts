/** A page with `createSession` and a client, as a test reaches them: `globalThis.visitor`. */
import { createClient } from "../../../client/index.js";
import {
  type BrowserSession,
  createSession,
  type LoginState,
} from "../../../client/login/index.js";

const { provider } = globalThis as unknown as { readonly provider?: object };
/** Either kind: a test calls what its kind has. */
interface AnySession extends BrowserSession {
  login(...args: readonly unknown[]): Promise<void>;
  setPassword(token: string, newPassword: string): Promise<void>;
  logout(): Promise<void>;
  signOutEverywhere(): Promise<void>;
}

const session = createSession(
  provider === undefined ? {} : ({ provider } as object),
) as unknown as AnySession;
const client = createClient({
  url: `${location.origin.replace("http", "ws")}/rpc`,
  token: (request) => session.token(request),
});
session.bind(client);
const states: LoginState[] = [];
session.subscribe(() => states.push(session.state));

/** What became of it, since an error does not come through as it is. */
async function outcome(work: Promise<unknown>): Promise<unknown> {
  try {
    return { ok: true, value: await work };
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message: string };
    return { ok: false, code, message };
  }
}

Object.assign(globalThis, {
  visitor: {
    state: () => session.state,
    states: () => states,
    client: () => client.state,
    ready: () => outcome(session.ready()),
    login: (...args: readonly unknown[]) => outcome(session.login(...args)),
    setPassword: (token: string, newPassword: string) =>
      outcome(session.setPassword(token, newPassword)),
    logout: () => outcome(session.logout()),
    everywhere: () => outcome(session.signOutEverywhere()),
    whoami: () => outcome(client.call("whoami")),
    add: (a: number, b: number) => outcome(client.call("numbers.add", { a, b })),
    token: (request: object) =>
      outcome(
        session.token({
          reason: "refresh",
          force: true,
          attempt: 1,
          previous: null,
          signal: AbortSignal.timeout(5_000),
          ...request,
        }),
      ),
    stored: () => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)]),
    cookie: () => document.cookie,
  },
});
