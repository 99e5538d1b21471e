/** The server's public class. */
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { SchemaInput } from "../protocol/standard-schema.js";
import type { Auth } from "../rpc/define/access.js";
import { Router } from "../rpc/define/create-rpc.js";
import type { PublishRest, Topic } from "../rpc/define/declared-subscription.js";
import type {
  NotificationSchemas,
  NotifyTarget,
  ReauthorizeResult,
  RevocationSelector,
  RevokeOptions,
  ServerActions,
  SubscriptionSelector,
  UnsubscribeResult,
} from "../rpc/define/server-actions.js";
import { openFilesLimit } from "./admission/load-gauge.js";
import { assemble, type ServerParts } from "./assemble.js";
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
import type { VerifyContext } from "./token-verifier.js";

const httpTimeout = 2_000; // 2 s for HTTP requests that are in flight when a drain ends

/** A JSON-RPC server over WebSockets. {@link createServer} makes it. */
export class Server<Notifications extends NotificationSchemas = NotificationSchemas>
  implements ServerActions<Notifications>
{
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
   * Listens on `port` (0 for any free port) and serves WebSockets and the HTTP endpoints. The
   * default host is loopback; any other host needs `tls`, `trustProxy` or `allowInsecure`.
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
   * Serves WebSockets on an existing HTTP server. Leaves upgrades for another path to the other
   * listeners, and answers them with 404 if there are none. For the HTTP endpoints, pass requests
   * to {@link handle}.
   */
  attach(httpServer: HttpServer, { path }: { readonly path?: string } = {}): void {
    this.#serve(httpServer, path ?? this.#parts.path);
  }

  /**
   * Answers an HTTP request for one of the server's own endpoints. Resolves to `false`, with
   * nothing written, for any other request. For use with Express, Fastify and others.
   */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    return this.#parts.routes.handle(request, response);
  }

  /**
   * Revokes tokens and closes the connections that use them (4401). With a margin, these
   * connections first receive `auth.refreshRequired`. Resolves once the revocation is durable.
   * Throws `TypeError` if the selector names nothing.
   */
  revoke(selector: RevocationSelector, options?: RevokeOptions): Promise<void> {
    return this.#parts.revocations.revoke(selector, options);
  }

  /**
   * Verifies an access token by the rules of a session, revocations included, for the application's
   * own HTTP routes; see {@link bearerAuth}. Rejects with `TokenRefusedError`: `token_invalid`,
   * `token_expired`, `token_revoked`, and for a while, with `retryAfter`, `auth_unavailable` and
   * `rate_limited`. With `request` the limits of its address apply, and refused tokens count.
   */
  verify(token: string, { request }: VerifyContext = {}): Promise<Auth> {
    const { bearer, addressOf } = this.#parts;
    return bearer.verify(token, request === undefined ? undefined : addressOf(request));
  }

  /** Whether the server hides from callers why a token was refused. */
  get production(): boolean {
    return this.#parts.isProduction;
  }

  /**
   * Lists the connections of all nodes that share a store. Throws `TypeError` if `limit` is not an
   * integer from 1 to 1000.
   */
  sessions(options?: SessionsOptions): Promise<SessionList> {
    return this.#parts.administration.sessions(options);
  }

  /**
   * Closes one connection, or all connections of a subject, on every node (4403). Throws
   * `TypeError` if the selector names neither.
   */
  kick(selector: KickSelector): Promise<KickResult> {
    return this.#parts.administration.kick(selector);
  }

  /**
   * Sends an event to all subscribers of a topic, on every node. `params` select the topic, as in a
   * subscriber's call. Rejects with `TypeError` if the params or the event fail their schema, with
   * `RangeError` if the event exceeds `limits.responseBytes`, and with the store's error if the
   * other nodes cannot be reached; in each case no subscriber receives the event. A topic with a
   * log of the application's own needs the `offset` that the event has there.
   */
  publish<Params, Event, Published, Logged extends boolean>(
    topic: Topic<Params, Event, Published, unknown, Logged>,
    params: NoInfer<Params>,
    event: NoInfer<Published>,
    ...options: PublishRest<Logged>
  ): Promise<void> {
    return this.#parts.publisher.publish(topic, params, event, ...options);
  }

  /**
   * Asks the `authorize` rules of subscriptions again, on every node: after a change of rights that
   * no token tells of. From the moment the promise has resolved, no subscriber receives an event on
   * an old right: a node holds the events of a subscription while its rule is out, and ends it
   * (`forbidden`) unless the answer is `true`. Rejects with `TypeError` if the selector makes no
   * sense.
   * @example await server.reauthorize({ subject: "ada" });
   * @example await server.reauthorize({ topic: app.routes.board, params: { board: "b1" } });
   */
  reauthorize<Params = unknown>(
    selector: SubscriptionSelector<Params> | "all",
  ): Promise<ReauthorizeResult> {
    return this.#parts.reauthorization.reauthorize(selector as SubscriptionSelector | "all");
  }

  /**
   * Ends subscriptions (`forbidden`) on every node, whether or not `authorize` would allow them. A
   * client may subscribe again if its scopes and `authorize` allow it. Rejects with `TypeError` if
   * the selector makes no sense.
   * @example await server.unsubscribe({ subject: "ada", topic: app.routes.board });
   */
  unsubscribe<Params = unknown>(
    selector: SubscriptionSelector<Params>,
  ): Promise<UnsubscribeResult> {
    return this.#parts.reauthorization.unsubscribe(selector as SubscriptionSelector);
  }

  /**
   * Sends a declared notification to a connection, a subject or all sessions, on every node.
   * Expired sessions receive the notification after a refresh. Rejects with `TypeError` if the
   * notification is not declared or its params fail their schema.
   */
  notify<Name extends keyof Notifications & string>(
    target: NotifyTarget,
    name: Name,
    params: SchemaInput<Notifications[Name]>,
  ): Promise<void> {
    return this.#parts.publisher.notify(target, name, params);
  }

  /**
   * Returns the metrics in Prometheus' text format, for an endpoint of your own. Throws `TypeError`
   * without the option `metrics`.
   */
  metricsText(): string {
    return this.#parts.observability.text();
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#parts.connections.size;
  }

  /**
   * Closes the server and refuses new sockets at once. With `drain` (milliseconds) the shutdown is
   * graceful: within that time the server notifies its clients one after the other, finishes their
   * calls in flight and closes their connections, with 3 s more for peers that do not answer the
   * close. Without `drain` it closes all connections at once.
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
    // first, so that /readyz fails and upgrades are refused while open connections drain
    readiness.isDraining = true;
    if (drain > 0) await shutdown.drain(drain);
    const httpClosed = closeListener(this.#http);
    await shutdown.closeAll(drain);
    if (drain > 0) await within(httpTimeout, httpClosed);
    this.#http?.closeAllConnections();
    for (const detach of this.#detach) detach();
    await httpClosed;
    await this.#parts.close();
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
      // a custom issuer may reject after it has written a response
      log.error({ event: "http.fail", err: error }, "an HTTP request failed");
      response.destroy();
    }
  }
}

/**
 * Makes a server for an application.
 * @param app the result of `createRpc().router`
 * @throws TypeError if an option is invalid or two methods have the same name
 * @example const { url } = await createServer(app, { auth: { issuer, audience } }).listen(8080);
 */
export function createServer<R, N, Schemas extends NotificationSchemas>(
  app: Router<R, N, Schemas>,
  options: ServerOptions<NoInfer<Schemas>>,
): Server<Schemas> {
  if (!(app instanceof Router))
    throw new TypeError("app is not a router; pass the result of rpc.router({ … })");
  if (options?.auth === undefined)
    throw new TypeError(
      "auth is missing; pass an embedded issuer, or { issuer, audience } of the tokens to accept",
    );
  checkServerOptions(options);
  return new Server<Schemas>(app, options as unknown as ServerOptions);
}
