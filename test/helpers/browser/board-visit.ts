import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext, Page, WebSocketRoute } from "playwright-core";
import { openBoardStore } from "../../../examples/board/store.js";
import { projectFolder, RunningCli } from "../cli/command-line.js";
import { freshContext } from "./browser.js";

const folder = join(projectFolder, "examples/board");
const password = "correct horse battery";

/** Builds the page of examples/board, as its `npm run build` does. */
export async function buildBoardPage(): Promise<void> {
  const vite = join(projectFolder, "node_modules/vite/bin/vite.js");
  const build = new RunningCli(["build"], { command: [process.execPath, vite], cwd: folder });
  if ((await build.exited) !== 0) throw new Error(`vite build: ${build.stdout}${build.stderr}`);
}

/** One browser of a user: cookies and a page of its own. */
export class BoardPage {
  readonly page: Page;
  /** What the page's sockets have received, and how many there were. */
  readonly received: string[] = [];
  readonly sent: string[] = [];
  readonly logins: string[] = [];
  sockets = 0;
  readonly #held: (() => void)[] = [];
  #isHolding = false;

  private constructor(page: Page) {
    this.page = page;
    page.on("request", (request) => {
      if (request.url().endsWith("/login")) this.logins.push(request.method());
    });
  }

  static async open(context: BrowserContext, origin: string): Promise<BoardPage> {
    const page = new BoardPage(await context.newPage());
    await page.page.routeWebSocket(/\/rpc$/, (socket) => page.#route(socket));
    await page.page.goto(origin);
    return page;
  }

  async logIn(user: string): Promise<void> {
    await this.page.getByLabel("User").fill(user);
    await this.page.getByLabel("Password").fill(password);
    await this.page.getByRole("button", { name: "Log in" }).click();
    await this.page.getByText(`${user}: ready`).waitFor();
    await this.page.getByLabel("Title").waitFor();
  }

  async add(title: string): Promise<void> {
    await this.page.getByLabel("Title").fill(title);
    await this.page.getByLabel("Title").press("Enter");
  }

  /** The control that moves a card; it is disabled until the server has answered. */
  mover(title: string, column: string) {
    return this.page
      .getByLabel(column, { exact: true })
      .getByLabel(`Move ${title}`, { exact: true });
  }

  alert(text: string) {
    return this.page.getByRole("alert").getByText(text);
  }

  /** Titles with their columns, sorted. */
  async shown(): Promise<string[]> {
    const shown = await this.page.evaluate<string[]>(
      "[...document.querySelectorAll('select')].map((one) => one.ariaLabel.slice(5) + ': ' + one.value)",
    );
    return shown.sort();
  }

  /** Keeps back what page and server send to each other, in order. */
  hold(): void {
    this.#isHolding = true;
  }

  release(): void {
    this.#isHolding = false;
    for (const pass of this.#held.splice(0)) pass();
  }

  #route(socket: WebSocketRoute): void {
    this.sockets += 1;
    const server = socket.connectToServer();
    const pass = (notes: string[], text: string, send: () => void) => {
      const deliver = () => {
        notes.push(text);
        send();
      };
      if (this.#isHolding) this.#held.push(deliver);
      else deliver();
    };
    socket.onMessage((text) => pass(this.sent, String(text), () => server.send(text)));
    server.onMessage((text) => pass(this.received, String(text), () => socket.send(text)));
  }
}

/** The server of examples/board as a process of its own, and browsers at it. */
export class BoardVisit implements AsyncDisposable {
  readonly #state: string;
  readonly #contexts: BrowserContext[] = [];
  #server: RunningCli | undefined;
  origin = "";

  private constructor(state: string) {
    this.#state = state;
  }

  static async open(env?: Readonly<Record<string, string>>): Promise<BoardVisit> {
    const visit = new BoardVisit(await mkdtemp(join(tmpdir(), "jotwire-")));
    await visit.start(env);
    return visit;
  }

  /** Starts the server, again at the same port. `env`: more variables of its environment. */
  async start(more: Readonly<Record<string, string>> = {}): Promise<void> {
    const env = {
      ...more,
      PORT: this.origin === "" ? "0" : new URL(this.origin).port,
      DATABASE: this.#database,
      STATE: join(this.#state, "state"),
    };
    const command = [process.execPath, "--import", import.meta.resolve("tsx")];
    this.#server = new RunningCli(["server.ts"], { command, cwd: folder, env });
    this.origin = await this.#server.printed(/listening on (\S+)\n/);
  }

  /** Ends the server, and returns its exit code. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    this.#server?.signal(signal);
    return (await this.#server?.exited) ?? null;
  }

  /** A browser without a past, whose user has logged in. */
  async logIn(user: string): Promise<BoardPage> {
    const context = await freshContext();
    this.#contexts.push(context);
    const page = await BoardPage.open(context, this.origin);
    await page.logIn(user);
    return page;
  }

  /** Titles with their columns as the database has them, sorted. */
  stored(): string[] {
    const store = openBoardStore(this.#database);
    try {
      return store
        .cards("launch")
        .map(({ title, column }) => `${title}: ${column}`)
        .sort();
    } finally {
      store.close();
    }
  }

  get #database(): string {
    return join(this.#state, "board.db");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#contexts.map((context) => context.close()));
    await this.#server?.[Symbol.asyncDispose]();
    await rm(this.#state, { recursive: true, force: true });
  }
}
