/** Serves the files of a folder and the browser SDK over HTTP, for `jotwire dev --public`. */
import { createReadStream, type Stats } from "node:fs";
import { readFile, realpath, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { OriginList } from "../../server/admission/origin-list.js";
import { StaticBody } from "../../server/http/static-body.js";
import { CliError } from "../cli-error.js";

/** URL paths of the SDK: `import { createClient } from "/jotwire.min.js"`. */
const sdkPaths: ReadonlySet<string> = new Set(["/jotwire.min.js", "/jotwire-session.min.js"]);
const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
};

/** Types that compression makes smaller. */
const isText = /^text\/|json|svg/;
const maxTextBytes = 2_000_000; // a larger file is sent as it is, from the disk
const maxKept = 100; // files

interface Found {
  readonly path: string;
  readonly stats: Stats;
}

export class PublicFiles {
  readonly #root: string;
  readonly #origins: OriginList;
  /** By path, those that were asked for last at the end. */
  readonly #kept = new Map<string, { readonly version: string; readonly body: StaticBody }>();

  private constructor(root: string, origins: OriginList) {
    this.#root = root;
    this.#origins = origins;
  }

  /**
   * Opens a folder, for pages of these origins. Throws `CliError` if there is no such folder,
   * `TypeError` if an origin is wrong.
   */
  static async of(folder: string, origins: readonly string[]): Promise<PublicFiles> {
    const root = await realpath(folder).catch(() => undefined);
    if (root === undefined || !(await stat(root)).isDirectory())
      throw new CliError(
        "configuration",
        `--public: there is no folder ${folder}; name an existing one`,
      );
    return new PublicFiles(root, new OriginList(origins));
  }

  /** Answers every request with a file or an error. Never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "GET" && request.method !== "HEAD")
      return refuse(response, 405, "use GET");
    // a page of another site may have its own name lead here (DNS rebinding)
    if (!this.#origins.allowsHost(request))
      return refuse(response, 403, "nothing is served at this host: name its origin with --origin");
    const found = await this.#find(request.url ?? "/");
    if (found === undefined) return refuse(response, 404, "nothing is served at this path");
    const headers = {
      "Content-Type": types[extname(found.path)] ?? "application/octet-stream",
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
    };
    const isSmallText = isText.test(headers["Content-Type"]) && found.stats.size <= maxTextBytes;
    const body = isSmallText ? await this.#bodyOf(found).catch(() => undefined) : undefined;
    if (body !== undefined) await body.send(request, response, headers);
    else await sendFromDisk(found, request, response, headers);
  }

  /** The content of a file, read again when the file has changed. */
  async #bodyOf({ path, stats }: Found): Promise<StaticBody> {
    const version = versionOf(stats);
    const kept = this.#kept.get(path);
    const body = kept?.version === version ? kept.body : new StaticBody(await readFile(path));
    this.#kept.delete(path);
    this.#kept.set(path, { version, body });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > maxKept && oldest !== undefined) this.#kept.delete(oldest);
    return body;
  }

  /**
   * Returns the file for a URL. Its real path, with links resolved, must be inside the folder, and
   * no part of its path may begin with a dot.
   */
  async #find(url: string): Promise<Found | undefined> {
    const path = pathFrom(url);
    if (path === undefined || path.split("/").some((name) => name.startsWith(".")))
      return undefined;
    const isSdk = sdkPaths.has(path);
    const wanted = isSdk
      ? sdkFile(path)
      : join(this.#root, path.endsWith("/") ? `${path}index.html` : path);
    const real = await realpath(wanted).catch(() => undefined);
    if (real === undefined || (!isSdk && !real.startsWith(this.#root + sep))) return undefined;
    const stats = await stat(real).catch(() => undefined);
    return stats?.isFile() ? { path: real, stats } : undefined;
  }
}

async function sendFromDisk(
  { path, stats }: Found,
  request: IncomingMessage,
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const etag = `W/"${versionOf(stats)}"`; // weak: two changes within a clock tick look the same
  const isKnown = request.headers["if-none-match"] === etag;
  response.writeHead(isKnown ? 304 : 200, {
    ...headers,
    "Cache-Control": "no-cache",
    ETag: etag,
    ...(isKnown ? {} : { "Content-Length": stats.size }),
  });
  if (isKnown || request.method === "HEAD") response.end();
  // fails if the peer disconnects or the file disappears
  else await pipeline(createReadStream(path), response).catch(() => response.destroy());
}

function versionOf({ mtimeMs, size }: Stats): string {
  return `${mtimeMs.toString(36)}-${size.toString(36)}`;
}

/**
 * Returns the path of a bundle that the build writes to dist/client. Both paths are needed because
 * this file also runs from source.
 */
function sdkFile(name: string): string {
  const built = import.meta.url.endsWith(".ts") ? "dist/client" : "client";
  return fileURLToPath(new URL(`../../../${built}${name}`, import.meta.url));
}

/** Returns the decoded path of a request's URL, or `undefined` if no file can have that path. */
function pathFrom(url: string): string | undefined {
  try {
    const path = decodeURIComponent(url.split(/[?#]/, 1)[0] ?? "/");
    return path.startsWith("/") && !/[\0\\]/.test(path) ? path : undefined;
  } catch {
    return undefined; // a stray %
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, {
      "Content-Type": "text/plain; charset=utf-8",
      "X-Content-Type-Options": "nosniff",
    })
    .end(`${text}\n`);
}
