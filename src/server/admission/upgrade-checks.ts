/**
 * The checks before the WebSocket handshake (RFC 6455 §4.2).
 */
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { subprotocol } from "../../protocol/messages.js";
import type { Limits } from "../limits.js";
import type { AddressCounters } from "./address-counters.js";
import type { OriginList } from "./origin-list.js";

/** The HTTP response that refuses an upgrade. */
export interface UpgradeRefusal {
  readonly status: number;
  /** The reason, with advice. */
  readonly message: string;
  /** Seconds. */
  readonly retryAfter?: number;
  /** The limit that caused the refusal. */
  readonly limit?: keyof Limits;
  readonly headers?: Readonly<Record<string, string>>;
}

type ExhaustedLimit = "unauthenticatedConnectionsPerAddress" | "unauthenticatedConnections";

const maxHeaders = 64;
const tokenParameters = ["token", "access_token", "jwt"];

export class UpgradeChecks {
  readonly #origins: OriginList;
  readonly #addresses: AddressCounters;
  readonly #limits: Limits;

  constructor(origins: OriginList, addresses: AddressCounters, limits: Limits) {
    this.#origins = origins;
    this.#addresses = addresses;
    this.#limits = limits;
  }

  /**
   * Returns the limit that allows no further connection in OPEN from this address, or `undefined`.
   */
  exhausted(address: string): ExhaustedLimit | undefined {
    const limits = this.#limits;
    if (this.#addresses.openOf(address) >= limits.unauthenticatedConnectionsPerAddress)
      return "unauthenticatedConnectionsPerAddress";
    return this.#addresses.open >= limits.unauthenticatedConnections
      ? "unauthenticatedConnections"
      : undefined;
  }

  /** Returns whether too many tokens of this address failed in the last minute. */
  isBarred(address: string): boolean {
    return this.#addresses.failuresOf(address) >= this.#limits.authFailuresPerAddress;
  }

  /** Returns why the upgrade must be refused, or `null` if the handshake may begin. */
  refusal(request: IncomingMessage, address: string): UpgradeRefusal | null {
    return this.#badRequest(request) ?? this.#tooMany(address);
  }

  #badRequest(request: IncomingMessage): UpgradeRefusal | null {
    if (hasTooManyHeaders(request))
      return { status: 431, message: `too many header lines; send at most ${maxHeaders}` };
    const query = queryOf(request);
    const parameter =
      query === undefined ? undefined : tokenParameters.find((name) => query.has(name));
    if (parameter !== undefined) {
      return {
        status: 400,
        message: `remove "${parameter}" from the URL, since URLs end up in logs; send the token as the first message: {"jsonrpc":"2.0","id":1,"method":"authenticate","params":{"token":"…"}}`,
      };
    }
    if (!this.#origins.allows(request)) {
      return {
        status: 403,
        message: "this origin is not allowed; add it to the server's option `origins`",
      };
    }
    const offered = request.headers["sec-websocket-protocol"];
    if (offered !== undefined && !offered.split(",").some((name) => name.trim() === subprotocol)) {
      return {
        status: 400,
        message: `unknown subprotocol; offer ${subprotocol} or none`,
      };
    }
    return null;
  }

  #tooMany(address: string): UpgradeRefusal | null {
    if (this.isBarred(address)) {
      return {
        status: 429,
        message: "too many refused tokens from your address; wait a minute",
        retryAfter: 60,
        limit: "authFailuresPerAddress",
      };
    }
    const limit = this.exhausted(address);
    if (limit === undefined) return null;
    return limit === "unauthenticatedConnectionsPerAddress"
      ? {
          status: 429,
          message: "too many connections from your address have not authenticated",
          retryAfter: 5,
          limit,
        }
      : {
          status: 503,
          message: "too many connections have not authenticated",
          retryAfter: 5,
          limit,
        };
  }
}

/**
 * Node silently drops header lines beyond its own limit, such as the last ones, which a proxy adds.
 * So a request with that many lines is refused.
 */
export function hasTooManyHeaders({ rawHeaders }: IncomingMessage): boolean {
  return rawHeaders.length > maxHeaders * 2; // names and values
}

/** Returns the path of a request's target, without the query. */
export function pathOf(request: IncomingMessage): string {
  const url = request.url ?? "";
  const end = url.indexOf("?");
  return end === -1 ? url : url.slice(0, end);
}

/** Returns the name of an HTTP status, for programs: `too_many_requests`. */
export function nameOfStatus(status: number): string {
  return (STATUS_CODES[status] ?? "error").toLowerCase().replaceAll(" ", "_");
}

function queryOf(request: IncomingMessage): URLSearchParams | undefined {
  const url = request.url ?? "";
  const start = url.indexOf("?");
  return start === -1 ? undefined : new URLSearchParams(url.slice(start + 1));
}

/** Answers an upgrade with a refusal and closes its socket. */
export function refuseUpgrade(
  stream: Duplex,
  { status, message, retryAfter, headers = {} }: UpgradeRefusal,
): void {
  const body = `${JSON.stringify({ error: nameOfStatus(status), error_description: message })}\n`;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Error"}`,
    "Connection: close",
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "X-Content-Type-Options: nosniff",
    ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  stream.once("finish", () => stream.destroy());
  stream.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
