/** `jotwire call`: calls one method over the client SDK. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { Client } from "../../../client/node.js";
import { subscriptionMark } from "../../protocol/messages.js";
import { CliError } from "../cli-error.js";
import { printJson } from "../output.js";
import { paramsOf } from "../remote/params.js";
import { type RemoteOptions, withRemote } from "../remote/remote.js";
import { addRemoteOptions } from "../settings/options.js";
import { listOption, numberOption } from "../settings/settings.js";

interface CallOptions extends RemoteOptions {
  readonly on: readonly string[];
  readonly listen?: number;
}

const listenDefault = 1_000; // 1 s

export function addCallCommand(program: Command): void {
  addRemoteOptions(
    program
      .command("call <url> <method> [params]")
      .description("call a method, and print its result as JSON"),
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
    const result = await client.call(method, params);
    if (Object(result)[subscriptionMark] === true)
      throw new CliError(
        "usage",
        `${method} is a subscription: use jotwire watch, with the same arguments`,
      );
    printJson(result);
    await sleep(listen);
  };
  await withRemote(url, options, use, watch);
}
