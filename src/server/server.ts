/** The server's public class. */
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { SchemaInput } from "../protocol/standard-schema.js";
import { type NotificationSchemas, Router } from "../rpc/define/create-rpc.js";
import type { Topic } from "../rpc/define/declared-subscription.js";
import { openFilesLimit } from "./admission/load-gauge.js";
import { assemble, type ServerParts } from "./assemble.js";
import type { NotifyTarget } from "./cluster/publisher.js";
import type { RevocationSelector, RevokeOptions } from "./cluster/revocations.js";
import type {
  KickResult,
  KickSelector,
  SessionList,
  SessionsOptions,
} from "./cluster/session-admin.js";
import {
  checkListening,
  closeListener,
  createListener,
  openListener,
  urlOf,
} from "./http/http-listener.js";
import { notFound } from "./http/http-routes.js";
import { HttpSockets } from "./http/http-sockets.js";
import { within } from "./lifecycle/shutdown.js";
import { checkServerOptions, type Listening, type ServerOptions } from "./server-options.js";

const httpTimeout = 2_000; // 2 s for HTTP requests that are being answered when a drain ends

/** A JSON-RPC server over WebSockets. Made by {@link createServer}. */
export class Server<Notifications extends NotificationSchemas = NotificationSchemas> {
  readonly #options: ServerOptions;
  readonly #parts: ServerParts;
  readonly #detach: (() => void)[] = [];
  #http: HttpServer | undefined;
  #closed: Promise<void> | undefined;

  constructor(app: Router<unknown>, options: ServerOptions) {
    this.#options = options;
    this.#parts = assemble(app, options);
  }

  /**
   * Listens on `port` (0 = any free one). On loopback unless a host is given; on an address that
   * others can reach, only with `tls`, `trustProxy` or `allowInsecure`. Also serves the HTTP
   * endpoints.
   */
  async listen(port: number, host = "127.0.0.1"): Promise<Listening> {
    if (this.#http !== undefined) throw new Error("this server listens already");
    checkListening(host, this.#options);
    const { limits, log, path, isTrusted, observability, revocations } = this.#parts;
    await revocations.whenCurrent();
    const { tls } = this.#options;
    const http = createListener(tls, (request, response) => void this.#answer(request, response));
    const sockets = new HttpSockets(http, limits, {
      openFiles: openFilesLimit(),
      isTrusted,
      onRefused: (address) => observability.limitHit("httpPerAddress", address),
    });
    this.#serve(http, path, sockets);
    const bound = await openListener(http, port, host);
    http.on("error", (error) =>
      log.error({ event: "listener.fail", err: error }, "the HTTP server failed"),
    );
    this.#http = http;
    const metricsPort = await observability.start();
    return {
      ...(metricsPort === undefined ? {} : { metricsPort }),
      port: bound,
      host,
      url: urlOf(host, bound, path, tls !== undefined),
    };
  }

  /**
   * Serves WebSockets beside whatever else an HTTP server does. Upgrades for another path are left
   * to other listeners; when there are none they are answered with 404. For the HTTP endpoints,
   * pass requests to {@link handle}.
   */
  attach(httpServer: HttpServer, { path }: { readonly path?: string } = {}): void {
    this.#serve(httpServer, path ?? this.#parts.path);
  }

  /**
   * Answers an HTTP request for one of the server's own endpoints; false: not mine, nothing was
   * written. For use beside Express, Fastify and others.
   */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    return this.#parts.routes.handle(request, response);
  }

  /**
   * Refuses tokens from now on, and closes the connections that live by them (4401). With a margin
   * they are told `auth.refreshRequired` first. Resolves when the revocation is durable. Throws
   * `TypeError` when the selector names nothing.
   */
  revoke(selector: RevocationSelector, options?: RevokeOptions): Promise<void> {
    return this.#parts.revocations.revoke(selector, options);
  }

  /**
   * Who is connected, on all nodes that share a store. Throws `TypeError` for a limit that is none.
   */
  sessions(options?: SessionsOptions): Promise<SessionList> {
    return this.#parts.administration.sessions(options);
  }

  /**
   * Closes one connection, or all of a subject, on whatever node (4403). Throws `TypeError` when
   * the selector names nobody.
   */
  kick(selector: KickSelector): Promise<KickResult> {
    return this.#parts.administration.kick(selector);
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
    return this.#parts.publisher.publish(topic, params, event);
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
    return this.#parts.publisher.notify(target, name, params);
  }

  /**
   * The metrics in Prometheus' text format, for a page of your own. Throws `TypeError` without the
   * option `metrics`.
   */
  metricsText(): string {
    return this.#parts.observability.text();
  }

  /** How many sockets are open. */
  get connections(): number {
    return this.#parts.connections.size;
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

  /** Closes the server at the end of `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(drain: number): Promise<void> {
    const { readiness, shutdown } = this.#parts;
    // readiness says so, and upgrades are refused, as long as the others are served
    readiness.isDraining = true;
    if (drain > 0) await shutdown.drain(drain);
    const httpClosed = closeListener(this.#http);
    await shutdown.closeAll(drain);
    if (drain > 0) await within(httpTimeout, httpClosed);
    this.#http?.closeAllConnections();
    for (const detach of this.#detach) detach();
    await httpClosed;
    this.#parts.close();
  }

  #serve(http: HttpServer, path: string, sockets?: HttpSockets): void {
    const { upgrades, overload, slowMessages } = this.#parts;
    const onUpgrade = sockets && ((stream: Duplex) => sockets.upgraded(stream));
    this.#detach.push(upgrades.listen(http, path, onUpgrade));
    overload.start();
    slowMessages.start();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { routes, log } = this.#parts;
    try {
      if (!(await routes.handle(request, response))) notFound(response);
    } catch (error) {
      // an issuer has answered, and says that it has not
      log.error({ event: "http.fail", err: error }, "an HTTP request failed");
      response.destroy();
    }
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
