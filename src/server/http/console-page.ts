/**
 * The console: one page, made by the build and served from memory. It handles tokens, so nothing
 * but itself may run in it, or frame it.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { IssuerPort } from "../../auth/issuer-port.js";
import type { OriginList } from "../admission/origin-list.js";
import { StaticBody } from "./static-body.js";

/** Path of the page. */
export const consolePath = "/console";

export interface ConsolePagePorts {
  /** Path of the WebSocket. */
  readonly path: string;
  readonly origins: OriginList;
  readonly issuers: readonly IssuerPort[];
}

export class ConsolePage {
  readonly #origins: OriginList;
  readonly #body: StaticBody;
  readonly #headers: Readonly<Record<string, string>>;

  /** Throws `TypeError` if the page is not there. */
  constructor({ path, origins, issuers }: ConsolePagePorts) {
    const page = readPage();
    const [issuer] = issuers;
    const places = [
      ["rpc", path] as const,
      ...(issuer === undefined ? [] : [["issuer", new URL(issuer.issuer).pathname] as const]),
    ];
    const attributes = places.map(([name, value]) => ` data-${name}="${escaped(value)}"`).join("");
    this.#origins = origins;
    this.#body = new StaticBody(Buffer.from(page.replace("<html", () => `<html${attributes}`)));
    this.#headers = {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": policyOf(page),
      "X-Frame-Options": "DENY",
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Resource-Policy": "same-origin",
    };
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // would the page's socket be accepted? Where not, it is better told here
    if (this.#origins.allowsHost(request)) await this.#body.send(request, response, this.#headers);
    else refuse(response);
  }
}

/**
 * Reads the page: the build puts it beside the client, in dist, also when this file runs from its
 * source; whoever bundles the server puts it beside the bundle. A CommonJS bundle has a
 * `__filename` and an empty `import.meta`.
 */
function readPage(): string {
  const here = import.meta.url ?? pathToFileURL(__filename).href;
  const beside = new URL("console.html", here);
  const built = here.endsWith(".ts") ? "dist/client/console.html" : "client/console.html";
  const place = [beside, new URL(`../../../${built}`, here)].find((url) => existsSync(url));
  if (place !== undefined) return readFileSync(place, "utf8");
  throw new TypeError(
    `console: there is no ${fileURLToPath(beside)}; copy node_modules/jotwire/dist/client/console.html there, or leave out the option "console"`,
  );
}

/**
 * Only the script and the style that stand in the page, by their hashes (CSP level 3); only this
 * origin to speak to.
 */
function policyOf(page: string): string {
  const hashOf = (pattern: RegExp) => `'sha256-${digest(pattern.exec(page)?.[1] ?? "")}'`;
  return [
    "default-src 'none'",
    `script-src ${hashOf(/<script type="module">([\s\S]*)<\/script>/)}`,
    `style-src ${hashOf(/<style>([\s\S]*)<\/style>/)}`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}

function refuse(response: ServerResponse): void {
  const text =
    "The console can't connect from here: name the origin of this page in the server's option `origins` (--origin).\n";
  response.writeHead(403, {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(response.req.method === "HEAD" ? undefined : text);
}
