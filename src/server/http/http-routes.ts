/** What the server answers over plain HTTP, beside the endpoints of an embedded issuer. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { IssuerPort } from "../../auth/issuer-port.js";
import { TokenRefusedError } from "../../auth/refusal.js";
import type { OpenRpc } from "../../rpc/define/openrpc.js";
import type { Logger } from "../../runtime/logger.js";
import type { OriginList } from "../admission/origin-list.js";
import { hasTooManyHeaders, pathOf } from "../admission/upgrade-checks.js";
import { type BearerTokens, refusalOf } from "./bearer.js";
import { type ConsolePage, consolePath } from "./console-page.js";
import { sendJson, sendText } from "./json-answer.js";
import type { Readiness } from "./readiness.js";
import type { UpgradeInfo } from "./upgrade-info.js";

export interface HttpPorts {
  readonly bearer: Pick<BearerTokens, "verify">;
  readonly log: Logger;
  readonly issuers: readonly IssuerPort[];
  readonly origins: OriginList;
  readonly addressOf: (request: IncomingMessage) => string;
  readonly upgradeInfo: UpgradeInfo;
  readonly readiness: Readiness;
  readonly openRpc: OpenRpc;
  readonly discover: "authenticated" | "public" | false;
  /** Undefined: it is not served. */
  readonly console: ConsolePage | undefined;
}

type Route = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

export class HttpRoutes {
  readonly #ports: HttpPorts;
  readonly #routes: ReadonlyMap<string, Route>;

  constructor(ports: HttpPorts) {
    const { console: page } = ports;
    this.#ports = ports;
    this.#routes = new Map<string, Route>([
      ["/livez", (_request, response) => sendJson(response, 200, { status: "ok" })],
      ["/readyz", (_request, response) => this.#readiness(response)],
      ["/openrpc.json", (request, response) => this.#openRpc(request, response)],
      ...(page === undefined
        ? []
        : [
            [consolePath, (request, response) => page.serve(request, response)] as const satisfies [
              string,
              Route,
            ],
          ]),
    ]);
  }

  /**
   * Answers if the path is one of the server's; false: not mine, nothing was written. Never
   * rejects.
   */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    return (await this.#answer(request, response)) || this.#answerMounted(request, response);
  }

  /** Express and Nest take the path at which they mount a middleware out of `url`. */
  async #answerMounted(
    request: IncomingMessage & { readonly originalUrl?: unknown },
    response: ServerResponse,
  ): Promise<boolean> {
    const { url = "", originalUrl } = request;
    if (typeof originalUrl !== "string" || originalUrl === url) return false;
    request.url = originalUrl;
    const isMine = await this.#answer(request, response);
    if (!isMine) request.url = url;
    return isMine;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    try {
      if (hasTooManyHeaders(request)) return tooManyHeaders(response);
      return (
        (await this.#askIssuers(request, response)) || (await this.#askRoutes(request, response))
      );
    } catch (error) {
      this.#ports.log.error(
        { event: "http.fail", err: error, path: pathOf(request) },
        "an HTTP request failed",
      );
      if (!response.headersSent)
        sendJson(response, 500, {
          error: "server_error",
          error_description: "the request failed; the server's log says why",
        });
      else response.destroy();
      return true;
    }
  }

  async #askIssuers(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { issuers, origins, addressOf } = this.#ports;
    const context = {
      address: addressOf(request),
      mayReadFrom: (origin: string) => origins.allowsOrigin(origin, request),
    };
    for (const issuer of issuers) if (await issuer.handle(request, response, context)) return true;
    return false;
  }

  async #askRoutes(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { upgradeInfo } = this.#ports;
    const path = pathOf(request);
    if (upgradeInfo.isAt(path)) {
      upgradeInfo.serve(request, response);
      return true;
    }
    const route = this.#routes.get(path);
    if (route === undefined) return false;
    if (request.method === "GET" || request.method === "HEAD") await route(request, response);
    else
      sendJson(
        response,
        405,
        { error: "method_not_allowed", error_description: "use GET" },
        { Allow: "GET, HEAD" },
      );
    return true;
  }

  async #readiness(response: ServerResponse): Promise<void> {
    const reason = await this.#ports.readiness.reason();
    if (reason === null) sendJson(response, 200, { status: "ready" });
    else sendJson(response, 503, { status: "not_ready", reason });
  }

  async #openRpc(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { discover, openRpc, addressOf, bearer } = this.#ports;
    if (discover === false) return notFound(response);
    const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1];
    if (token === undefined)
      return discover === "public" ? sendText(response, 200, openRpc.for(null)) : refused(response);
    const verdict = await bearer.verify(token, addressOf(request)).catch(refusalOf);
    if (!(verdict instanceof TokenRefusedError))
      return sendText(response, 200, openRpc.for(verdict));
    const { code, detail, retryAfter = 1_000 } = verdict;
    const seconds = Math.max(Math.ceil(retryAfter / 1_000), 1);
    if (code === "rate_limited") tooMany(response, detail, seconds);
    else if (code === "auth_unavailable") unjudged(response, seconds);
    else refused(response);
  }
}

function refused(response: ServerResponse): void {
  const error_description = "send an access token: Authorization: Bearer <JWT>";
  sendJson(
    response,
    401,
    { error: "invalid_token", error_description },
    { "WWW-Authenticate": "Bearer" },
  );
}

/** `retryAfter`: seconds. */
function unjudged(response: ServerResponse, retryAfter: number): void {
  const error_description = "the token can't be judged at the moment; try again";
  sendJson(
    response,
    503,
    { error: "temporarily_unavailable", error_description },
    { "Retry-After": String(retryAfter) },
  );
}

function tooManyHeaders(response: ServerResponse): true {
  sendJson(response, 431, {
    error: "request_header_fields_too_large",
    error_description: "send fewer header lines",
  });
  return true;
}

/** `retryAfter`: seconds. */
function tooMany(response: ServerResponse, error_description: string, retryAfter: number): void {
  sendJson(
    response,
    429,
    { error: "too_many_requests", error_description },
    { "Retry-After": String(retryAfter) },
  );
}

export function notFound(response: ServerResponse): void {
  sendJson(response, 404, {
    error: "not_found",
    error_description: "nothing is served at this path",
  });
}
