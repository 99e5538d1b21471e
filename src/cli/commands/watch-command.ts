/** `jotwire watch`: prints the events of one subscription as lines of JSON. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Client } from "../../../client/node.js";
import type { Position } from "../../protocol/messages.js";
import { CliError, codeOf } from "../cli-error.js";
import { printJson, printNote } from "../output.js";
import { paramsOf } from "../remote/params.js";
import { type Remote, type RemoteOptions, withRemote } from "../remote/remote.js";
import { WatchedSubscription } from "../remote/watched-subscription.js";
import { addRemoteOptions } from "../settings/options.js";

interface WatchOptions extends RemoteOptions {
  readonly since?: Position;
  readonly offsets?: boolean;
}

const maxUnwritten = 1_048_576; // 1 MiB of lines that nobody has read yet

export function addWatchCommand(program: Command): void {
  addRemoteOptions(
    program
      .command("watch <url> <topic> [params]")
      .description("subscribe, and print each event as a line of JSON, until it is interrupted"),
  )
    .addOption(
      new Option(
        "--since <epoch:offset>",
        "go on after this event, where the topic keeps a history",
      ).argParser(placeOf),
    )
    .addOption(
      new Option(
        "--offsets",
        'print {"epoch", "offset", "data"} for each event, and {"gap":true} where events were lost',
      ),
    )
    .addHelpText(
      "after",
      `
Events go to standard output, everything else to standard error: losses, lost connections, and at
the end what to give to --since to go on. SIGINT, SIGTERM and a reader that has gone end it with 0.

Examples:
  jotwire watch ws://localhost:8080 prices.watch '{"sku":"C3"}' --user ada
  jotwire watch wss://api.example.com orders.watch --token-file token.jwt | jq .status
  jotwire watch ws://localhost:8080 prices.watch '{"sku":"C3"}' --offsets --since 8c0f1f2e:12`,
    )
    .action(watch);
}

async function watch(
  url: string,
  name: string,
  paramsText: string | undefined,
  options: WatchOptions,
): Promise<void> {
  const { since } = options;
  const params = paramsText === undefined ? undefined : paramsOf(paramsText);
  if (since !== undefined && Array.isArray(params))
    throw new CliError("usage", "--since needs params by name: give them as a JSON object");
  await withRemote(url, options, (client, remote) =>
    printEvents(client, remote, { name, params, since }, options),
  );
}

async function printEvents(
  client: Client,
  { whyHopeless }: Remote,
  watched: { name: string; params: object | undefined; since: Position | undefined },
  { offsets = false, timeout }: WatchOptions,
): Promise<void> {
  const { stdout } = process;
  let isLost = false;
  let printed: Position | undefined;
  const subscription = new WatchedSubscription(client, watched, {
    get isFull() {
      return stdout.writableLength > maxUnwritten;
    },
    event(data, place) {
      printJson(offsets ? { ...place, data } : data);
      printed = place;
    },
    gap() {
      printNote("events were lost here");
      if (offsets) printJson({ gap: true });
    },
    subscribed() {
      if (isLost) printNote("subscribed again");
      isLost = false;
    },
  });
  const onState = client.on("state", (change) => {
    if (change.to !== "waiting") return;
    const error = whyHopeless(change);
    if (error !== undefined) return subscription.fail(error);
    if (!isLost) printNote(`connection lost (${change.reason}); trying again`);
    isLost = true;
  });
  const stop = () => subscription.stop();
  const onError = (error: Error) => {
    if (codeOf(error) === "EPIPE") stop();
    else subscription.fail(error);
  };
  const drained = () => subscription.drained();
  stdout.on("error", onError).on("drain", drained);
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    await subscription.run(timeout);
  } finally {
    onState();
    stdout.off("drain", drained); // an error may still come, and is nobody's any more
    process.off("SIGINT", stop).off("SIGTERM", stop);
    if (printed !== undefined)
      printNote(`to go on after the last event: --since ${printed.epoch}:${printed.offset}`);
  }
}

function placeOf(text: string): Position {
  const [, epoch, offset] = /^(.+):(\d{1,16})$/.exec(text) ?? [];
  if (epoch !== undefined && Number.isSafeInteger(Number(offset)))
    return { epoch, offset: Number(offset) };
  throw new InvalidArgumentError("It must be an epoch and an offset, such as 8c0f1f2e:12.");
}
