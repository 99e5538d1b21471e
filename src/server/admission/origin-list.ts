import type { IncomingMessage } from "node:http";

/** `https://app.example.com`, `https://*.example.com`, `http://localhost:*`, `app://`. */
const entryPattern = /^[a-z][a-z0-9+.-]*:\/\/(?:(\*\.)?[^*/?#\s]+(?::\*)?)?$/;

/**
 * Which browser origins may connect and read (RFC 6454). Scheme, host and port are compared
 * exactly, but for a default port or a slash at the end; `https://*.example.com` allows any one
 * left-most label, `http://localhost:*` any port, `file://` and `null` what says so, and `*` every
 * page. The server's own origin, the host and port of the `Host` header, is always allowed, unless
 * the list is empty.
 */
export class OriginList {
  readonly #allowed: readonly string[];
  readonly #allowsOwn: boolean;

  constructor(allowed: readonly string[] | undefined) {
    for (const origin of allowed ?? []) {
      if (origin !== "null" && origin !== "*" && !entryPattern.test(origin)) {
        throw new TypeError(
          `origins: "${origin}" is not an origin; write it like https://app.example.com, in lower case, without a path`,
        );
      }
    }
    this.#allowed = (allowed ?? []).map(canonical);
    this.#allowsOwn = allowed === undefined || allowed.length > 0;
  }

  /** May this request be served? One without an `Origin` header does not come from a web page. */
  allows(request: IncomingMessage): boolean {
    const { origin, host } = request.headers;
    if (origin === undefined) return true;
    return countHeader(request, "origin") === 1 && this.allowsOrigin(origin, host);
  }

  /** May a page of this origin use the server that it reached as `host`? */
  allowsOrigin(given: string, host: string | undefined): boolean {
    const origin = canonical(given);
    return (
      (this.#allowsOwn && isSameHost(origin, host)) ||
      this.#allowed.some((allowed) => matches(allowed, origin))
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
  if (host === undefined) return false;
  return ["http", "https"].some(
    (scheme) => origin === canonical(`${scheme}://${host.toLowerCase()}`),
  );
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
