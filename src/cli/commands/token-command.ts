/** `jotwire token`: gets an access token, or shows what is in one. */
import { type Command, Option } from "commander";
import { CliError } from "../cli-error.js";
import { printJson, printLine, visible } from "../output.js";
import { decodeToken, expiryText, secondsLeft } from "../remote/decoded-token.js";
import { checkUrl, clientCredentials, login, type TokenAnswer } from "../remote/token-endpoint.js";
import {
  configOption,
  insecureOption,
  jsonOption,
  passwordStdinOption,
} from "../settings/options.js";
import { readSecret, readStdin } from "../settings/secret-input.js";

interface TokenOptions {
  readonly url: string;
  readonly user?: string;
  readonly passwordStdin?: boolean;
  readonly clientId?: string;
  readonly clientSecretStdin?: boolean;
  /** `true`: from standard input. */
  readonly decode?: string | true;
  readonly json?: boolean;
  readonly allowInsecure?: boolean;
}

export function addTokenCommand(program: Command): void {
  program
    .command("token")
    .description("get an access token, or show what is in one")
    .addOption(new Option("--url <url>", "the issuer").default("http://localhost:8080"))
    .addOption(
      new Option(
        "--user <name>",
        "log in as this user; the password is asked for, or read from standard input",
      ),
    )
    .addOption(passwordStdinOption())
    .addOption(
      new Option("--client-id <id>", "get the token of a client instead (client credentials)"),
    )
    .addOption(
      new Option(
        "--client-secret-stdin",
        "read the client's secret from standard input, also on a terminal",
      ),
    )
    .addOption(
      new Option(
        "--decode [token]",
        "show a token from the argument or standard input; its signature is not verified",
      ),
    )
    .addOption(jsonOption("print the whole answer as JSON"))
    .addOption(insecureOption("send the password also by plain http to another machine"))
    .addOption(configOption())
    .addHelpText(
      "after",
      `
Examples:
  jotwire token --user ada
  TOKEN=$(jotwire token --url https://id.example.com --client-id billing --client-secret-stdin < secret)
  jotwire token --user ada | jotwire token --decode`,
    )
    .action(token);
}

async function token(options: TokenOptions): Promise<void> {
  const { decode, json = false } = options;
  if (decode !== undefined)
    return showToken(decode === true ? await readStdin("token") : decode, json);
  const answer = await requestToken(options);
  if (json) printJson(answer);
  else printLine(visible(answer.access_token));
}

async function requestToken({
  url,
  user,
  passwordStdin,
  clientId,
  clientSecretStdin,
  allowInsecure = false,
}: TokenOptions): Promise<TokenAnswer> {
  if ((user === undefined) === (clientId === undefined))
    throw new CliError("usage", "say who wants the token: --user <name>, or --client-id <id>");
  const { href } = checkUrl(url, ["http:", "https:"], true, allowInsecure);
  if (user !== undefined)
    return login(href, user, await readSecret("password", { fromStdin: passwordStdin ?? false }));
  return clientCredentials(
    href,
    clientId ?? "",
    await readSecret("client secret", { fromStdin: clientSecretStdin ?? false }),
  );
}

function showToken(text: string, json: boolean): void {
  const decoded = decodeToken(text);
  const left = secondsLeft(decoded);
  if (json) return printJson({ verified: false, ...decoded, expiresIn: left ?? null });
  printLine("NOT VERIFIED: anybody can write such a token; the signature was not checked");
  printLine(visible(`header ${JSON.stringify(decoded.header, undefined, 2)}`));
  printLine(visible(`claims ${JSON.stringify(decoded.claims, undefined, 2)}`));
  printLine(expiryText(left));
}
