import type { Page } from "playwright-core";
import type { SdkUser } from "../client/sdk-user.js";
import { PageUser } from "./page-user.js";

/** A page with a user of the SDK in it. */
export class BrowserTab extends PageUser {
  readonly page: Page;
  /** What stands in the console, and what nobody caught. */
  readonly console: string[] = [];
  readonly urls: string[] = [];

  constructor(page: Page) {
    super();
    this.page = page;
    page.on("console", (message) => this.console.push(message.text()));
    page.on("pageerror", (error) => this.console.push(String(error)));
    page.on("request", (request) => this.urls.push(request.url()));
    page.on("websocket", (socket) => {
      this.sockets++;
      this.urls.push(socket.url());
      socket.on("framesent", ({ payload }) => this.sent.push(String(payload)));
      socket.on("framereceived", ({ payload }) => this.received.push(String(payload)));
    });
  }

  override do<Name extends keyof SdkUser>(
    name: Name,
    ...args: Parameters<SdkUser[Name]>
  ): Promise<Awaited<ReturnType<SdkUser[Name]>>> {
    const run = ([method, list]: readonly [string, readonly unknown[]]) => {
      const { user } = globalThis as unknown as {
        readonly user: Readonly<Record<string, (...list: readonly unknown[]) => unknown>>;
      };
      return user[method]?.(...list);
    };
    return this.page.evaluate(run, [name, args] as const) as Promise<
      Awaited<ReturnType<SdkUser[Name]>>
    >;
  }
}
