/** `jotwire call`: calls one method over the client SDK. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import type { Client } from "../../../client/node.js";
import { CliError, messageOf } from "../cli-error.js";
import { printJson } from "../output.js";
import { type RemoteOptions, withRemote } from "../remote/remote.js";
import {
  configOption,
  insecureOption,
  passwordStdinOption,
  tokenOption,
} from "../settings/options.js";
import { listOption, numberOption } from "../settings/settings.js";

interface CallOptions extends RemoteOptions {
  readonly on: readonly string[];
  readonly listen?: number;
}

const listenDefault = 1_000; // 1 s
const sampleParams = `such as '{"id":"o1"}'`;

export function addCallCommand(program: Command): void {
  program
    .command("call <url> <method> [params]")
    .description("call a method, and print its result as JSON")
    .addOption(tokenOption())
    .addOption(
      new Option(
        "--user <name>",
        "log in as this user at the same server; the password is asked for, or read from standard input",
      ),
    )
    .addOption(passwordStdinOption())
    .addOption(
      numberOption("--timeout <ms>", "for connection and call together", 1, 3_600_000).default(
        30_000,
      ),
    )
    .addOption(
      listOption("--on <notification>", "print these notifications too, a line of JSON each"),
    )
    .addOption(
      numberOption(
        "--listen <ms>",
        "how long to wait for notifications after the result (default: 1000 with --on)",
        0,
        86_400_000,
      ),
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

async function call(
  url: string,
  method: string,
  paramsText: string | undefined,
  options: CallOptions,
): Promise<void> {
  const { on, listen = on.length > 0 ? listenDefault : 0 } = options;
  const params = paramsText === undefined ? undefined : paramsOf(paramsText);
  const watch = (client: Client) => {
    for (const name of on) client.on(name, (event) => printJson({ method: name, params: event }));
  };
  const use = async (client: Client) => {
    printJson(await client.call(method, params));
    await sleep(listen);
  };
  await withRemote(url, options, use, watch);
}

function paramsOf(text: string): unknown {
  try {
    const params: unknown = JSON.parse(text);
    if (typeof params === "object" && params !== null) return params;
  } catch (error) {
    throw new CliError(
      "usage",
      `the params are no JSON (${messageOf(error)}): give an object or array ${sampleParams}`,
    );
  }
  throw new CliError("usage", `the params must be a JSON object or array, ${sampleParams}`);
}
