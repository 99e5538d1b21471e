/** `jotwire user`: who may log in at the embedded authentication server. */
import { type Command, Option } from "commander";
import { CliError } from "../cli-error.js";
import { printJson, printLine, printNewFolder, printNote, printTable } from "../output.js";
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

interface TokenOptions extends IssuerPlace {
  readonly page?: string;
  readonly expiresIn?: number;
}

interface InviteOptions extends TokenOptions {
  readonly scope: readonly string[];
  readonly claims?: Readonly<Record<string, unknown>>;
}

const claimsOption = () =>
  new Option("--claims <json>", "more claims for the user's tokens, a JSON object").argParser(
    claimsOf,
  );

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

  action("add <name>", "let somebody log in")
    .addOption(scopeOption())
    .addOption(claimsOption())
    .addOption(passwordStdinOption())
    .action(add);
  const tokenAction = (name: string, description: string) =>
    action(name, description)
      .addOption(
        new Option("--page <url>", "page that asks for the password: prints the link to it"),
      )
      .addOption(
        numberOption("--expires-in <seconds>", "time that the token is good", 60, 2_592_000),
      );
  tokenAction("invite <name>", "add a user without a password; prints a token that sets one")
    .addOption(scopeOption())
    .addOption(claimsOption())
    .action(invite);
  tokenAction("reset <name>", "print a token that sets a new password").action(reset);
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
  jotwire user invite eve --scope orders:read --page https://app.example.com/password
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

async function invite(
  name: string,
  { scope, claims = {}, page, expiresIn, ...place }: InviteOptions,
): Promise<void> {
  const print = printerFor(page);
  const folder = new StateFolder(place.state);
  const isNew = place.redis === undefined && (await folder.make());
  const options = { scopes: scope, claims, ...lifeOf(expiresIn) };
  print(await withIssuer(place, ({ users }) => users.invite(name, options)));
  printNote(`user ${name} added, without a password; whoever has this token can set it, once`);
  if (isNew) printNewFolder(folder);
}

async function reset(name: string, { page, expiresIn, ...place }: TokenOptions): Promise<void> {
  const print = printerFor(page);
  const token = await withIssuer(place, async ({ users }) => {
    const made = await users.resetPassword(name, lifeOf(expiresIn));
    if (made !== undefined) return made;
    const user = await users.get(name);
    if (user === undefined) throw new Error(`there is no user ${JSON.stringify(name)}`);
    if (user.disabled) throw new Error(`user ${name} is disabled: jotwire user enable ${name}`);
    throw new Error(`user ${name} had 3 tokens in a minute: try again in a minute`);
  });
  print(token);
  printNote(`whoever has this token can set the password of user ${name}, once`);
}

function lifeOf(seconds: number | undefined): { readonly expiresIn?: number } {
  return seconds === undefined ? {} : { expiresIn: seconds * 1_000 };
}

/** Prints a token, or the link to the page that takes it. Throws a `CliError` for another URL. */
function printerFor(page: string | undefined): (token: string) => void {
  if (page === undefined) return printLine;
  const url = URL.canParse(page) ? new URL(page) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hash !== "")
    throw new CliError(
      "usage",
      "--page must be a URL such as https://app.example.com/password, without a fragment (#)",
    );
  return (token) => {
    url.hash = token;
    printLine(url.href);
  };
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
  const rows = users.map(({ username, disabled, invited, createdAt, scopes }) => [
    username,
    disabled ? "disabled" : invited ? "invited" : "active",
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
