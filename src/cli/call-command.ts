/** `jotwire call`: calls one method over the client SDK. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import { type Client, createClient, DisconnectedError, type TokenCallback } from "../../client/node.js";
import { explainFailure } from "./call-failure.js";
import { CliError, messageOf } from "./cli-error.js";
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
const sampleParams = `such as '{"id":"o1"}'`;

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
    throw explainFailure(error, { url, token });
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
    throw new CliError("usage", `the params are no JSON (${messageOf(error)}): give an object or array ${sampleParams}`);
  }
  throw new CliError("usage", `the params must be a JSON object or array, ${sampleParams}`);
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
    client.on("state", ({ to, reason = "connection_lost", code, cause }) => {
      if (to === "waiting") reject(new DisconnectedError("no", reason, code, cause));
    });
  });
  const late = sleep(timeout, undefined, { ref: false }).then(() => {
    throw new CliError("connection", `no connection to ${url.origin}${url.pathname} within ${timeout} ms: raise --timeout`);
  });
  failed.catch(() => undefined); // after the race nobody listens, and a lost call tells it by itself
  late.catch(() => undefined);
  await Promise.race([client.ready(), failed, late]);
}
