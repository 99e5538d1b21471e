import { once } from "node:events";
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { BrowserContext, Page } from "playwright-core";
import { createServer, type Server } from "../../../src/index.js";
import {
  createIssuer,
  type Issuer,
  type IssuerOptions,
  memoryStore,
} from "../../../src/issuer/index.js";
import { ManualClock } from "../manual-clock.js";
import { TcpProxy } from "../network/tcp-proxy.js";
import { cardsApp } from "../server/cards-app.js";
import { recordingLogger } from "../server/test-server.js";
import { CheapHasher } from "../tokens/cheap-hasher.js";
import { password } from "../tokens/test-issuer.js";
import { freshContext } from "./browser.js";
import { BrowserTab } from "./browser-tab.js";
import { pageScript } from "./page-script.js";

export interface SiteOptions {
  readonly issuer?: Partial<IssuerOptions>;
  /** `true`: server and issuer have the machine's clock, not the test's. */
  readonly realTime?: boolean;
  /** Another issuer whose tokens the server takes, and whom its pages may ask. */
  readonly provider?: { readonly issuer: string; readonly audience: string };
}

export interface Visit {
  /** Another tab of its browser session. */
  readonly beside?: BrowserTab | Page;
  /** Runs before the page's own. */
  readonly script?: string;
  /**
   * `react`: the page of the hooks; `react?hydrated`: as it came from a server; `frameworks`: that
   * of Vue and Svelte; `live`: the state of a topic in all three. Default: that of the SDK's user.
   */
  readonly path?: "" | "session" | "react" | "react?hydrated" | "frameworks" | "live";
}

const pageWith = (script: string) =>
  `<!doctype html><html lang="en"><title>The SDK's user</title><body><script src="${script}"></script>`;
/** What is served beside the server's own: paths, and what makes their scripts. */
const scripts = new Map([
  ["/user.js", "test/browser/page/user.ts"],
  ["/react.js", "test/browser/page/react-user.ts"],
  ["/session.js", "test/browser/page/session-user.ts"],
  ["/frameworks.js", "test/browser/page/frameworks-user.ts"],
  ["/live.js", "test/browser/page/live-user.ts"],
]);
// the SDK works under a strict one
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'";

/**
 * A site as somebody may run it: a page, the issuer's endpoints and the WebSocket on one port,
 * behind a network that can fail. Its server can be restarted; the users, their sessions and the
 * port stay.
 */
export class BrowserSite implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly network: TcpProxy;
  readonly issuer: Issuer;
  readonly #cards = cardsApp();
  readonly app = this.#cards.app;
  /** The cards of the application, which outlive its server. */
  readonly versions = this.#cards.versions;
  /** Codes with which the server's connections were closed, in order. */
  readonly closings: number[] = [];
  readonly #options: SiteOptions;
  readonly #contexts: BrowserContext[] = [];
  #http: HttpServer | undefined;
  #server: Server | undefined;
  /** What the server was asked: each path of HTTP, `upgrade` for sockets that were asked for. */
  readonly #asked = new Map<string, number>();

  private constructor(network: TcpProxy, issuer: Issuer, clock: ManualClock, options: SiteOptions) {
    this.network = network;
    this.issuer = issuer;
    this.clock = clock;
    this.#options = options;
  }

  static async open(options: SiteOptions = {}, listening?: TcpProxy): Promise<BrowserSite> {
    const clock = new ManualClock(Date.now()); // pages have the machine's
    const network = listening ?? (await TcpProxy.listen());
    const issuer = await createIssuer({
      issuer: `http://127.0.0.1:${network.port}`,
      audience: "jotwire",
      store: memoryStore(),
      testing: {
        passwordHasher: new CheapHasher(),
        ...(options.realTime === true ? {} : { clock }),
      },
      ...options.issuer,
    });
    await issuer.users.add("ada", password, { scopes: ["numbers:add"] });
    const site = new BrowserSite(network, issuer, clock, options);
    await site.start();
    return site;
  }

  get url(): string {
    return `http://127.0.0.1:${this.network.port}/`;
  }

  get server(): Server {
    if (this.#server === undefined) throw new Error("the server is stopped");
    return this.#server;
  }

  /** How often something was asked: a path, or `upgrade`. */
  asked(what: string): number {
    return this.#asked.get(what) ?? 0;
  }

  /** Calls of the issuer, and sockets: what the tests of the SDK are about. */
  get cost(): { readonly logins: number; readonly renewals: number; readonly sockets: number } {
    return {
      logins: this.asked("/login"),
      renewals: this.asked("/token"),
      sockets: this.asked("upgrade"),
    };
  }

  async start(): Promise<void> {
    const server = createServer(this.app, {
      auth:
        this.#options.provider === undefined ? this.issuer : [this.issuer, this.#options.provider],
      logger: recordingLogger().logger,
      hooks: { closed: (_connection, code) => this.closings.push(code) },
      // pages don't answer pings in the test's time
      ...(this.#options.realTime === true
        ? {}
        : { testing: { clock: this.clock }, limits: { pingInterval: Number.POSITIVE_INFINITY } }),
    });
    const http = createHttpServer((request, response) => void this.#answer(request, response));
    http.on("upgrade", () => this.#count("upgrade"));
    server.attach(http);
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    this.network.leadTo((http.address() as AddressInfo).port);
    this.#http = http;
    this.#server = server;
  }

  /** Stops the server, in order; nothing listens afterwards. */
  async stop({ drain = 0 } = {}): Promise<void> {
    await this.#server?.close({ drain });
    const http = this.#http;
    this.#server = this.#http = undefined;
    if (http === undefined) return;
    http.close();
    http.closeAllConnections();
    await once(http, "close");
  }

  /** A page in a browser session of its own, or, as another tab, in that of another page. */
  async visit({ beside, script, path = "" }: Visit = {}): Promise<BrowserTab> {
    const besides = beside !== undefined && "page" in beside ? beside.page : beside;
    const context = besides?.context() ?? (await freshContext());
    if (beside === undefined) this.#contexts.push(context);
    if (script !== undefined) await context.addInitScript(script);
    const tab = new BrowserTab(await context.newPage());
    await tab.page.goto(`${this.url}${path}`);
    return tab;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#contexts.map((context) => context.close()));
    await this.stop();
    await this.issuer.close();
    await this.network[Symbol.asyncDispose]();
  }

  #count(what: string): void {
    this.#asked.set(what, this.asked(what) + 1);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", this.url);
    this.#count(pathname);
    // a black hole takes the socket, and not the next request with it
    response.shouldKeepAlive = false;
    if (await this.#server?.handle(request, response)) return;
    const script = scripts.get(pathname);
    const page = pageWith(scripts.has(`${pathname}.js`) ? `${pathname}.js` : "/user.js");
    const [type, body] =
      script === undefined ? ["text/html", page] : ["text/javascript", await pageScript(script)];
    response
      .writeHead(200, {
        "Content-Type": `${type}; charset=utf-8`,
        "Content-Security-Policy": `${policy} ${this.#options.provider?.issuer ?? ""}`,
      })
      .end(body);
  }
}
