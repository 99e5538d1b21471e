/** `jotwire client`: programs that get tokens for themselves (OAuth client credentials). */
import type { Command } from "commander";
import { printJson, printLine, printNewFolder, printNote, printTable } from "../output.js";
import { type IssuerPlace, withIssuer } from "../settings/issuer-store.js";
import {
  configOption,
  jsonOption,
  redisOption,
  redisPrefixOption,
  scopeOption,
  stateOption,
} from "../settings/options.js";
import { StateFolder } from "../settings/state-folder.js";

interface ClientOptions extends IssuerPlace {
  readonly json?: boolean;
}

export function addClientCommand(program: Command): void {
  const client = program
    .command("client")
    .description(
      "programs that log in by themselves: works on the state folder or Redis, also beside a running server",
    );
  const action = (name: string, description: string) =>
    client
      .command(name)
      .description(description)
      .addOption(stateOption())
      .addOption(redisOption())
      .addOption(redisPrefixOption())
      .addOption(configOption());

  action("add [id]", "make a client; shows its secret this once")
    .addOption(scopeOption())
    .addOption(jsonOption("print JSON"))
    .action(add);
  action("remove <id>", "remove a client, and revoke the tokens that it has").action(remove);
  action("list", "show all clients").addOption(jsonOption("print JSON")).action(list);
  client.addHelpText(
    "after",
    `
Examples:
  jotwire client add billing --scope orders:read
  jotwire token --client-id billing --client-secret-stdin < secret`,
  );
}

async function add(
  id: string | undefined,
  { scope, json = false, ...place }: ClientOptions & { readonly scope: readonly string[] },
): Promise<void> {
  const folder = new StateFolder(place.state);
  const isNew = place.redis === undefined && (await folder.make());
  const client = await withIssuer(place, ({ clients }) =>
    clients.add({ scopes: scope, ...(id === undefined ? {} : { clientId: id }) }),
  );
  if (isNew) printNewFolder(folder);
  if (json) return printJson(client);
  printLine(
    `client id      ${client.clientId}\nclient secret  ${client.clientSecret}   (shown this once)`,
  );
}

async function remove(id: string, place: ClientOptions): Promise<void> {
  await withIssuer(place, ({ clients }) => clients.remove(id));
  printNote(`client ${id} removed, and its tokens revoked`);
}

async function list({ json = false, ...place }: ClientOptions): Promise<void> {
  const clients = await withIssuer(place, (issuer) => issuer.clients.list());
  if (json) return printJson(clients);
  const rows = clients.map(({ clientId, createdAt, scopes }) => [
    clientId,
    new Date(createdAt).toISOString().slice(0, 10),
    scopes.join(" "),
  ]);
  printTable([["ID", "SINCE", "SCOPES"], ...rows]);
}
