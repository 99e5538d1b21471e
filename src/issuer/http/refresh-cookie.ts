import type { IncomingMessage } from "node:http";
import { hashOf } from "../digest.js";

const idLength = 8; // characters of the hash

/**
 * The cookie in which a browser keeps the refresh token, where no script of a page can read it. Its
 * prefix `__Host-` binds it to this host alone (RFC 6265bis §4.1.3.2): no other host of the domain
 * can set or overwrite it, which a path of its own would not prevent, and which excludes one. Its
 * name has a hash of the issuer, since cookies know no ports.
 */
export class RefreshCookie {
  readonly name: string;
  readonly #maxAge: number;

  /** `lifetime`: of a refresh token that isn't used, milliseconds. */
  constructor(issuer: string, lifetime: number) {
    this.name = `__Host-jotwire-${hashOf(issuer).slice(0, idLength)}`;
    this.#maxAge = Math.floor(lifetime / 1_000);
  }

  /** The refresh token that came with a request. */
  read({ headers: { cookie = "" } }: IncomingMessage): string | undefined {
    for (const pair of cookie.split(";")) {
      const equals = pair.indexOf("=");
      if (equals > 0 && pair.slice(0, equals).trim() === this.name)
        return pair.slice(equals + 1).trim() || undefined;
    }
    return undefined;
  }

  /** The header `Set-Cookie` that keeps a refresh token. */
  keep(refreshToken: string): string {
    return this.#header(refreshToken, this.#maxAge);
  }

  /** The header `Set-Cookie` that removes it. */
  remove(): string {
    return this.#header("", 0);
  }

  #header(value: string, maxAge: number): string {
    return `${this.name}=${value}; Path=/; Max-Age=${maxAge}; HttpOnly; Secure; SameSite=Strict`;
  }
}
