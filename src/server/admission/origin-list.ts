import type { IncomingMessage } from "node:http";

/**
 * Which browser origins may connect and read (RFC 6454). Exact scheme, host and port;
 * `https://*.example.com` allows any one left-most label. With no list: the same host and port as
 * the `Host` header.
 */
export class OriginList {
  readonly #allowed: readonly string[] | undefined;

  constructor(allowed: readonly string[] | undefined) {
    for (const origin of allowed ?? []) {
      if (origin !== "null" && !/^[a-z][a-z0-9+.-]*:\/\/(\*\.)?[^*/?#\s]+$/.test(origin)) {
        throw new TypeError(
          `origins: "${origin}" is not an origin; write it like https://app.example.com, in lower case, without a path`,
        );
      }
    }
    this.#allowed = allowed;
  }

  /** May this request be served? One without an `Origin` header does not come from a web page. */
  allows(request: IncomingMessage): boolean {
    const { origin, host } = request.headers;
    if (origin === undefined) return true;
    return countHeader(request, "origin") === 1 && this.allowsOrigin(origin, host);
  }

  /** May a page of this origin use the server that it reached as `host`? */
  allowsOrigin(origin: string, host: string | undefined): boolean {
    return this.#allowed === undefined
      ? isSameHost(origin, host)
      : this.#allowed.some((allowed) => matches(allowed, origin));
  }
}

function countHeader(request: IncomingMessage, name: string): number {
  return request.rawHeaders.filter(
    (header, index) => index % 2 === 0 && header.toLowerCase() === name,
  ).length;
}

function isSameHost(origin: string, host: string | undefined): boolean {
  if (host === undefined) return false;
  return origin === `http://${host.toLowerCase()}` || origin === `https://${host.toLowerCase()}`;
}

function matches(allowed: string, origin: string): boolean {
  const [scheme = "", rest = ""] = allowed.split("://*.");
  if (rest === "") return allowed === origin;
  if (!origin.startsWith(`${scheme}://`) || !origin.endsWith(`.${rest}`)) return false;
  const label = origin.slice(scheme.length + 3, -rest.length - 1);
  return /^[a-z0-9-]+$/.test(label);
}
