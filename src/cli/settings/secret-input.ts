/**
 * Passwords and the like: from the terminal without an echo, or from standard input; never from the
 * command line, which others can see.
 */
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { CliError } from "../cli-error.js";

const longest = 65_536; // bytes: no password or token is longer

/**
 * Asks on a terminal; otherwise, or with `fromStdin`, reads all of standard input, less one line
 * break at its end.
 */
export async function readSecret(
  what: string,
  { fromStdin = false, twice = false } = {},
): Promise<string> {
  if (fromStdin || !process.stdin.isTTY) return readStdin(what);
  const secret = await prompt(`${what}: `);
  if (twice && (await prompt(`${what}, again: `)) !== secret)
    throw new CliError("usage", "the two are not the same");
  return secret;
}

export async function readStdin(what: string): Promise<string> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length > longest)
      throw new CliError("usage", `the ${what} on standard input is too long`);
  }
  const text = bytes.toString("utf8").replace(/\r?\n$/, "");
  if (text === "")
    throw new CliError(
      "usage",
      `no ${what} on standard input: pipe it in, or run this on a terminal`,
    );
  return text;
}

function prompt(question: string): Promise<string> {
  const mute = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: mute, terminal: true });
  process.stderr.write(question);
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      process.stderr.write("\n");
      terminal.removeAllListeners("close");
      terminal.close();
      settle();
    };
    terminal.once("SIGINT", () => end(() => reject(new CliError("usage", "given up"))));
    terminal.once("close", () => end(() => reject(new CliError("usage", "given up"))));
    terminal.question("", (answer) => end(() => resolve(answer)));
  });
}
