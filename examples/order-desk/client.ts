/**
 * A customer of the order desk, over the SDK. Usage: JOTWIRE_PASSWORD=… npx tsx
 * examples/order-desk/client.ts [http://localhost:8080] [ada]
 */
import { type CallPromise, type Client, createClient, safe } from "jotwire/client";
import type { App } from "./app.ts";

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

const [base = "http://localhost:8080", username = "ada"] = process.argv.slice(2);
const { JOTWIRE_PASSWORD: password } = process.env;

let tokens: Tokens | undefined;

/** Logs in; later on, renews by the refresh token. */
async function accessToken(signal: AbortSignal): Promise<string> {
  tokens =
    tokens === undefined
      ? await post("/login", { username, password }, signal)
      : await post(
          "/token",
          { grant_type: "refresh_token", refresh_token: tokens.refresh_token },
          signal,
        );
  return tokens.access_token;
}

async function post(path: string, body: object, signal: AbortSignal): Promise<Tokens> {
  const headers = { "Content-Type": "application/json" };
  const ask = () =>
    within(3_000, signal, async (limit) => {
      const response = await fetch(new URL(path, base), {
        method: "POST",
        headers,
        body: JSON.stringify(body),
        signal: limit,
      });
      return {
        response,
        answer: (await response.json()) as Tokens & { readonly error_description?: string },
      };
    });
  // an answer that was lost is given again for the same refresh token, but for 10 s only: so
  // neither wait long, nor ask later
  const { response, answer } = await ask().catch(ask);
  if (!response.ok)
    throw new Error(
      `${path} answered ${response.status}: ${answer.error_description ?? "it gave no reason"}`,
    );
  return answer;
}

/** Aborts what `work` does after `ms` milliseconds, or with `signal`. */
async function within<T>(
  ms: number,
  signal: AbortSignal,
  work: (limit: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const abort = () => limit.abort(new Error(`no answer within ${ms} ms`));
  const timer = setTimeout(abort, ms);
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    return await work(limit.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

function say(...words: readonly unknown[]): void {
  process.stdout.write(
    `${words.map((word) => (typeof word === "string" ? word : JSON.stringify(word))).join(" ")}\n`,
  );
}

async function shop(): Promise<void> {
  // a wrong password is told here, at once
  const first = await accessToken(AbortSignal.timeout(10_000));
  const url = new URL("/rpc", base.replace(/^http/, "ws"));
  const client = createClient<App>({
    url,
    token: ({ force, signal }) => (force ? accessToken(signal) : first),
  });
  try {
    await buy(client);
  } finally {
    await client.close();
  }
}

async function buy(client: Client<App>): Promise<void> {
  client.on("order.created", ({ id, status }) => say("notification: order", id, status));
  client.on("order.updated", ({ id, status }) => say("notification: order", id, status));
  client.on(
    "report.progress",
    ({ done, of }) => done % 10 === 0 && say("notification: report", `${done}/${of}`),
  );

  say("stock:", await client.api.stock.list());

  // with its own key the call may be repeated after a lost connection, and is still one order
  const order = await client.api.orders.create(
    { sku: "B2", qty: 2, key: crypto.randomUUID() },
    { idempotent: true },
  );
  say("ordered:", order);

  const tooMany = await safe(client.api.orders.create({ sku: "C3", qty: 999 }));
  if (!tooMany.ok && tooMany.error.code === "OUT_OF_STOCK")
    say("out of stock, left:", tooMany.error.data.left);

  const { orders, next } = await client.api.orders.list({ limit: 5 });
  say(
    `${orders.length} orders${next === null ? "" : ", and more"}:`,
    orders.map(({ id, status }) => `${id} ${status}`).join(", "),
  );

  const giveUp = new AbortController();
  const report = await cancelAfter(
    client.api.reports.sales(undefined, { signal: giveUp.signal }),
    1_000,
    giveUp,
  );
  say("report:", report.ok ? report.value : report.error.code);

  say("cancelled:", await client.api.orders.cancel({ id: order.id }));
}

function cancelAfter<T, E>(call: CallPromise<T, E>, delay: number, controller: AbortController) {
  const timer = setTimeout(() => controller.abort(), delay);
  return safe(call).finally(() => clearTimeout(timer));
}

/** What went wrong, in one line. `fetch` says only that it failed; its cause says why. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = Object(error.cause) as { readonly code?: unknown };
  return code === "ECONNREFUSED"
    ? `nothing listens at ${base}: is the server running? (npm start)`
    : error.message;
}

try {
  if (password === undefined)
    throw new Error(
      "put the password that the first start of the server showed into JOTWIRE_PASSWORD",
    );
  await shop();
} catch (error) {
  process.stderr.write(`${wordsOf(error)}\n`);
  process.exitCode = 1;
}
