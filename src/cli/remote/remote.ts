/** Connects a command to a running server with the client SDK. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Client,
  createClient,
  DisconnectedError,
  type StateChange,
  type TokenCallback,
} from "../../../client/node.js";
import { CliError, failingAs } from "../cli-error.js";
import { readSecret } from "../settings/secret-input.js";
import { explainFailure, isAboutToken } from "./call-failure.js";
import { checkUrl, login, renewLogin } from "./token-endpoint.js";

export interface RemoteOptions {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly user?: string;
  readonly passwordStdin?: boolean;
  /** Limit for connection and calls together, milliseconds. */
  readonly timeout: number;
  readonly allowInsecure?: boolean;
  /**
   * Asks for the password.
   * @default at the terminal, or all of standard input
   */
  readonly readPassword?: () => Promise<string>;
}

/** What a command needs beside its client. */
export interface Remote {
  /** The failure with advice, if it is one of the server or the network. */
  explain(failure: unknown): unknown;
  /**
   * Returns why no further attempt to connect can succeed: nothing else would give another token.
   */
  whyHopeless(change: StateChange): unknown;
}

/**
 * Connects, runs `use`, and disconnects. Throws `CliError` with advice for errors of the server and
 * the network.
 */
export async function withRemote(
  urlText: string,
  options: RemoteOptions,
  use: (client: Client, remote: Remote) => Promise<void>,
  before: (client: Client) => void = () => {},
): Promise<void> {
  const { token, tokenFile, user, timeout, allowInsecure = false } = options;
  const given = [token, tokenFile, user].filter((one) => one !== undefined);
  if (given.length > 1)
    throw new CliError("usage", "give one of --token (JOTWIRE_TOKEN), --token-file and --user");
  const url = webSocketUrl(
    checkUrl(urlText, ["ws:", "wss:", "http:", "https:"], given.length > 0, allowInsecure),
  );
  const remote: Remote = {
    explain: (failure) => explainFailure(failure, { url, token }),
    whyHopeless({ reason = "", code, cause }) {
      if (cause instanceof CliError && cause.kind === "authentication") return cause;
      return token !== undefined && isAboutToken(reason)
        ? remote.explain(new DisconnectedError("no", reason, code, cause))
        : undefined;
    },
  };
  const tokens = await tokenCallback(url, options);
  const client = createClient({ url, token: tokens, timeout, connect: "lazy" });
  try {
    before(client);
    await connected(client, url, timeout);
    await use(client, remote);
  } catch (error) {
    throw remote.explain(error);
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
  { token, tokenFile, user, passwordStdin = false, readPassword }: RemoteOptions,
): Promise<TokenCallback | undefined> {
  if (tokenFile !== undefined) {
    const read = async () => (await readFile(tokenFile, "utf8")).trim();
    await failingAs("configuration", `the token in ${tokenFile} can't be read: `, read);
    return read; // again and again: somebody may put the next one there
  }
  if (user === undefined) return token === undefined ? undefined : () => token;
  const password = await (readPassword?.() ?? readSecret("password", { fromStdin: passwordStdin }));
  const base = url.origin.replace(/^ws/, "http");
  let tokens = await login(base, user, password);
  return async ({ force }) => {
    if (force) tokens = (await renewLogin(base, tokens)) ?? (await login(base, user, password));
    return tokens.access_token;
  };
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
