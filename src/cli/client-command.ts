/** `jotwire client`: programs that get tokens for themselves (OAuth client credentials). */
import type { Command } from "commander";
import { withIssuer } from "./issuer-store.js";
import { configOption, jsonOption, scopeOption, stateOption } from "./options.js";
import { printJson, printLine, printNewFolder, printNote, printTable } from "./output.js";
import { StateFolder } from "./state-folder.js";

interface ClientOptions {
  readonly state: string;
  readonly json?: boolean;
}

export function addClientCommand(program: Command): void {
  const client = program
    .command("client")
    .description("programs that log in by themselves: works on the state folder, also beside a running server");
  const action = (name: string, description: string) =>
    client.command(name).description(description).addOption(stateOption()).addOption(configOption());

  action("add [id]", "make a client; shows its secret this once").addOption(scopeOption()).addOption(jsonOption("print JSON")).action(add);
  action("remove <id>", "remove a client; its tokens live on until they expire").action(remove);
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
  { state, scope, json = false }: ClientOptions & { readonly scope: readonly string[] },
): Promise<void> {
  const folder = new StateFolder(state);
  const isNew = await folder.make();
  const client = await withIssuer(state, ({ clients }) => clients.add({ scopes: scope, ...(id === undefined ? {} : { clientId: id }) }));
  if (isNew) printNewFolder(folder);
  if (json) return printJson(client);
  printLine(`client id      ${client.clientId}\nclient secret  ${client.clientSecret}   (shown this once)`);
}

async function remove(id: string, { state }: ClientOptions): Promise<void> {
  await withIssuer(state, ({ clients }) => clients.remove(id));
  printNote(`client ${id} removed`);
}

async function list({ state, json = false }: ClientOptions): Promise<void> {
  const clients = await withIssuer(state, (issuer) => issuer.clients.list());
  if (json) return printJson(clients);
  const rows = clients.map(({ clientId, createdAt, scopes }) => [
    clientId,
    new Date(createdAt * 1_000).toISOString().slice(0, 10),
    scopes.join(" "),
  ]);
  printTable([["ID", "SINCE", "SCOPES"], ...rows]);
}
