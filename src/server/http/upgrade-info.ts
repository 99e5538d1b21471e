import type { IncomingMessage, ServerResponse } from "node:http";
import { subprotocol } from "../../protocol/messages.js";
import type { OriginList } from "../admission/origin-list.js";
import { nameOfStatus } from "../admission/upgrade-checks.js";
import type { UpgradeHandler } from "../admission/upgrade-handler.js";
import { sendJson } from "./json-answer.js";

export interface UpgradeInfoPorts {
  readonly upgrades: Pick<UpgradeHandler, "isAt" | "refusal">;
  readonly origins: OriginList;
  readonly addressOf: (request: IncomingMessage) => string;
  /** Whether refused pages learn nothing, and nobody the list of origins. */
  readonly isProduction: boolean;
}

const methods = "GET, HEAD, OPTIONS";

/**
 * Answers requests for the WebSocket's path that are no upgrade: with the status that an upgrade of
 * this caller would get, or 426 (RFC 9110 §15.5.22). A page learns only "1006" from an upgrade that
 * was refused, and can read the reason here.
 */
export class UpgradeInfo {
  readonly #ports: UpgradeInfoPorts;

  constructor(ports: UpgradeInfoPorts) {
    this.#ports = ports;
  }

  /** Returns whether this is a path of the WebSocket. */
  isAt(path: string): boolean {
    return this.#ports.upgrades.isAt(path);
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const cors = this.#corsHeaders(request);
    if (request.method === "OPTIONS") {
      response.writeHead(204, { ...cors, Allow: methods, "Cache-Control": "no-store" }).end();
    } else if (request.method === "GET" || request.method === "HEAD") {
      this.#tell(request, response, cors);
    } else {
      const body = { error: "method_not_allowed", error_description: "use GET" };
      sendJson(response, 405, body, { ...cors, Allow: methods });
    }
  }

  #tell(
    request: IncomingMessage,
    response: ServerResponse,
    cors: Readonly<Record<string, string>>,
  ): void {
    const { upgrades, origins, addressOf, isProduction } = this.#ports;
    const refusal = upgrades.refusal(request, addressOf(request));
    const { origin } = request.headers;
    const isAllowed = origins.allows(request);
    const { status, retryAfter } = refusal ?? { status: 426 };
    const message =
      status === 403 && origin !== undefined && !isProduction
        ? `pages of ${JSON.stringify(origin)} may not connect; to allow them, add the origin to the server's option: origins: [${JSON.stringify(origin)}]`
        : (refusal?.message ?? adviceTo(request));
    const body = {
      error: status === 403 ? "origin_refused" : nameOfStatus(status),
      message,
      error_description: message, // as in every other HTTP refusal
      ...(retryAfter === undefined ? {} : { retryAfter }),
      origin: { value: origin ?? null, allowed: isAllowed },
      ...(isProduction ? {} : { origins: origins.listFor(request) }),
      subprotocols: [subprotocol],
    };
    sendJson(response, status, body, {
      ...cors,
      ...(status === 426 ? { Upgrade: "websocket", Connection: "Upgrade" } : {}),
      ...(retryAfter === undefined ? {} : { "Retry-After": String(retryAfter) }),
    });
  }

  /** Nothing here depends on cookies, so that credentials are never allowed. */
  #corsHeaders(request: IncomingMessage): Record<string, string> {
    const { origin } = request.headers;
    const { isProduction, origins } = this.#ports;
    if (origin === undefined || (isProduction && !origins.allows(request)))
      return { Vary: "Origin" };
    return {
      Vary: "Origin",
      "Access-Control-Allow-Origin": origin,
      ...(request.method === "OPTIONS" ? { "Access-Control-Allow-Methods": methods } : {}),
    };
  }
}

/** A proxy that does not know WebSockets drops `Upgrade`, and passes the other headers on. */
function adviceTo({ headers }: IncomingMessage): string {
  return headers["sec-websocket-key"] === undefined
    ? "this is a WebSocket: connect with wscat -c ws://… or the SDK"
    : "the header Upgrade was lost on the way; let the proxy pass Upgrade and Connection on";
}
