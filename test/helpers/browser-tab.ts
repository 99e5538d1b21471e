import type { Page } from "playwright-core";
import type { Notes, SdkUser } from "./sdk-user.js";

const patience = 15_000; // ms; a test that waits this long has failed
const look = 15; // ms between two looks at the page

type Wire = { readonly method?: string; readonly id?: unknown };

/** A page with a user of the SDK in it, and what went over its sockets. */
export class BrowserTab {
  readonly page: Page;
  /** Frames of all sockets of the page, as they were sent, in order. */
  readonly sent: string[] = [];
  readonly received: string[] = [];
  /** Sockets that the page asked for, as the browser's developer tools see them. */
  sockets = 0;
  /** What stands in the console, and what nobody caught. */
  readonly console: string[] = [];
  readonly urls: string[] = [];

  constructor(page: Page) {
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

  /** Has the page's user do something. */
  do<Name extends keyof SdkUser>(name: Name, ...args: Parameters<SdkUser[Name]>): Promise<Awaited<ReturnType<SdkUser[Name]>>> {
    const run = ([method, list]: readonly [string, readonly unknown[]]) => {
      const { user } = globalThis as unknown as { readonly user: Readonly<Record<string, (...list: readonly unknown[]) => unknown>> };
      return user[method]?.(...list);
    };
    return this.page.evaluate(run, [name, args] as const) as Promise<Awaited<ReturnType<SdkUser[Name]>>>;
  }

  /** How many requests or notifications of this name the page has sent. */
  sentOf(method: string): number {
    return countOf(this.sent, method);
  }

  receivedOf(method: string): number {
    return countOf(this.received, method);
  }

  /** Waits until the user's notes are like this, and gives them. */
  async until(what: string, isSo: (notes: Notes) => boolean): Promise<Notes> {
    const end = performance.now() + patience;
    for (;;) {
      const notes = await this.do("notes");
      if (isSo(notes)) return notes;
      if (performance.now() > end) throw new Error(`not seen: ${what}\n${JSON.stringify(notes, null, 1)}\n${this.console.join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, look));
    }
  }

  state(state: string): Promise<Notes> {
    return this.until(state, (notes) => notes.state === state);
  }
}

function countOf(frames: readonly string[], method: string): number {
  return frames.filter((frame) => (JSON.parse(frame) as Wire).method === method).length;
}
