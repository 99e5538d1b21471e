/**
 * `jotwire sessions`: who is connected to a running deployment, and how to end that, with an
 * administrator's token.
 */
import { type Command, Option } from "commander";
import type { KickResult, SessionInfo, SessionList } from "../../index.js";
import { CliError } from "../cli-error.js";
import { printJson, printNote, printTable } from "../output.js";
import { type RemoteOptions, withRemote } from "../remote/remote.js";
import { addRemoteOptions, jsonOption } from "../settings/options.js";
import { numberOption } from "../settings/settings.js";

interface SessionsOptions extends RemoteOptions {
  readonly json?: boolean;
  readonly connection?: string;
  readonly subject?: string;
  readonly ofIssuer?: string;
}

interface RevokeCommandOptions extends SessionsOptions {
  readonly session?: string;
  readonly jti?: string;
  readonly issuedBefore?: number;
  readonly margin?: number;
  readonly reason?: string;
}

const latest = 253_402_300_799; // the end of the year 9999

export function addSessionsCommand(program: Command): void {
  const sessions = program
    .command("sessions")
    .description(
      "who is connected to a running deployment, on all its nodes; needs a token with the scope that the server's admin option names",
    );
  const action = (name: string, description: string) =>
    addRemoteOptions(sessions.command(`${name} <url>`).description(description))
      .addOption(jsonOption("print JSON"))
      .addOption(new Option("--subject <name>", "all of this subject (the sub claim)"))
      .addOption(new Option("--of-issuer <url>", "with --subject: of this issuer alone"));
  const connection = () => new Option("--connection <id>", "this connection");

  action("list", "show who is connected, the newest first")
    .addOption(connection())
    .addOption(numberOption("--limit <count>", "most sessions to show", 1, 1_000).default(100))
    .action(list);
  action(
    "kick",
    "close connections (4403): their clients stay away until their application says otherwise",
  )
    .addOption(connection())
    .action(kick);
  action("revoke", "refuse tokens from now on, and close what lives by them (4401)")
    .addOption(new Option("--session <id>", "all tokens of this login (the sid claim)"))
    .addOption(new Option("--jti <id>", "this token alone"))
    .addOption(
      numberOption(
        "--issued-before <seconds>",
        "with --subject: only tokens up to then, since 1970",
        0,
        latest,
      ),
    )
    .addOption(
      numberOption("--margin <seconds>", "time for live sessions to get another token", 0, 86_400),
    )
    .addOption(new Option("--reason <text>", "for people and logs"))
    .action(revoke);
  sessions.addHelpText(
    "after",
    `
Examples:
  JOTWIRE_TOKEN=$(jotwire token --user ada) jotwire sessions list ws://localhost:8080
  jotwire sessions kick wss://api.example.com --token-file admin.jwt --subject user-42
  jotwire sessions revoke wss://api.example.com --token-file admin.jwt --subject user-42 --reason "left the company"`,
  );
}

async function list(
  url: string,
  options: SessionsOptions & { readonly limit: number },
): Promise<void> {
  await withRemote(url, options, async (client) => {
    const found = (await client.call("rpc.sessions.list", {
      ...selection(options),
      limit: options.limit,
    })) as SessionList;
    if (options.json === true) return printJson(found);
    printTable([
      ["ID", "STATE", "SUBJECT", "ADDRESS", "SINCE", "EXPIRES IN", "CALLS", "BUFFERED"],
      ...found.sessions.map(row),
    ]);
    if (found.sessions.length < found.total)
      printNote(`${found.total - found.sessions.length} more: raise --limit, or name a --subject`);
    if (!found.complete) printNote("a node has not answered: its sessions are missing");
  });
}

async function kick(url: string, options: SessionsOptions): Promise<void> {
  if ((options.connection === undefined) === (options.subject === undefined))
    throw new CliError("usage", "say whom: --connection <id> or --subject <name>");
  await withRemote(url, options, async (client) => {
    const result = (await client.call("rpc.sessions.kick", selection(options))) as KickResult;
    if (options.json === true) return printJson(result);
    printNote(
      `${result.kicked} kicked${result.complete ? "" : "; a node has not answered, and may not have heard"}`,
    );
  });
}

async function revoke(url: string, options: RevokeCommandOptions): Promise<void> {
  const { subject, session, jti, issuedBefore, margin, reason } = options;
  if ([subject, session, jti].filter((one) => one !== undefined).length !== 1)
    throw new CliError("usage", "say what: one of --subject <name>, --session <id> and --jti <id>");
  await withRemote(url, options, async (client) => {
    const result = await client.call("rpc.sessions.revoke", {
      ...selection(options),
      ...(session === undefined ? {} : { sessionId: session }),
      ...(jti === undefined ? {} : { jti }),
      ...(issuedBefore === undefined ? {} : { issuedBefore }),
      ...(margin === undefined ? {} : { margin }),
      ...(reason === undefined ? {} : { reason }),
    });
    if (options.json === true) printJson(result);
    else printNote("revoked");
  });
}

function selection({ connection, subject, ofIssuer }: SessionsOptions): object {
  return {
    ...(connection === undefined ? {} : { connection }),
    ...(subject === undefined ? {} : { subject }),
    ...(ofIssuer === undefined ? {} : { issuer: ofIssuer }),
  };
}

function row({
  id,
  state,
  subject,
  address,
  since,
  expiresIn,
  calls,
  bufferedBytes,
}: SessionInfo): string[] {
  const opened = new Date(since * 1_000).toISOString().slice(0, 19).replace("T", " ");
  const left = expiresIn === null ? "" : `${Math.ceil(expiresIn)} s`;
  return [id, state, subject ?? "", address, opened, left, String(calls), String(bufferedBytes)];
}
