/** The script of the tests' page: it uses the SDK, and takes notes. */
import {
  type Client,
  createClient,
  DisconnectedError,
  gap,
  safe,
  type TokenRequest,
} from "../../../client/index.js";
import type {
  Notes,
  Outcome,
  SdkUser,
  TokenHabit,
  UserOptions,
} from "../../helpers/client/sdk-user.js";

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

const states: string[] = [];
const tokenCalls: Notes["tokenCalls"][number][] = [];
const events: { name: string; params: unknown }[] = [];
const watched: unknown[] = [];
const shown: boolean[] = [];
const requests: string[] = [];
const uncaught: string[] = [];
const secrets: string[] = [];
const started: Promise<Outcome>[] = [];
let sockets = 0;
let habit: TokenHabit = "renews";
let isTogether = false;
let release = () => {};
let released = Promise.resolve();
let tokens: Tokens | undefined;
let client: Client | undefined;

class CountedSocket extends WebSocket {
  constructor(url: string, protocols: string) {
    super(url, protocols);
    sockets++;
  }

  override send(text: string): void {
    super.send(text);
    const { method } = JSON.parse(text) as { readonly method?: string };
    if (method !== undefined) requests.push(method);
  }
}

addEventListener("error", ({ message }) => uncaught.push(message));
addEventListener("unhandledrejection", ({ reason }) => uncaught.push(String(reason)));
addEventListener("pageshow", ({ persisted }) => shown.push(persisted));

function current(): Client {
  if (client === undefined) throw new Error("open it first");
  return client;
}

function setHabit(next: TokenHabit): void {
  habit = next;
  if (next === "held") {
    released = new Promise((resolve) => {
      release = resolve;
    });
  }
}

async function token({ reason, force, attempt, signal }: TokenRequest): Promise<string | null> {
  tokenCalls.push({ reason, force, attempt });
  if (habit === "none") return null;
  if (habit === "throws") throw new Error("no token today");
  if (habit === "hangs")
    return new Promise(
      (_, reject) => void signal.addEventListener("abort", () => reject(signal.reason)),
    );
  if (habit === "held") await released;
  if (tokens && (!force || habit === "same")) return tokens.access_token;
  const refresh_token = isTogether ? localStorage.getItem("login") : tokens?.refresh_token;
  tokens = refresh_token
    ? await post("/token", { grant_type: "refresh_token", refresh_token }, signal)
    : await post("/login", { username: "ada", password: "correct horse battery" }, signal);
  if (isTogether) localStorage.setItem("login", tokens.refresh_token);
  secrets.push(tokens.access_token, tokens.refresh_token);
  return tokens.access_token;
}

async function post(path: string, body: object, signal: AbortSignal): Promise<Tokens> {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(path, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    signal,
  });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return (await response.json()) as Tokens;
}

async function outcomeOf(promise: Promise<unknown>): Promise<Outcome> {
  const result = await safe(promise);
  if (result.ok) return { ok: true, value: result.value };
  const { error } = result;
  if (error instanceof DisconnectedError)
    return { ok: false, code: error.code, sent: error.sent, reason: error.reason };
  return { ok: false, code: error.code ?? String(error) }; // what token() threw has no code
}

async function follow(subscription: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const event of subscription) watched.push(event === gap ? "gap" : event);
  } catch (error) {
    watched.push(String(error));
  }
}

const user: SdkUser = {
  open({ habit: first = "renews", soon = false, slow = false, share, ...rest }: UserOptions = {}) {
    setHabit(first);
    isTogether = rest.isTogether ?? false;
    client = createClient({
      url: new URL("/rpc", location.href.replace(/^http/, "ws")),
      token,
      share,
      WebSocket: CountedSocket,
      ...(soon ? { backoff: { min: 20, max: 200 }, testing: { random: () => 0 } } : {}),
      ...(slow
        ? { backoff: { min: 3_600_000, max: 3_600_000 }, testing: { random: () => 0.999 } }
        : {}),
    });
    client.on("state", ({ to, reason }) =>
      states.push(reason === undefined ? to : `${to}: ${reason}`),
    );
    for (const name of [
      "clockSkew",
      "auth.expiring",
      "auth.expired",
      "connection.closing",
      "numbers.changed",
    ]) {
      client.on(name, (params) => events.push({ name, params }));
    }
  },
  setHabit,
  release: () => release(),
  ready: () => outcomeOf(current().ready()),
  call: (name, params) => outcomeOf(current().call(name, params)),
  watch(name, params) {
    void follow(current().subscribe(name, params, { gaps: true }));
  },
  start(name, params) {
    started.push(outcomeOf(current().call(name, params)));
  },
  outcomes: () => Promise.all(started),
  refresh: () => outcomeOf(current().refresh()),
  reconnect: () => outcomeOf(current().reconnect()),
  close: () => current().close(),
  notes: () => ({
    ...{ states, tokenCalls, requests, uncaught, sockets, events, watched, shown },
    state: client?.state ?? "none",
    subject: client?.session?.subject ?? null,
  }),
  secrets: () => secrets,
};

Object.assign(globalThis, { user });
