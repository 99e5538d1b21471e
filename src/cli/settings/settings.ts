/**
 * Where an option's value comes from: the flag, then the environment (`JOTWIRE_PORT` for `--port`),
 * then the file that `--config` names.
 */
import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { CliError, messageOf } from "../cli-error.js";

/** What belongs to one call of the command alone. */
const flagsOnly: ReadonlySet<string> = new Set([
  ...[
    "config",
    "json",
    "decode",
    "on",
    "listen",
    "passwordStdin",
    "clientSecretStdin",
    "scope",
    "claims",
    "version",
  ],
  ...[
    "tokenFile",
    "since",
    "offsets",
    "connection",
    "subject",
    "ofIssuer",
    "session",
    "jti",
    "issuedBefore",
    "margin",
    "reason",
    "limit",
  ],
]);
const notInFiles: ReadonlySet<string> = new Set([...flagsOnly, "token"]);

/**
 * An option that may be given several times, or as a list: `--origin a --origin b`,
 * `JOTWIRE_ORIGIN=a,b`, `"origin": ["a", "b"]`.
 */
export function listOption(flags: string, description: string): Option {
  return new Option(flags, `${description} (repeatable)`)
    .default([], "none")
    .argParser((value: string, previous: readonly string[]) => [...previous, value]);
}

/** A whole number from `least` to `most`. */
export function numberOption(
  flags: string,
  description: string,
  least: number,
  most: number,
): Option {
  return new Option(flags, description).argParser((value: string) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  });
}

/**
 * Fills in what the flags left open. Throws a `CliError` for an unknown key, and for a value that
 * doesn't fit.
 */
export async function applySettings(command: Command, program: Command): Promise<void> {
  applyEnvironment(command);
  const { config = process.env.JOTWIRE_CONFIG } = command.opts<{ readonly config?: string }>();
  if (config === undefined || config === "") return;
  const file = await readConfig(config);
  const known = new Set(optionsOf(program).filter((name) => !notInFiles.has(name)));
  for (const key of Object.keys(file)) {
    if (!known.has(key))
      throw new CliError(
        "configuration",
        `${config}: unknown key "${key}"; known are ${[...known].sort().join(", ")}`,
      );
  }
  for (const option of openOptions(command)) {
    const name = option.attributeName();
    if (notInFiles.has(name) || !Object.hasOwn(file, name)) continue;
    command.setOptionValueWithSource(
      name,
      parsedValue(option, file[name], `${config}: ${name}`),
      "config",
    );
  }
}

function applyEnvironment(command: Command): void {
  for (const option of openOptions(command)) {
    const name = option.attributeName();
    const variable = variableOf(option);
    const text = process.env[variable];
    if (flagsOnly.has(name) || text === undefined || text === "") continue;
    const given = isList(option) ? text.split(",").map((part) => part.trim()) : text;
    command.setOptionValueWithSource(name, parsedValue(option, given, variable), "env");
  }
}

function variableOf(option: Option): string {
  return `JOTWIRE_${(option.long ?? "").slice(2).replaceAll("-", "_").toUpperCase()}`;
}

/**
 * Variables of ours by their name that set nothing: misspelt ones, most likely. (A Service of
 * Kubernetes called jotwire makes some, too.)
 */
export function unknownVariables(program: Command): readonly string[] {
  const all = (command: Command): readonly Option[] => [
    ...command.options,
    ...command.commands.flatMap(all),
  ];
  const known = new Set(
    all(program)
      .filter(
        (option) => option.attributeName() === "config" || !flagsOnly.has(option.attributeName()),
      )
      .map(variableOf),
  );
  return Object.keys(process.env).filter((name) => name.startsWith("JOTWIRE_") && !known.has(name));
}

/** Those that nobody has given yet. */
function openOptions(command: Command): readonly Option[] {
  return command.options.filter((option) => {
    const source = command.getOptionValueSource(option.attributeName());
    return source === undefined || source === "default";
  });
}

function optionsOf(command: Command): readonly string[] {
  return [
    ...command.options.map((option) => option.attributeName()),
    ...command.commands.flatMap(optionsOf),
  ];
}

function isList(option: Option): boolean {
  return Array.isArray(option.defaultValue);
}

async function readConfig(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch (error) {
    throw new CliError(
      "configuration",
      `the settings in ${path} can't be read: ${messageOf(error)}`,
    );
  }
  throw new CliError("configuration", `${path} must hold a JSON object such as {"port": 8080}`);
}

function parsedValue(option: Option, given: unknown, place: string): unknown {
  if (option.isBoolean()) return booleanOf(given, place);
  const texts = (Array.isArray(given) ? given : [given]).map((value) => textOf(value, place));
  if (!isList(option) && texts.length !== 1)
    throw new CliError("configuration", `${place} must be one value, not a list`);
  try {
    const parse = option.parseArg ?? ((text: string) => text);
    return texts.reduce<unknown>(
      (previous, text) => parse(text, previous),
      isList(option) ? [] : undefined,
    );
  } catch (error) {
    throw new CliError("configuration", `${place}: ${messageOf(error)}`);
  }
}

function booleanOf(given: unknown, place: string): boolean {
  if (given === true || given === "true" || given === "1") return true;
  if (given === false || given === "false" || given === "0") return false;
  throw new CliError("configuration", `${place} must be true or false`);
}

function textOf(value: unknown, place: string): string {
  if (typeof value === "string" || typeof value === "number") return String(value);
  throw new CliError("configuration", `${place} must be a string or a number`);
}
