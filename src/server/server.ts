/** The server: listens, accepts sockets, and joins what the floors below keep apart. */
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { v4 as randomId } from "uuid";
import type { WebSocket, WebSocketServer } from "ws";
import { createFetchDocument } from "../auth/keys/fetch-document.js";
import type { VerifiedToken } from "../auth/provider-options.js";
import type { SchemaInput } from "../protocol/standard-schema.js";
import type { Bus } from "../pubsub/bus.js";
import { LocalBus } from "../pubsub/local-bus.js";
import { FlushQueue } from "../pubsub/outbox.js";
import { Topics } from "../pubsub/topics.js";
import { type NotificationSchemas, Router, type Topic } from "../rpc/define/create-rpc.js";
import { OpenRpc } from "../rpc/define/openrpc.js";
import {
  checkNotifications,
  createRegistry,
  type MethodEntry,
  type Registry,
} from "../rpc/define/registry.js";
import { type Builtin, Dispatcher } from "../rpc/dispatch/dispatcher.js";
import { type Clock, clockWithErrorHandling, systemClock } from "../runtime/clock.js";
import { type Logger, unfailing } from "../runtime/logger.js";
import { RateLimitedLog } from "../runtime/rate-limited-log.js";
import { AcceptLimits } from "./admission/accept-limits.js";
import { AddressCounters } from "./admission/address-counters.js";
import { AuthRateLimiter } from "./admission/auth-rate-limiter.js";
import { clientAddress, type TrustedProxies, trustedProxies } from "./admission/client-address.js";
import { type LoadGauge, MachineGauge, openFilesLimit } from "./admission/load-gauge.js";
import { OriginList } from "./admission/origin-list.js";
import { Overload } from "./admission/overload.js";
import {
  pathOf,
  refuseUpgrade,
  UpgradeChecks,
  type UpgradeRefusal,
} from "./admission/upgrade-checks.js";
import { createWebSocketServer, guardStream } from "./admission/web-socket-server.js";
import { adminMethods } from "./cluster/admin-methods.js";
import { busOf, joinNodes, type Nodes, sharedRatesOf } from "./cluster/cluster.js";
import { type NotifyTarget, Publisher } from "./cluster/publisher.js";
import { Revocations } from "./cluster/revocations.js";
import {
  Administration,
  type KickResult,
  type KickSelector,
  type SessionList,
  type SessionsOptions,
} from "./cluster/session-admin.js";
import { builtins } from "./connection/builtins.js";
import { Connection, type ConnectionServices } from "./connection/connection.js";
import { newConnectionId } from "./connection/connection-id.js";
import { SlowMessageWatch } from "./connection/frames/slow-message-watch.js";
import { judgeBearer } from "./http/bearer.js";
import { ConsolePage } from "./http/console-page.js";
import {
  checkListening,
  closeListener,
  createListener,
  openListener,
  urlOf,
} from "./http/http-listener.js";
import { HttpRoutes, notFound } from "./http/http-routes.js";
import { HttpSockets } from "./http/http-sockets.js";
import { Readiness } from "./http/readiness.js";
import { ConnectionRegistry } from "./lifecycle/connection-registry.js";
import { Heartbeat } from "./lifecycle/heartbeat.js";
import { Hooks } from "./lifecycle/hooks.js";
import { Shutdown, within } from "./lifecycle/shutdown.js";
import { type Limits, resolveLimits } from "./limits.js";
import { Observability } from "./metrics/observability.js";
import {
  type AuthOption,
  checkServerOptions,
  type Listening,
  type RevocationSelector,
  type RevokeOptions,
  type ServerOptions,
} from "./server-options.js";
import { jsonLogger } from "./telemetry/json-logger.js";
import { longestLifetime, TokenAuthority } from "./token-authority.js";

const httpTimeout = 2_000; // 2 s for HTTP requests that are being answered when a drain ends
const sweepInterval = 60_000; // 1 min

/** A JSON-RPC server over WebSockets. Made by {@link createServer}. */
export class Server<Notifications extends NotificationSchemas = NotificationSchemas> {
  readonly #options: ServerOptions;
  readonly #limits: Limits;
  readonly #clock: Clock;
  /** Of the server's own lines, most of which peers can cause. */
  readonly #log: Logger;
  readonly #applicationLog: Logger;
  readonly #path: string;
  readonly #registry: Registry;
  readonly #openRpc: OpenRpc;
  readonly #authority: TokenAuthority;
  readonly #revocations: Revocations;
  readonly #observability: Observability;
  readonly #readiness: Readiness;
  readonly #addresses: AddressCounters;
  readonly #heartbeat: Heartbeat;
  readonly #connectionRegistry: ConnectionRegistry;
  readonly #nodes: Nodes;
  readonly #administration: Administration;
  readonly #dispatcher: Dispatcher;
  readonly #bus: Bus;
  readonly #topics = new Topics((error) =>
    this.#log.error(
      { event: "push.fail", err: error },
      "an event could not be delivered to a connection",
    ),
  );
  readonly #publisher: Publisher;
  readonly #services: ConnectionServices;
  readonly #overload: Overload;
  readonly #slowMessages: SlowMessageWatch;
  readonly #acceptLimits: AcceptLimits;
  readonly #upgradeChecks: UpgradeChecks;
  readonly #authRate: AuthRateLimiter;
  readonly #routes: HttpRoutes;
  readonly #sockets: WebSocketServer;
  readonly #isTrusted: TrustedProxies;
  readonly #addressOf: (request: IncomingMessage) => string;
  readonly #detach: (() => void)[] = [];
  readonly #sweeps: (() => void)[] = [];
  #http: HttpServer | undefined;
  #httpSockets: HttpSockets | undefined;
  #stopSweeping: () => void = () => {};
  #closed: Promise<void> | undefined;

  /** `gauge`: a test's own. */
  constructor(app: Router<unknown>, options: ServerOptions, gauge: LoadGauge = new MachineGauge()) {
    this.#options = options;
    this.#limits = resolveLimits(options.limits);
    const clock = options.clock ?? systemClock;
    this.#applicationLog = unfailing(options.logger ?? jsonLogger());
    this.#log = new RateLimitedLog(this.#applicationLog, clock);
    this.#clock = clockWithErrorHandling(clock, this.#log);
    this.#observability = new Observability(options, this.#clock, this.#log);
    this.#path = options.path ?? "/rpc";
    if (!this.#path.startsWith("/"))
      throw new TypeError(`path must begin with "/", not be "${this.#path}"`);
    checkNotifications(app.notifications);
    const production = options.production ?? process.env.NODE_ENV === "production";
    const providers: readonly AuthOption[] = [options.auth].flat() as readonly AuthOption[];
    const whenReady = () => this.#revocations.whenCurrent();
    this.#authority = new TokenAuthority(providers, app.claims, options.identityClaims ?? [], {
      clock: this.#clock,
      fetchDocument: createFetchDocument(),
      production,
      onKeyFailure: (issuer, detail) => this.#keysFailed(issuer, detail),
      whenReady,
    });
    const { issuers } = this.#authority;
    const stores =
      options.store === undefined
        ? [...new Set(issuers.map(({ store }) => store))]
        : [options.store];
    this.#revocations = new Revocations({
      clock: this.#clock,
      issuers,
      stores: stores.map(({ revocations }) => ({
        revocations: this.#observability.revocations(revocations),
      })),
      longestLifetime: longestLifetime(providers),
      onChange: (announcedAt) => this.#revoked(announcedAt),
    });
    this.#overload = new Overload(this.#limits, {
      clock: this.#clock,
      gauge,
      log: this.#log,
      shed: () => this.#connectionRegistry.shed(),
    });
    this.#readiness = new Readiness(this.#revocations, this.#authority, this.#overload);
    const everyStore = [options.store, ...issuers.map(({ store }) => store)];
    this.#addresses = new AddressCounters(
      this.#clock,
      this.#limits.authFailuresPerAddress > 0 ? sharedRatesOf(everyStore) : undefined,
    );
    this.#heartbeat = new Heartbeat(
      this.#clock,
      this.#limits.pingInterval,
      this.#limits.pongTimeout,
      () => this.#observability.telemetry.limitHit("pongTimeout"),
    );
    this.#connectionRegistry = new ConnectionRegistry(
      this.#addresses,
      this.#heartbeat,
      new Hooks(options.hooks ?? {}, this.#log),
      this.#observability.telemetry,
      this.#clock,
      this.#limits.connectionsPerSubject,
      (address) => this.#upgradeChecks.exhausted(address),
    );
    const bus = busOf(everyStore);
    const shared = bus === undefined ? undefined : this.#observability.bus(bus);
    this.#nodes = joinNodes(shared, this.#clock, this.#log);
    this.#slowMessages = new SlowMessageWatch(
      this.#clock,
      this.#limits.frameTimeout,
      this.#connectionRegistry,
    );
    this.#administration = new Administration(
      this.#connectionRegistry,
      this.#nodes.node,
      this.#applicationLog,
      this.#nodes.queries,
    );
    this.#registry = createRegistry(app, this.#ownMethods(options.admin));
    this.#openRpc = new OpenRpc(this.#registry, options.info);
    const discover = options.discover ?? "authenticated";
    this.#dispatcher = new Dispatcher(this.#registry, this.#builtins(discover), this.#limits, {
      timers: this.#clock,
      newErrorId: randomId,
      observer: this.#observability.calls,
      onLimit: (limit) => this.#observability.telemetry.limitHit(limit),
    });
    this.#bus = shared ?? this.#localBus();
    this.#publisher = new Publisher({
      registry: this.#registry,
      notifications: app.notifications,
      bus: this.#bus,
      topics: this.#topics,
      messages: this.#nodes.messages,
      recipients: (target) => this.#recipients(target),
      maxBytes: this.#limits.responseBytes,
    });
    this.#authRate = new AuthRateLimiter(this.#clock, this.#limits.authCallsPerAddress);
    this.#services = this.#connectionServices(app);
    const origins = new OriginList(options.origins);
    this.#acceptLimits = new AcceptLimits(this.#limits, {
      clock: this.#clock,
      connections: () => this.#connectionRegistry.size,
      openFiles: openFilesLimit(),
      overload: () => this.#overload.limit,
    });
    this.#upgradeChecks = new UpgradeChecks(origins, this.#addresses, this.#limits);
    this.#isTrusted = trustedProxies(options.trustProxy ?? []);
    this.#addressOf = (request) => clientAddress(request, this.#isTrusted);
    const bearer = {
      authority: this.#authority,
      revocations: this.#revocations,
      addresses: this.#addresses,
      log: this.#log,
    };
    this.#routes = new HttpRoutes({
      issuers,
      origins,
      discover,
      log: this.#log,
      path: this.#path,
      addressOf: this.#addressOf,
      unreadiness: () => this.#readiness.reason(),
      document: (auth) => this.#openRpc.for(auth),
      authenticate: (token, address) => judgeBearer(token, address, bearer),
      isBarred: (address) => this.#upgradeChecks.isBarred(address),
      mayJudge: (address) => this.#mayJudge(address),
      console:
        options.console === true
          ? new ConsolePage({ path: this.#path, origins, issuers })
          : undefined,
    });
    this.#sockets = createWebSocketServer(this.#limits, options.compression === true);
    this.#observability.measure({
      members: () => this.#connectionRegistry.members(),
      rememberedRevocations: () => this.#revocations.list.size,
      store: this.#readiness,
      issuers,
      isOverloaded: (limit) => this.#overload.isOver(limit),
    });
    this.#sweepLater();
  }

  /**
   * Listens on `port` (0 = any free one). On loopback unless a host is given; on an address that
   * others can reach, only with `tls`, `trustProxy` or `allowInsecure`. Also serves the HTTP
   * endpoints.
   */
  async listen(port: number, host = "127.0.0.1"): Promise<Listening> {
    if (this.#http !== undefined) throw new Error("this server listens already");
    checkListening(host, this.#options);
    await this.#revocations.whenCurrent();
    const { tls } = this.#options;
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      void this.#onRequest(request, response);
    const http = createListener(tls, onRequest);
    this.#httpSockets = new HttpSockets(http, this.#limits, {
      openFiles: openFilesLimit(),
      isTrusted: this.#isTrusted,
      onRefused: (address) => {
        this.#limitHit("httpPerAddress", address);
        this.#observability.telemetry.limitHit("httpPerAddress");
      },
    });
    this.attach(http);
    const bound = await openListener(http, port, host);
    http.on("error", (error) =>
      this.#log.error({ event: "listener.fail", err: error }, "the HTTP server failed"),
    );
    this.#http = http;
    const metricsPort = await this.#observability.start();
    return {
      ...(metricsPort === undefined ? {} : { metricsPort }),
      port: bound,
      host,
      url: urlOf(host, bound, this.#path, tls !== undefined),
    };
  }

  /**
   * Serves WebSockets beside whatever else an HTTP server does. Upgrades for another path are left
   * to other listeners; when there are none they are answered with 404. For the HTTP endpoints,
   * pass requests to {@link handle}.
   */
  attach(httpServer: HttpServer, { path = this.#path }: { readonly path?: string } = {}): void {
    const onUpgrade = (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      if (httpServer === this.#http) this.#httpSockets?.upgraded(stream);
      if (pathOf(request) === path) this.#onUpgrade(request, stream, head);
      else if (httpServer.listenerCount("upgrade") === 1) {
        guardStream(stream);
        refuseUpgrade(stream, { status: 404, message: `the WebSocket is at ${path}` });
      }
    };
    httpServer.on("upgrade", onUpgrade);
    this.#overload.start();
    this.#slowMessages.start();
    this.#detach.push(() => httpServer.off("upgrade", onUpgrade));
  }

  /**
   * Answers an HTTP request for one of the server's own endpoints; false: not mine, nothing was
   * written. For use beside Express, Fastify and others.
   */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    return this.#routes.handle(request, response);
  }

  /**
   * Refuses tokens from now on, and closes the connections that live by them (4401). With a margin
   * they are told `auth.refreshRequired` first. Resolves when the revocation is durable. Throws
   * `TypeError` when the selector names nothing.
   */
  revoke(selector: RevocationSelector, options?: RevokeOptions): Promise<void> {
    return this.#revocations.revoke(selector, options);
  }

  /**
   * Who is connected, on all nodes that share a store. Throws `TypeError` for a limit that is none.
   */
  sessions(options?: SessionsOptions): Promise<SessionList> {
    return this.#administration.sessions(options);
  }

  /**
   * Closes one connection, or all of a subject, on whatever node (4403). Throws `TypeError` when
   * the selector names nobody.
   */
  kick(selector: KickSelector): Promise<KickResult> {
    return this.#administration.kick(selector);
  }

  /**
   * Sends an event to all who have subscribed to a topic, on every node. `params` name the topic,
   * as in a subscriber's call. Rejects with a `TypeError` when the params or the event are not as
   * declared, a `RangeError` for an event over `limits.responseBytes`, and with what the store says
   * when the other nodes can't be reached: then nobody was sent anything.
   */
  publish<Params, Event, Published>(
    topic: Topic<Params, Event, Published>,
    params: NoInfer<Params>,
    event: NoInfer<Published>,
  ): Promise<void> {
    return this.#publisher.publish(topic, params, event);
  }

  /**
   * Sends a declared notification to a connection, a subject or everybody, on every node. Sessions
   * that have expired get it after a refresh. Rejects with a `TypeError` when it is not declared or
   * the params don't fit.
   */
  notify<Name extends keyof Notifications & string>(
    target: NotifyTarget,
    name: Name,
    params: SchemaInput<Notifications[Name]>,
  ): Promise<void> {
    return this.#publisher.notify(target, name, params);
  }

  /**
   * The metrics in Prometheus' text format, for a page of your own. Throws `TypeError` without the
   * option `metrics`.
   */
  metricsText(): string {
    return this.#observability.text();
  }

  /** How many sockets are open. */
  get connections(): number {
    return this.#connectionRegistry.size;
  }

  /**
   * Stops. New sockets are refused at once. With `drain` (milliseconds) clients are told one after
   * the other, what they have in flight may finish, and they are closed, all within that time (and
   * 3 s for peers that don't answer); without it everything is closed now.
   */
  close({ drain = 0 }: { readonly drain?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(drain);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(drain: number): Promise<void> {
    // readiness says so, and upgrades are refused, as long as the others are served
    this.#readiness.isDraining = true;
    const shutdown = new Shutdown(this.#connectionRegistry, this.#clock);
    if (drain > 0) await shutdown.drain(drain);
    const httpClosed = closeListener(this.#http);
    await shutdown.closeAll(drain);
    if (drain > 0) await within(httpTimeout, httpClosed);
    this.#http?.closeAllConnections();
    for (const detach of this.#detach) detach();
    await httpClosed;
    this.#observability.close();
    this.#overload.stop();
    this.#slowMessages.stop();
    this.#heartbeat.stop();
    this.#dispatcher.close();
    this.#revocations.close();
    this.#nodes.close();
    this.#publisher.close();
    this.#stopSweeping();
    this.#sockets.close();
  }

  #onUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    guardStream(stream);
    const address = this.#addressOf(request);
    const refusal: UpgradeRefusal | null = this.#readiness.isDraining
      ? { status: 503, message: "the server is shutting down", retryAfter: 1 }
      : (this.#acceptLimits.refusal(address) ?? this.#upgradeChecks.refusal(request, address));
    if (refusal !== null) {
      this.#log.debug(
        {
          event: "upgrade.refuse",
          status: refusal.status,
          address,
          origin: request.headers.origin,
        },
        refusal.message,
      );
      if (refusal.limit !== undefined) this.#limitHit(refusal.limit, address);
      this.#observability.telemetry.upgradeRefused(refusal.status, refusal.limit);
      return refuseUpgrade(stream, refusal);
    }
    this.#sockets.handleUpgrade(request, stream, head, (socket) =>
      this.#accept(socket, stream, address),
    );
  }

  #accept(socket: WebSocket, stream: Duplex, address: string): void {
    this.#acceptLimits.accepted(address);
    this.#connectionRegistry.add(
      new Connection(
        newConnectionId(),
        address,
        socket,
        stream,
        this.#services,
        this.#connectionRegistry,
      ),
    );
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (!(await this.#routes.handle(request, response))) notFound(response);
    } catch (error) {
      // an issuer has answered, and says that it has not
      this.#log.error({ event: "http.fail", err: error }, "an HTTP request failed");
      response.destroy();
    }
  }

  #builtins(discover: "authenticated" | "public" | false): ReadonlyMap<string, Builtin> {
    const isPublic = discover === "public";
    const discovery: Builtin = {
      public: isPublic,
      isJson: true,
      run: (_request, caller) => this.#openRpc.for(caller.session.auth),
    };
    return new Map([
      ...builtins,
      ...(discover === false ? [] : ([["rpc.discover", discovery]] as const)),
    ]);
  }

  #ownMethods(admin: string | undefined): readonly MethodEntry[] {
    return admin === undefined
      ? []
      : adminMethods(admin, this.#administration, (selector, options) =>
          this.revoke(selector, options),
        );
  }

  #connectionServices(app: Router<unknown>): ConnectionServices {
    const authority = this.#authority;
    return {
      clock: this.#clock,
      production: authority.production,
      mayJudge: (address) => this.#mayJudge(address),
      verify: (token, peer): Promise<VerifiedToken> => authority.verify(token, peer),
      mayRenew: (issuer) => authority.mayRenew(issuer),
      renew: (issuer, refreshToken, subject, address) =>
        authority.renew(issuer, refreshToken, subject, address),
      mayRevoke: (issuer) => authority.mayRevoke(issuer),
      revokeRefreshToken: (issuer, refreshToken) =>
        authority.revokeRefreshToken(issuer, refreshToken),
      limits: this.#limits,
      dispatcher: this.#dispatcher,
      flushQueue: new FlushQueue(),
      revocations: this.#revocations.list,
      topics: { topics: this.#topics, bus: this.#bus },
      notifications: app.notifications,
      log: this.#log,
      applicationLog: this.#applicationLog,
      telemetry: this.#observability.telemetry,
      compression: this.#options.compression === true,
    };
  }

  #mayJudge(address: string): boolean {
    if (this.#authRate.take(address)) return true;
    this.#limitHit("authCallsPerAddress", address);
    this.#observability.telemetry.limitHit("authCallsPerAddress");
    return false;
  }

  /** An alert can't say whose address that is. */
  #limitHit(limit: keyof Limits, address: string): void {
    this.#log.warn(
      { event: "limit.hit", limit, address, before: 0 },
      `refused: over limits.${limit}`,
    );
  }

  #localBus(): Bus {
    const bus = new LocalBus(randomId(), () => this.#clock.monotonic());
    this.#sweeps.push(() => bus.sweep());
    return bus;
  }

  #recipients(target: NotifyTarget): Iterable<Connection> {
    if (target === "all") return this.#connectionRegistry;
    if ("connection" in target)
      return [this.#connectionRegistry.get(target.connection)].filter(
        (connection) => connection !== undefined,
      );
    const issuers = target.issuer === undefined ? this.#authority.names : [target.issuer];
    return issuers.flatMap((issuer) => this.#connectionRegistry.ofSubject(issuer, target.subject));
  }

  #keysFailed(issuer: string, detail: string): void {
    this.#observability.telemetry.keyFailures++;
    this.#log.warn({ event: "keys.fail", issuer, detail }, "the keys of an issuer can't be had");
  }

  #revoked(announcedAt: number | undefined): void {
    for (const connection of this.#connectionRegistry) connection.check();
    this.#observability.telemetry.revoked(
      announcedAt === undefined ? undefined : this.#clock.now() - announcedAt,
    );
  }

  #sweepLater(): void {
    this.#stopSweeping = this.#clock.after(sweepInterval, () => {
      this.#addresses.sweep();
      this.#revocations.sweep();
      for (const sweep of this.#sweeps) sweep();
      this.#sweepLater();
    });
  }
}

/**
 * Makes a server for an application.
 *
 * @param app what `createRpc().router` returned
 * @throws TypeError that says what to change, when an option is wrong or two methods collide
 * @example const { url } = await createServer(app, { auth: { issuer, audience } }).listen(8080);
 */
export function createServer<R, N, Schemas extends NotificationSchemas>(
  app: Router<R, N, Schemas>,
  options: ServerOptions<NoInfer<Schemas>>,
): Server<Schemas> {
  if (!(app instanceof Router))
    throw new TypeError("app is no router: give what rpc.router({ … }) returns");
  if (options?.auth === undefined)
    throw new TypeError(
      "auth is missing: an embedded issuer, or { issuer, audience } of whose tokens are accepted",
    );
  checkServerOptions(options);
  return new Server<Schemas>(app, options as unknown as ServerOptions);
}
