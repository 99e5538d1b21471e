/** What the dialog prints, above a prompt that may be waiting with half a line typed. */
import { clearScreenDown, cursorTo, type Interface, moveCursor } from "node:readline";
import type { Writable } from "node:stream";
import { visible } from "../output.js";

const width = 80; // columns: a longer result is indented

export class ReplOutput {
  /** Undefined: nobody sees a prompt. */
  #terminal: Interface | undefined;
  readonly #promptText: () => string;
  #isAsking = false;

  constructor(terminal: Interface | undefined, promptText: () => string) {
    this.#terminal = terminal;
    this.#promptText = promptText;
  }

  /** Shows the prompt. */
  ask(): void {
    this.#isAsking = true;
    this.#terminal?.setPrompt(this.#promptText());
    this.#terminal?.prompt();
  }

  /** A line was typed: what is printed now follows it. */
  asked(): void {
    this.#isAsking = false;
  }

  /** Renews the prompt if its text has changed. */
  tick(): void {
    if (!this.#isAsking || this.#terminal?.getPrompt() === this.#promptText()) return;
    this.#terminal?.setPrompt(this.#promptText());
    this.#terminal?.prompt(true);
  }

  /** The terminal is closed: a prompt would open it again. */
  end(): void {
    this.#terminal = undefined;
  }

  result(value: unknown): void {
    const line = JSON.stringify(value) ?? "null";
    const isLong = this.#terminal !== undefined && line.length > width;
    this.#write(process.stdout, isLong ? JSON.stringify(value, null, 2) : line);
  }

  event(name: string, value: unknown): void {
    this.#write(process.stdout, `${name} ${JSON.stringify(value) ?? "null"}`);
  }

  /** For people. */
  note(text: string): void {
    this.#write(process.stderr, text);
  }

  #write(stream: Writable, text: string): void {
    const terminal = this.#isAsking ? this.#terminal : undefined;
    const rows = terminal?.getCursorPos().rows ?? 0;
    if (terminal !== undefined) {
      moveCursor(process.stdout, 0, -rows);
      cursorTo(process.stdout, 0);
      clearScreenDown(process.stdout);
    }
    stream.write(`${visible(text)}\n`);
    // readline goes up by the rows that it believes to be above the cursor
    if (rows > 0) process.stdout.write("\n".repeat(rows));
    terminal?.prompt(true);
  }
}
