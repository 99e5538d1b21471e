import { join } from "node:path";
import type { BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { type DevServer, projectFolder, shownPassword, startDev } from "../cli/command-line.js";
import { freshContext } from "./browser.js";

/** A page, and what it did. */
export interface Look {
  readonly page: Page;
  /** What stands in the console, and what nobody caught. */
  readonly complaints: string[];
  readonly hosts: Set<string>;
  /** URLs of the sockets that it opened. */
  readonly sockets: string[];
}

/** The order desk as `npm start` serves it, and somebody who looks at it. */
export class OrderDeskVisit implements AsyncDisposable {
  readonly server: DevServer;
  readonly password: string;
  readonly #contexts: BrowserContext[] = [];

  private constructor(server: DevServer) {
    this.server = server;
    this.password = shownPassword(server);
  }

  static async open(state: string): Promise<OrderDeskVisit> {
    const folder = join(projectFolder, "examples/order-desk");
    const server = await startDev(state, {
      module: join(folder, "app.ts"),
      typescript: true,
      flags: ["--public", join(folder, "public")],
    });
    return new OrderDeskVisit(server);
  }

  /** The page, with nobody logged in. */
  async page(options: BrowserContextOptions = {}): Promise<Look> {
    const context = await freshContext(options);
    this.#contexts.push(context);
    const page = await context.newPage();
    const look: Look = { page, complaints: [], hosts: new Set(), sockets: [] };
    page.on("console", (message) => look.complaints.push(message.text()));
    page.on("pageerror", (error) => look.complaints.push(String(error)));
    page.on(
      "request",
      (request) => request.url().startsWith("data:") || look.hosts.add(new URL(request.url()).host),
    );
    page.on("websocket", (socket) => {
      look.sockets.push(socket.url());
      look.hosts.add(new URL(socket.url()).host);
    });
    await page.goto(this.server.base);
    return look;
  }

  async logIn(page: Page, user = "ada", password = this.password): Promise<void> {
    await page.getByLabel("Username").fill(user);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Log in" }).click();
  }

  async closePages(): Promise<void> {
    await Promise.all(this.#contexts.splice(0).map((context) => context.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closePages();
    await this.server[Symbol.asyncDispose]();
  }
}
