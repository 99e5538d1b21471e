/** `jotwire call`: calls one method over the client SDK. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import { type Client, createClient, DisconnectedError, JotwireError, RpcError, type TokenCallback } from "../../client/node.js";
import { CliError, messageOf } from "./cli-error.js";
import { decodeToken, expiryText, secondsLeft } from "./decoded-token.js";
import { configOption, insecureOption, passwordStdinOption } from "./options.js";
import { printJson } from "./output.js";
import { readSecret } from "./secret-input.js";
import { listOption, numberOption } from "./settings.js";
import { checkUrl, login } from "./token-endpoint.js";

interface CallOptions {
  readonly token?: string;
  readonly user?: string;
  readonly passwordStdin?: boolean;
  readonly timeout: number;
  readonly on: readonly string[];
  readonly listen?: number;
  readonly allowInsecure?: boolean;
}

const listenDefault = 1_000; // 1 s

export function addCallCommand(program: Command): void {
  program
    .command("call <url> <method> [params]")
    .description("call a method, and print its result as JSON")
    .addOption(new Option("--token <jwt>", "access token; better by JOTWIRE_TOKEN, since others can see arguments"))
    .addOption(
      new Option("--user <name>", "log in as this user at the same server; the password is asked for, or read from standard input"),
    )
    .addOption(passwordStdinOption())
    .addOption(numberOption("--timeout <ms>", "for connection and call together", 1, 3_600_000).default(30_000))
    .addOption(listOption("--on <notification>", "print these notifications too, a line of JSON each"))
    .addOption(
      numberOption("--listen <ms>", "how long to wait for notifications after the result (default: 1000 with --on)", 0, 86_400_000),
    )
    .addOption(insecureOption("send secrets also by plain ws to another machine"))
    .addOption(configOption())
    .addHelpText(
      "after",
      `
Without a token and a user only public methods can be called. The path is /rpc unless the URL has one.

Examples:
  jotwire call ws://localhost:8080 stock.list
  JOTWIRE_TOKEN=$(jotwire token --user ada) jotwire call ws://localhost:8080/rpc orders.create '{"sku":"A1"}'
  jotwire call wss://api.example.com/rpc orders.create '{"sku":"A1"}' --user ada --on order.created`,
    )
    .action(call);
}

async function call(urlText: string, method: string, paramsText: string | undefined, options: CallOptions): Promise<void> {
  const { token, user, timeout, on, listen = on.length > 0 ? listenDefault : 0, allowInsecure = false } = options;
  const isSecret = token !== undefined || user !== undefined;
  const url = webSocketUrl(checkUrl(urlText, ["ws:", "wss:", "http:", "https:"], isSecret, allowInsecure));
  const params = paramsText === undefined ? undefined : paramsOf(paramsText);
  const tokens = await tokenCallback(url, options);
  const client = createClient({ url, token: tokens, timeout, connect: "lazy" });
  try {
    for (const name of on) client.on(name, (event) => printJson({ method: name, params: event }));
    await connected(client, url, timeout);
    printJson(await client.call(method, params));
    await sleep(listen);
  } catch (error) {
    throw explain(error, token);
  } finally {
    await client.close();
  }
}

function webSocketUrl(url: URL): URL {
  const result = new URL(url.href.replace(/^http/, "ws"));
  if (result.pathname === "/") result.pathname = "/rpc";
  return result;
}

function paramsOf(text: string): unknown {
  try {
    const params: unknown = JSON.parse(text);
    if (typeof params === "object" && params !== null) return params;
  } catch (error) {
    throw new CliError("usage", `the params are no JSON: ${messageOf(error)}`);
  }
  throw new CliError("usage", `the params must be a JSON object or array, such as '{"id":"o1"}'`);
}

/** The first token is there before the connection, so that a wrong password is told as such. */
async function tokenCallback(url: URL, { token, user, passwordStdin = false }: CallOptions): Promise<TokenCallback | undefined> {
  if (user === undefined) return token === undefined ? undefined : () => token;
  if (token !== undefined) throw new CliError("usage", "either --token or --user");
  const password = await readSecret("password", { fromStdin: passwordStdin });
  const base = url.origin.replace(/^ws/, "http");
  const { access_token: first } = await login(base, user, password);
  return async ({ force }) => (force ? (await login(base, user, password)).access_token : first);
}

/** The SDK would try for ever; here the first failure is the last. */
async function connected(client: Client, url: URL, timeout: number): Promise<void> {
  const failed = new Promise<never>((_, reject) => {
    client.on("state", ({ to, reason = "connection_lost", code }) => {
      if (to === "waiting") reject(new DisconnectedError("no", reason, code));
    });
  });
  const late = sleep(timeout, undefined, { ref: false }).then(() => {
    throw new CliError("connection", `no connection to ${url.href} within ${timeout} ms`);
  });
  failed.catch(() => undefined); // after the race nobody listens, and a lost call tells it by itself
  late.catch(() => undefined);
  await Promise.race([client.ready(), failed, late]);
}

const authReasons: ReadonlySet<string> = new Set([
  ...["unauthenticated", "token_expired", "token_invalid", "token_revoked", "token_refused", "subject_mismatch", "signed_out"],
]);

function explain(error: unknown, token: string | undefined): unknown {
  if (error instanceof RpcError) return explainAnswer(error, token);
  if (error instanceof DisconnectedError) return explainLoss(error, token);
  if (error instanceof JotwireError && error.type === "timeout") return new CliError("connection", "no answer in time: raise --timeout");
  return error;
}

function explainAnswer({ type, code, message, data }: RpcError, token: string | undefined): CliError {
  if (authReasons.has(type)) return new CliError("authentication", `${code} ${message} (${type})${hintFor(type, token)}`);
  return new CliError("answer", `${code} ${message}${data === undefined || data === null ? "" : ` ${JSON.stringify(data)}`}`);
}

function explainLoss({ reason, closeCode = 1006 }: DisconnectedError, token: string | undefined): CliError {
  if (authReasons.has(reason)) return new CliError("authentication", `the token was refused (${reason})${hintFor(reason, token)}`);
  const code = closeCode === 1006 ? "" : ` ${closeCode}`; // RFC 6455 §7.1.5: 1006 says nothing
  return new CliError("connection", `no connection (${reason}${code}): is the server running there, and is the path right?`);
}

function hintFor(reason: string, token: string | undefined): string {
  if (reason === "unauthenticated" && token === undefined) return ": give --user <name>, or a token in JOTWIRE_TOKEN";
  return token === undefined ? "" : `: it ${tokenExpiry(token)}; a new one: jotwire token --user <name>`;
}

function tokenExpiry(token: string): string {
  try {
    return expiryText(secondsLeft(decodeToken(token)));
  } catch (error) {
    if (error instanceof CliError) return "is no JWT";
    throw error;
  }
}
