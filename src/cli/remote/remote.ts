/** Connects a command to a running server with the client SDK. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Client,
  createClient,
  DisconnectedError,
  type TokenCallback,
} from "../../../client/node.js";
import { CliError } from "../cli-error.js";
import { readSecret } from "../settings/secret-input.js";
import { explainFailure } from "./call-failure.js";
import { checkUrl, login } from "./token-endpoint.js";

export interface RemoteOptions {
  readonly token?: string;
  readonly user?: string;
  readonly passwordStdin?: boolean;
  /** Limit for connection and calls together, milliseconds. */
  readonly timeout: number;
  readonly allowInsecure?: boolean;
}

/**
 * Connects, runs `use`, and disconnects. Throws `CliError` with advice for errors of the server and
 * the network.
 */
export async function withRemote(
  urlText: string,
  options: RemoteOptions,
  use: (client: Client) => Promise<void>,
  before: (client: Client) => void = () => {},
): Promise<void> {
  const { token, user, timeout, allowInsecure = false } = options;
  const isSecret = token !== undefined || user !== undefined;
  const url = webSocketUrl(
    checkUrl(urlText, ["ws:", "wss:", "http:", "https:"], isSecret, allowInsecure),
  );
  const tokens = await tokenCallback(url, options);
  const client = createClient({ url, token: tokens, timeout, connect: "lazy" });
  try {
    before(client);
    await connected(client, url, timeout);
    await use(client);
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

/** Gets the first token before the connection, so that a wrong password is reported as such. */
async function tokenCallback(
  url: URL,
  { token, user, passwordStdin = false }: RemoteOptions,
): Promise<TokenCallback | undefined> {
  if (user === undefined) return token === undefined ? undefined : () => token;
  if (token !== undefined) throw new CliError("usage", "give either --token or --user");
  const password = await readSecret("password", { fromStdin: passwordStdin });
  const base = url.origin.replace(/^ws/, "http");
  const { access_token: first } = await login(base, user, password);
  return async ({ force }) => (force ? (await login(base, user, password)).access_token : first);
}

/** The SDK would retry without end, so the first failure rejects. */
async function connected(client: Client, url: URL, timeout: number): Promise<void> {
  const failed = new Promise<never>((_, reject) => {
    client.on("state", ({ to, reason = "connection_lost", code, cause }) => {
      if (to === "waiting") reject(new DisconnectedError("no", reason, code, cause));
    });
  });
  const late = sleep(timeout, undefined, { ref: false }).then(() => {
    throw new CliError(
      "connection",
      `no connection to ${url.origin}${url.pathname} within ${timeout} ms; raise --timeout`,
    );
  });
  // the loser of the race must not become an unhandled rejection
  failed.catch(() => undefined);
  late.catch(() => undefined);
  await Promise.race([client.ready(), failed, late]);
}
