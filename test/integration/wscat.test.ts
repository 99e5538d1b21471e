import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "chai";
import type { Message } from "../helpers/server/raw-client.js";
import { sampleApp, startServer } from "../helpers/server/test-server.js";

const wscat = join(
  dirname(createRequire(import.meta.url).resolve("wscat/package.json")),
  "bin",
  "wscat",
);

/** Somebody at a keyboard: types lines into wscat, and reads what it prints. */
class Typist implements AsyncDisposable {
  readonly #wscat: ChildProcessWithoutNullStreams;
  readonly #printed: Message[] = [];
  #onPrinted: () => void = () => {};

  private constructor(url: string) {
    this.#wscat = spawn(process.execPath, [wscat, "--connect", url, "--no-color"]);
    createInterface(this.#wscat.stdout).on("line", (line) => {
      const text = line.replace(/^(> )*/, ""); // its prompt
      if (!text.startsWith("{")) return;
      this.#printed.push(JSON.parse(text) as Message);
      this.#onPrinted();
    });
  }

  /**
   * Resolves when wscat is connected: what is typed before is lost, so a ping is typed until it is
   * answered.
   */
  static async start(url: string): Promise<Typist> {
    const typist = new Typist(url);
    const typing = setInterval(
      () => typist.type('{"jsonrpc":"2.0","id":"hello","method":"ping"}'),
      100,
    );
    await typist.reads(({ id }) => id === "hello");
    clearInterval(typing);
    return typist;
  }

  type(line: string): void {
    this.#wscat.stdin.write(`${line}\n`);
  }

  /** The next line that is wanted; those before it are passed over. */
  async reads(isWanted: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      for (
        let message = this.#printed.shift();
        message !== undefined;
        message = this.#printed.shift()
      ) {
        if (isWanted(message)) return message;
      }
      await new Promise<void>((resolve, reject) => {
        const timeoutMs = setTimeout(() => reject(new Error("wscat prints nothing more")), 10_000);
        this.#onPrinted = () => {
          clearTimeout(timeoutMs);
          resolve();
        };
      });
    }
  }

  asks(line: string): Promise<Message> {
    const { id } = JSON.parse(line) as Message;
    this.type(line);
    return this.reads((message) => message.id === id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#wscat, "exit");
    this.#wscat.stdin.end();
    await ended;
  }
}

describe("Somebody with wscat", () => {
  it("authenticates, calls, lets the token run out, types the hint with another one, and calls again", async () => {
    await using server = await startServer(sampleApp());
    await using typist = await Typist.start(server.url);
    const call = (id: number) =>
      `{"jsonrpc":"2.0","id":${id},"method":"subtract","params":[42,23]}`;

    const refused = await typist.asks(call(1));
    expect(refused.error?.code).to.equal(-32001);
    const soon = Math.ceil(Date.now() / 1000) + 1; // real time: 1 to 2 s
    const authenticate = {
      jsonrpc: "2.0",
      id: 2,
      method: "authenticate",
      params: { token: server.token({ exp: soon }) },
    };
    expect((await typist.asks(JSON.stringify(authenticate))).result).to.include({
      subject: "user-1",
    });
    expect((await typist.asks(call(3))).result).to.equal(19);

    const { params } = await typist.reads(({ method }) => method === "auth.expired");
    expect(Date.now() / 1000).to.be.at.least(soon);
    expect((await typist.asks(call(4))).error?.code).to.equal(-32002);
    const { hint } = params as unknown as { readonly hint: string };
    expect(hint).to.contain('"refresh"');
    expect((await typist.asks(hint.replace(/<JWT>|…/, server.token()))).result).to.include({
      changed: true,
      gap: false,
    });
    expect((await typist.asks(call(5))).result).to.equal(19);
  });
});
