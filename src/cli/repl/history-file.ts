/** What was typed at earlier prompts, in the user's home folder, for the user alone. */
import { appendFileSync, chmodSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { authMethods } from "../../protocol/messages.js";
import { codeOf, messageOf } from "../cli-error.js";
import { printNote } from "../output.js";

const maxLines = 1_000;
const mode = 0o600;

export class HistoryFile {
  readonly #path = join(homedir(), ".jotwire_history");
  #last: string | undefined;
  #isBroken = false;

  /** Returns the lines, the newest first. */
  read(): string[] {
    return this.#trying(() => {
      const lines = readFileSync(this.#path, "utf8").split("\n").filter(Boolean);
      chmodSync(this.#path, mode); // somebody may have opened it to others
      if (lines.length > maxLines * 2) this.#shorten(lines.slice(-maxLines));
      this.#last = lines.at(-1);
      return lines.slice(-maxLines).reverse();
    }, []);
  }

  /** Keeps a line that holds no secret. */
  add(line: string): void {
    if (line === this.#last || mayHoldSecret(line)) return;
    this.#last = line;
    this.#trying(() => appendFileSync(this.#path, `${line}\n`, { mode }), undefined);
  }

  #shorten(lines: readonly string[]): void {
    const temporary = `${this.#path}.${process.pid}.tmp`;
    writeFileSync(temporary, `${lines.join("\n")}\n`, { mode });
    renameSync(temporary, this.#path);
  }

  /** A history is no reason to fail. */
  #trying<T>(work: () => T, otherwise: T): T {
    try {
      return work();
    } catch (error) {
      if (codeOf(error) !== "ENOENT" && !this.#isBroken)
        printNote(`no history is kept: ${messageOf(error)}`);
      this.#isBroken ||= codeOf(error) !== "ENOENT";
      return otherwise;
    }
  }
}

const secrets: readonly RegExp[] = [
  /^\s/, // as in shells: a line that begins with a space is not kept
  /\beyJ[\w-]+\./, // a JWT
  /[\w+/=-]{40,}/, // whatever is random; a UUID is shorter
  /"[^"]*(token|password|secret|credential|authorization|(api|private)[_-]?key)[^"]*"\s*:/i,
  new RegExp(`^(${authMethods.join("|")})\\b`),
];

/** Returns whether a line may hold a token or a password. */
export function mayHoldSecret(line: string): boolean {
  return secrets.some((pattern) => pattern.test(line));
}
