import type { BrowserContext, Page } from "playwright-core";
import { createServer, type Server, type ServerOptions } from "../../../src/index.js";
import {
  createIssuer,
  type Issuer,
  type IssuerOptions,
  memoryStore,
} from "../../../src/issuer/index.js";
import { ManualClock } from "../manual-clock.js";
import { recordingLogger } from "../server/test-server.js";
import { CheapHasher } from "../tokens/cheap-hasher.js";
import { password } from "../tokens/test-issuer.js";
import { freshContext } from "./browser.js";
import { consoleApp, SlowReport } from "./console-app.js";

/**
 * A server with a console, whose time moves only when the test says so, and people who look at it.
 */
export class ConsoleVisit implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly issuer: Issuer;
  readonly server: Server;
  readonly app: ReturnType<typeof consoleApp>;
  /** What `reports.sales` does. */
  readonly report: SlowReport;
  /** URL of the page. */
  readonly url: string;
  /** What was logged in the browser's own console, and what nobody caught. */
  readonly complaints: string[] = [];
  /** URLs of everything that the pages asked for. */
  readonly urls: string[] = [];
  readonly #contexts: BrowserContext[] = [];

  private constructor(
    clock: ManualClock,
    issuer: Issuer,
    app: ReturnType<typeof consoleApp>,
    report: SlowReport,
    server: Server,
    url: string,
  ) {
    this.clock = clock;
    this.issuer = issuer;
    this.app = app;
    this.report = report;
    this.server = server;
    this.url = url;
  }

  /** With the users ada (orders, admin) and bob (orders:read). */
  static async open(
    options: Partial<ServerOptions> = {},
    issuerOptions: Partial<IssuerOptions> = {},
  ): Promise<ConsoleVisit> {
    const clock = new ManualClock(Date.now()); // the page has the machine's
    const hashing = { testing: { passwordHasher: new CheapHasher(), clock } };
    const issuer = await createIssuer({
      issuer: "http://localhost",
      audience: "jotwire",
      store: memoryStore(),
      ...hashing,
      ...issuerOptions,
    });
    await issuer.users.add("ada", password, { scopes: ["orders:read", "orders:write", "admin"] });
    await issuer.users.add("bob", password, { scopes: ["orders:read"] });
    const { logger } = recordingLogger();
    const report = new SlowReport();
    const app = consoleApp(report);
    const server = createServer(app, {
      auth: issuer,
      testing: { clock },
      logger,
      console: true,
      admin: "admin",
      limits: { pingInterval: Number.POSITIVE_INFINITY },
      ...options,
    }); // time may leap: no pong would come in time
    const { port } = await server.listen(0);
    return new ConsoleVisit(clock, issuer, app, report, server, `http://localhost:${port}/console`);
  }

  /** A new person: nothing stored, nobody logged in. */
  async page(options: Parameters<typeof freshContext>[0] = {}): Promise<Page> {
    return this.pageIn(
      await freshContext({
        viewport: { width: 1280, height: 800 },
        colorScheme: "light",
        ...options,
      }),
    );
  }

  /** A page in this browser session, which ends with the visit. */
  async pageIn(context: BrowserContext): Promise<Page> {
    this.#contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(10_000); // ms
    page.on("console", (message) => this.complaints.push(message.text()));
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("request", (request) => this.urls.push(request.url()));
    page.on("websocket", (socket) => this.urls.push(socket.url()));
    await page.goto(this.url);
    return page;
  }

  /** Somebody who has logged in. */
  async visitor(username = "ada", options: Parameters<typeof freshContext>[0] = {}): Promise<Page> {
    const page = await this.page(options);
    await logIn(page, username);
    return page;
  }

  /** A new access token of a user. */
  async token(username = "ada"): Promise<string> {
    const answer = await fetch(new URL("/login", this.url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username, password }),
    });
    return ((await answer.json()) as { access_token: string }).access_token;
  }

  /** A new price of A1: an event of the topic `prices`. */
  price(cents: number): Promise<void> {
    return this.server.publish(this.app.routes.prices, { sku: "A1" }, { sku: "A1", cents });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#contexts.map((context) => context.close()));
    await this.server.close();
    await this.issuer.close();
  }
}

export async function logIn(page: Page, username = "ada", secret = password): Promise<void> {
  await page.getByLabel("Username").fill(username);
  await page.getByLabel("Password", { exact: true }).fill(secret);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("connected", { exact: true }).waitFor();
  await method(page, "stock.list").waitFor(); // the methods are known
}

/** A method in the list. */
export function method(page: Page, name: string) {
  return page
    .getByRole("navigation", { name: "Methods" })
    .getByRole("button", { name: `${name} (` });
}

export function button(page: Page, name: string) {
  return page.getByRole("button", { name, exact: true });
}

/** Calls the method that is chosen, and gives what the page then says about it. */
export async function call(page: Page): Promise<string> {
  await button(page, "Call").click();
  await page.getByRole("button", { name: "Call", exact: true, disabled: false }).waitFor();
  return page.getByRole("region", { name: "Outcome" }).innerText();
}

/** Lines of the timeline: what they are about. */
export function lines(page: Page): Promise<string[]> {
  return page.getByRole("region", { name: "Frames" }).locator("tr.entry").allInnerTexts();
}
