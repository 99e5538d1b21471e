import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "mocha";
import WebSocket from "ws";
import type { SdkUser } from "../client/sdk-user.js";
import { requires } from "../requirement.js";
import type { EngineBrowser, EngineTab } from "./engines.js";
import { PageUser } from "./page-user.js";

const executablePath = process.env.FIREFOX_BIN ?? "/usr/bin/firefox-esr"; // Debian's
const launchTimeout = 60_000; // ms
const loadTimeout = 15_000; // ms

/** Preferences of Firefox, as in `about:config`. */
export type Preferences = Readonly<Record<string, string | number | boolean>>;

const quiet: Preferences = {
  "app.update.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage": "about:blank",
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "network.dns.disablePrefetch": true,
  "network.trr.mode": 5, // no DNS over HTTPS
  "toolkit.telemetry.enabled": false,
};

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly message?: string;
}

type ScriptResult =
  | { readonly type: "success"; readonly result: { readonly value?: string } }
  | { readonly type: "exception"; readonly exceptionDetails: { readonly text: string } };

/** For a `before` hook: skips the tests where there is no Firefox. */
export function needsFirefox(context: Context): void {
  requires(context, "firefox-esr", () => existsSync(executablePath));
}

/**
 * Debian's Firefox in a profile of its own, over WebDriver BiDi (W3C). Playwright drives a patched
 * Firefox only: for a stock one it sends commands that the extended-support release does not have.
 */
export class Firefox implements EngineBrowser {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #count = 0;

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.on("message", (data) => this.#take(JSON.parse(String(data)) as Message));
  }

  static async launch(preferences: Preferences = {}): Promise<Firefox> {
    const profile = await mkdtemp(join(tmpdir(), "jotwire-firefox-"));
    const lines = Object.entries({ ...quiet, ...preferences }).map(
      (pair) => `user_pref(${pair.map((part) => JSON.stringify(part)).join(", ")});`,
    );
    await writeFile(join(profile, "user.js"), lines.join("\n"));
    const args = [
      "--headless",
      "--no-remote",
      "--profile",
      profile,
      "--remote-debugging-port",
      "0",
      "about:blank",
    ];
    const child = spawn(executablePath, args, {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, HOME: profile },
    });
    const socket = new WebSocket(`${await addressOf(child)}/session`, { maxPayload: 2 ** 28 });
    await once(socket, "open");
    const firefox = new Firefox(child, profile, socket);
    await firefox.send("session.new", { capabilities: {} });
    return firefox;
  }

  async open(url: string): Promise<FirefoxTab> {
    const { context } = await this.send<{ readonly context: string }>("browsingContext.create", {
      type: "tab",
    });
    const tab = new FirefoxTab(this, context);
    await tab.visit(url);
    return tab;
  }

  send<Result>(method: string, params: object = {}): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const id = ++this.#count;
      this.#waiting.set(id, ({ result, error, message }) =>
        error === undefined
          ? resolve(result as Result)
          : reject(new Error(`${method}: ${error}: ${message}`)),
      );
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, "exit");
    await this.send("browser.close");
    await exited;
    await rm(this.#profile, { recursive: true, force: true });
  }

  #take(message: Message): void {
    const { id } = message;
    if (id === undefined) return; // an event
    this.#waiting.get(id)?.(message);
    this.#waiting.delete(id);
  }
}

/**
 * A page in Firefox with a user of the SDK in it. WebDriver BiDi does not show the frames of a
 * WebSocket: see `requests` in the notes.
 */
export class FirefoxTab extends PageUser implements EngineTab {
  readonly #firefox: Firefox;
  readonly #context: string;

  constructor(firefox: Firefox, context: string) {
    super();
    this.#firefox = firefox;
    this.#context = context;
  }

  /** Goes to a page, and waits for its script. */
  async visit(url: string): Promise<void> {
    await this.#firefox.send("browsingContext.navigate", {
      context: this.#context,
      url,
      wait: "complete",
    });
    await this.#settle();
  }

  /** What the browser's button "back" does. */
  async back(): Promise<void> {
    await this.#firefox.send("browsingContext.traverseHistory", {
      context: this.#context,
      delta: -1,
    });
    await this.#settle();
  }

  override do<Name extends keyof SdkUser>(
    name: Name,
    ...args: Parameters<SdkUser[Name]>
  ): Promise<Awaited<ReturnType<SdkUser[Name]>>> {
    return this.evaluate(`user.${name}(...${JSON.stringify(args)})`) as Promise<
      Awaited<ReturnType<SdkUser[Name]>>
    >;
  }

  async evaluate(expression: string): Promise<unknown> {
    const outcome = await this.#firefox.send<ScriptResult>("script.evaluate", {
      expression: `(async () => JSON.stringify(await (${expression})))()`,
      target: { context: this.#context },
      awaitPromise: true,
    });
    if (outcome.type === "exception") throw new Error(outcome.exceptionDetails.text);
    const { value } = outcome.result;
    return value === undefined ? undefined : JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#firefox.send("browsingContext.close", { context: this.#context });
  }

  async #settle(): Promise<void> {
    const end = performance.now() + loadTimeout;
    while (
      (await this.evaluate("document.readyState + typeof globalThis.user").catch(String)) !==
      "completeobject"
    ) {
      if (performance.now() > end) throw new Error("the page did not load");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Where a Firefox that has just been started listens. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const timer = setTimeout(() => fail("did not start in time"), launchTimeout);
    const fail = (why: string) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`Firefox ${why}: ${said.slice(-2_000)}`));
    };
    child.once("error", (error) => fail(String(error)));
    child.once("exit", () => fail("ended"));
    child.stderr?.on("data", (chunk) => {
      said += String(chunk);
      const [, address] = /WebDriver BiDi listening on (ws:\/\/\S+)/.exec(said) ?? [];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    });
  });
}
