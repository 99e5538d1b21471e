import { createServer as createHttpServer } from "node:http";
import { performance } from "node:perf_hooks";
import { setImmediate as endOfTurn } from "node:timers/promises";
import {
  type Client,
  type ClientOptions,
  createClient,
  type TokenCallback,
  type Untyped,
} from "../../client/node.js";
import { Router } from "../rpc/define/create-rpc.js";
import type { NotificationSchemas } from "../rpc/define/server-actions.js";
import { createServer, type Server } from "../server/server.js";
import type { ServerOptions } from "../server/server-options.js";
import { jsonLogger } from "../server/telemetry/json-logger.js";
import type { AuthOption } from "../server/token-authority.js";
import { TestClock } from "./test-clock.js";
import { idleGauge, unlimitedRates } from "./test-conditions.js";
import { MemoryNetwork, type TestNetwork } from "./test-network.js";
import { TestSockets } from "./test-socket.js";
import { type TestTokenOptions, testAuth, testToken } from "./test-token.js";

/** Options of `testServer`: those of `createServer`, most of which a test does not need. */
export interface TestServerOptions<Schemas extends NotificationSchemas = NotificationSchemas>
  extends Omit<ServerOptions<Schemas>, "auth" | "testing"> {
  /**
   * Whose tokens are accepted beside those of {@link testToken}, such as an embedded issuer's.
   * @default none
   */
  readonly auth?: AuthOption | readonly AuthOption[];
  /**
   * Clock of the server, its clients and the network: another part of the test may share it.
   * @default a new one, which shows the machine's time at first
   */
  readonly clock?: TestClock;
}

/** Options of a client of `testServer`: those of `createClient`, without what the kit gives. */
export type TestClientOptions<App = Untyped> = Omit<
  ClientOptions<App>,
  "url" | "WebSocket" | "testing"
>;

/** Options of `clientAs`. */
export interface TestUserOptions<App = Untyped>
  extends Omit<TestClientOptions<App>, "token">,
    Pick<TestTokenOptions, "claims" | "expiresIn"> {}

const longestWait = 1_000; // ms of real time for what never settles, such as a token() that hangs
const quietTurns = 2;

/** A server in the test's own process, its clients, their network and their time. */
export class TestServer<R, N, Schemas extends NotificationSchemas> implements AsyncDisposable {
  /** The time of server, clients and network. */
  readonly clock: TestClock;
  /** The network between server and clients. */
  readonly network: TestNetwork;
  readonly #app: Router<R, N, Schemas>;
  readonly #options: ServerOptions<Schemas>;
  readonly #http = createHttpServer();
  readonly #network: MemoryNetwork;
  readonly #clients = new Set<Client<Router<R, N, Schemas>>>();
  readonly #sockets: TestSockets;
  readonly #stopWaiting: () => void;
  #server: Server<Schemas>;
  /** Calls of `token()` that are under way, until one has taken too long. */
  readonly #tokenCalls = new Set<object>();
  #closed: Promise<void> | undefined;

  constructor(app: Router<R, N, Schemas>, given: TestServerOptions<Schemas>) {
    const { auth = [], clock = new TestClock(), limits, logger, ...options } = given;
    this.clock = clock;
    this.#app = app;
    this.#options = {
      ...options,
      auth: [testAuth, ...([auth].flat() as readonly AuthOption[])],
      limits: { ...unlimitedRates, ...limits },
      logger: logger ?? jsonLogger("error"),
      testing: { clock, gauge: idleGauge },
    };
    this.#server = this.#start();
    this.#network = new MemoryNetwork(clock, (stream) => this.#http.emit("connection", stream));
    this.network = this.#network;
    this.#sockets = new TestSockets(this.#network);
    this.#stopWaiting = clock.waitFor(() => this.#settled());
  }

  /** The server; another one after a restart. */
  get server(): Server<Schemas> {
    return this.#server;
  }

  /** As `server.publish`. */
  get publish(): Server<Schemas>["publish"] {
    return (...args) => this.#server.publish(...args);
  }

  /**
   * Makes a client that is signed in as a user. It gets another token by itself whenever it needs
   * one, while `clock.advance` lets time pass.
   * @param subject the user: the claim `sub`
   * @param scopes the scopes that the token grants
   * @throws TypeError if an option is unknown
   * @example await using ada = server.clientAs("ada", ["orders:read"]);
   */
  clientAs(
    subject: string,
    scopes: readonly string[] = [],
    { claims, expiresIn, ...options }: TestUserOptions<Router<R, N, Schemas>> = {},
  ): Client<Router<R, N, Schemas>> {
    const identity = {
      ...{ subject, scopes },
      ...(claims === undefined ? {} : { claims }),
      ...(expiresIn === undefined ? {} : { expiresIn }),
    };
    this.token(identity); // says now what is wrong with it
    return this.client({ ...options, token: () => this.token(identity) });
  }

  /**
   * Makes a client with the options given: without `token`, one that never signs in.
   * @throws TypeError if an option is unknown
   */
  client(options: TestClientOptions<Router<R, N, Schemas>> = {}): Client<Router<R, N, Schemas>> {
    if (this.#closed !== undefined) throw new Error("this test server is closed");
    const { token, maxFrameBytes } = options;
    const client = createClient<Router<R, N, Schemas>>({
      ...options,
      ...(token && { token: this.#counted(token) }),
      url: `ws://jotwire.test${this.#options.path ?? "/rpc"}`,
      WebSocket: this.#sockets.constructorFor(maxFrameBytes),
      testing: { clock: this.clock, random: () => 0.5 },
    });
    this.#clients.add(client);
    return client;
  }

  /**
   * Makes an access token that this server accepts, issued now by its clock.
   * @throws TypeError if an option is unknown
   */
  token(options: TestTokenOptions = {}): string {
    return testToken({ issuedAt: this.clock.now(), ...options });
  }

  /**
   * Closes the server, as for an update, and starts another one in its place. What the old one had
   * in memory is lost, unless the option `store` keeps it. Clients come back once time passes.
   */
  async restart(): Promise<void> {
    await this.#server.close();
    if (this.#closed === undefined) this.#server = this.#start();
  }

  /** Closes clients and server. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** As `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#network.restore(); // a close has nothing to wait for then
    await Promise.all([...this.#clients].map((client) => client.close()));
    this.#network.cut();
    await this.#server.close();
    this.#stopWaiting();
  }

  #start(): Server<Schemas> {
    const server = createServer(this.#app, this.#options);
    server.attach(this.#http);
    return server;
  }

  #counted(token: TokenCallback): TokenCallback {
    return async (request) => {
      this.#tokenCalls.add(request);
      try {
        return await token(request);
      } finally {
        this.#tokenCalls.delete(request);
      }
    };
  }

  /** Waits until nothing goes on any more without time passing. */
  async #settled(): Promise<void> {
    const network = this.#network;
    const startedAt = performance.now();
    for (let quiet = 0; quiet < quietTurns; quiet++) {
      const { arrivals } = network;
      await endOfTurn();
      if (network.arrivals !== arrivals || this.#isBusy(startedAt)) quiet = -1;
    }
  }

  /** Whether tokens are got or judged, which takes real time. What hangs is waited for once. */
  #isBusy(startedAt: number): boolean {
    if (this.#tokenCalls.size === 0 && !this.#sockets.areWaiting) return false;
    if (performance.now() - startedAt < longestWait) return true;
    this.#tokenCalls.clear();
    this.#sockets.waitNoLonger();
    return false;
  }
}

/**
 * Starts a server for a test, in the test's own process and without a port. Real clients talk to
 * the real server by WebSocket frames over streams in memory, and time passes for all of them when
 * the test says so. Whoever calls it closes it, best by `await using`.
 * @throws TypeError if an option is invalid
 * @example
 * await using server = testServer(app);
 * const ada = server.clientAs("ada", ["orders:read"]);
 * assert.deepEqual(await ada.api.orders.list(), ["o1"]);
 */
export function testServer<R, N, Schemas extends NotificationSchemas>(
  app: Router<R, N, Schemas>,
  options: TestServerOptions<NoInfer<Schemas>> = {},
): TestServer<R, N, Schemas> {
  if (!(app instanceof Router))
    throw new TypeError("app is not a router; pass the result of rpc.router({ … })");
  return new TestServer<R, N, Schemas>(app, options);
}
