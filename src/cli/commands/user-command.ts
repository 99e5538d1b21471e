/** `jotwire user`: who may log in at the embedded authentication server. */
import { type Command, Option } from "commander";
import { CliError } from "../cli-error.js";
import { printJson, printNewFolder, printNote, printTable } from "../output.js";
import { type IssuerPlace, withIssuer } from "../settings/issuer-store.js";
import {
  configOption,
  jsonOption,
  passwordStdinOption,
  redisOption,
  redisPrefixOption,
  scopeOption,
  stateOption,
} from "../settings/options.js";
import { readSecret } from "../settings/secret-input.js";
import { numberOption } from "../settings/settings.js";
import { StateFolder } from "../settings/state-folder.js";

interface PasswordOptions extends IssuerPlace {
  readonly passwordStdin?: boolean;
}

interface SetOptions extends IssuerPlace {
  readonly scope: readonly string[];
  /** False: `--no-scopes`. */
  readonly scopes: boolean;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly margin?: number;
}

interface AddOptions extends PasswordOptions {
  readonly scope: readonly string[];
  readonly claims?: Readonly<Record<string, unknown>>;
}

export function addUserCommand(program: Command): void {
  const user = program
    .command("user")
    .description(
      "who may log in: works on the state folder or Redis, also beside a running server",
    );
  const action = (name: string, description: string) =>
    user
      .command(name)
      .description(description)
      .addOption(stateOption())
      .addOption(redisOption())
      .addOption(redisPrefixOption())
      .addOption(configOption());

  const claimsOption = () =>
    new Option("--claims <json>", "more claims for the user's tokens, a JSON object").argParser(
      claimsOf,
    );

  action("add <name>", "let somebody log in")
    .addOption(scopeOption())
    .addOption(claimsOption())
    .addOption(passwordStdinOption())
    .action(add);
  action("set <name>", "change scopes or claims; live sessions get them by a refresh")
    .addOption(scopeOption())
    .addOption(new Option("--no-scopes", "take away all scopes"))
    .addOption(claimsOption())
    .addOption(
      numberOption("--margin <seconds>", "time for live sessions to come with a new token", 0, 600),
    )
    .action(set);
  action("logout <name>", "sign the user out everywhere; a new login is good at once").action(
    (name: string, options: IssuerPlace) =>
      change(name, options, "signed out everywhere", (users) => users.endSessions(name)),
  );
  action("passwd <name>", "give a new password; ends the user's sessions")
    .addOption(passwordStdinOption())
    .action(passwd);
  action("disable <name>", "refuse logins for now; ends the user's sessions").action(
    (name: string, options: IssuerPlace) =>
      change(name, options, "disabled", (users) => users.disable(name)),
  );
  action("enable <name>", "take a disable back").action((name: string, options: IssuerPlace) =>
    change(name, options, "enabled", (users) => users.enable(name)),
  );
  action("remove <name>", "remove a user; ends the user's sessions").action(remove);
  action("list", "show all users").addOption(jsonOption("print JSON")).action(list);
  user.addHelpText(
    "after",
    `
The password is asked for on a terminal, and read from standard input otherwise; it is never an argument, which others can see.

Examples:
  jotwire user add bob --scope orders:read --scope orders:write
  jotwire user set bob --scope orders:read
  pass show bob | jotwire user passwd bob --password-stdin`,
  );
}

type Users = Parameters<Parameters<typeof withIssuer>[1]>[0]["users"];

async function add(
  name: string,
  { scope, claims = {}, passwordStdin = false, ...place }: AddOptions,
): Promise<void> {
  const password = await readSecret("password", { fromStdin: passwordStdin, twice: true });
  const folder = new StateFolder(place.state);
  const isNew = place.redis === undefined && (await folder.make());
  await withIssuer(place, ({ users }) => users.add(name, password, { scopes: scope, claims }));
  printNote(`user ${name} added to ${place.redis === undefined ? folder.path : "Redis"}`);
  if (isNew) printNewFolder(folder);
}

async function set(
  name: string,
  { scope, scopes, claims, margin, ...place }: SetOptions,
): Promise<void> {
  const setsScopes = scope.length > 0 || !scopes;
  if (scope.length > 0 && !scopes)
    throw new CliError("usage", "give either --scope or --no-scopes, not both");
  if (!setsScopes && claims === undefined)
    throw new CliError("usage", "say what to change: --scope, --no-scopes or --claims");
  const changes = {
    ...(setsScopes ? { scopes: scope } : {}),
    ...(claims === undefined ? {} : { claims }),
  };
  const options = margin === undefined ? {} : { margin: margin * 1_000 };
  await withIssuer(place, ({ users }) => users.update(name, changes, options));
  printNote(`user ${name} changed; live sessions get a new token`);
}

async function passwd(
  name: string,
  { passwordStdin = false, ...place }: PasswordOptions,
): Promise<void> {
  const password = await readSecret("new password", { fromStdin: passwordStdin, twice: true });
  await withIssuer(place, async ({ users }, folder) => {
    await users.passwd(name, password);
    await folder.forgetDemoUser(name);
  });
  printNote(`user ${name} has a new password; older sessions have ended`);
}

async function remove(name: string, place: IssuerPlace): Promise<void> {
  await withIssuer(place, async ({ users }, folder) => {
    await users.remove(name);
    await folder.forgetDemoUser(name);
  });
  printNote(`user ${name} removed`);
}

async function change(
  name: string,
  place: IssuerPlace,
  done: string,
  act: (users: Users) => Promise<void>,
): Promise<void> {
  await withIssuer(place, ({ users }) => act(users));
  printNote(`user ${name} ${done}`);
}

async function list({
  json = false,
  ...place
}: IssuerPlace & { readonly json?: boolean }): Promise<void> {
  const users = await withIssuer(place, (issuer) => issuer.users.list());
  if (json) return printJson(users);
  const rows = users.map(({ username, disabled, createdAt, scopes }) => [
    username,
    disabled ? "disabled" : "active",
    new Date(createdAt).toISOString().slice(0, 10),
    scopes.join(" "),
  ]);
  printTable([["NAME", "STATUS", "SINCE", "SCOPES"], ...rows]);
}

function claimsOf(text: string): Readonly<Record<string, unknown>> {
  const problem = new CliError(
    "usage",
    `--claims must be a JSON object such as '{"role":"admin"}'`,
  );
  let claims: unknown;
  try {
    claims = JSON.parse(text);
  } catch {
    throw problem;
  }
  if (typeof claims !== "object" || claims === null || Array.isArray(claims)) throw problem;
  return claims as Readonly<Record<string, unknown>>;
}
