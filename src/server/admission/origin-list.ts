import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { isLoopback } from "../../runtime/ip-address.js";
import { type TrustedProxies, unixPeer } from "./client-address.js";

/** `https://app.example.com`, `https://*.example.com`, `http://localhost:*`, `app://`. */
const entryPattern =
  /^(?:[a-z][a-z0-9+.-]*:\/\/(\*\.)?[^*/?#\s]+(?::\*)?|(?!https?:)[a-z][a-z0-9+.-]*:\/\/)$/;

/**
 * Which browser origins may connect and read (RFC 6454). Scheme, host and port are compared
 * exactly, but for a default port or a slash at the end; `https://*.example.com` allows any one
 * left-most label, `http://localhost:*` any port, `file://` and `null` what says so, and `*` every
 * page. Without a list the server's own origin is allowed, the host and port of the `Host` header.
 * Beside a list it is allowed, too, where a page cannot have made up the name: a page of another
 * site may have its own name resolve to this server (DNS rebinding), but not an address, nor a name
 * under TLS or behind a trusted proxy.
 */
export class OriginList {
  readonly #allowed: readonly string[];
  /** Whether the server's own origin is allowed: always, never, or where its name is sure. */
  readonly #own: "always" | "never" | "sure";
  readonly #isTrusted: TrustedProxies;

  constructor(allowed: readonly string[] | undefined, isTrusted: TrustedProxies = () => false) {
    for (const origin of allowed ?? []) {
      if (origin !== "null" && origin !== "*" && !entryPattern.test(origin)) {
        throw new TypeError(
          `origins: "${origin}" is not an origin; write it like https://app.example.com, in lower case, without a path`,
        );
      }
    }
    this.#allowed = (allowed ?? []).map(canonical);
    this.#own = allowed === undefined ? "always" : allowed.length === 0 ? "never" : "sure";
    this.#isTrusted = isTrusted;
  }

  /** May this request be served? One without an `Origin` header does not come from a web page. */
  allows(request: IncomingMessage): boolean {
    const { origin } = request.headers;
    if (origin === undefined) return true;
    return countHeader(request, "origin") === 1 && this.allowsOrigin(origin, request);
  }

  /** May a page of this origin use the server, which it reached as the request's `Host`? */
  allowsOrigin(given: string, request: IncomingMessage): boolean {
    const origin = canonical(given);
    return (
      (isSameHost(origin, request.headers.host) && this.#allowsOwn(request)) ||
      this.#allowed.some((allowed) => matches(allowed, origin))
    );
  }

  /**
   * May a page of the host that this request names use the server? A proxy may have the TLS, so the
   * scheme of that page isn't known.
   */
  allowsHost(request: IncomingMessage): boolean {
    const origins = ownOrigins(request.headers.host ?? "");
    return origins.some((origin) => this.allowsOrigin(origin, request));
  }

  /** Returns the origins that may connect to the host that this request names. */
  listFor(request: IncomingMessage): string[] {
    const { host } = request.headers;
    const own = host === undefined || !this.#allowsOwn(request) ? [] : ownOrigins(host);
    return [...new Set([...this.#allowed, ...own])];
  }

  #allowsOwn({ headers: { host = "" }, socket }: IncomingMessage): boolean {
    if (this.#own !== "sure") return this.#own === "always";
    const name = host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
    return (
      isIP(name) !== 0 ||
      isLoopback(name) ||
      "encrypted" in socket ||
      this.#isTrusted(socket.remoteAddress ?? unixPeer)
    );
  }
}

/** Some clients write the default port or a slash at the end, which browsers never do. */
function canonical(origin: string): string {
  const bare = origin.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/]+)\/$/, "$1");
  return bare.replace(/^(https:\/\/[^/]+):443$|^(http:\/\/[^/]+):80$/, "$1$2");
}

function countHeader(request: IncomingMessage, name: string): number {
  return request.rawHeaders.filter(
    (header, index) => index % 2 === 0 && header.toLowerCase() === name,
  ).length;
}

function isSameHost(origin: string, host: string | undefined): boolean {
  return host !== undefined && ownOrigins(host).includes(origin);
}

/** A proxy may have the TLS, so the scheme isn't known. */
function ownOrigins(host: string): string[] {
  return ["http", "https"].map((scheme) => canonical(`${scheme}://${host.toLowerCase()}`));
}

function matches(allowed: string, origin: string): boolean {
  if (allowed === "*" || allowed === origin) return true;
  if (allowed.endsWith(":*")) {
    const start = allowed.slice(0, -2);
    return matches(start, origin.replace(/:\d{1,5}$/, ""));
  }
  const [scheme = "", rest = ""] = allowed.split("://*.");
  if (rest === "" || !origin.startsWith(`${scheme}://`) || !origin.endsWith(`.${rest}`))
    return false;
  const label = origin.slice(scheme.length + 3, -rest.length - 1);
  return /^[a-z0-9-]+$/.test(label);
}
