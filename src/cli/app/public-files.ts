/** Serves the files of a folder and the browser SDK over HTTP, for `jotwire dev --public`. */
import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { CliError } from "../cli-error.js";

/** URL path of the SDK: `import { createClient } from "/jotwire.min.js"`. */
const sdkPath = "/jotwire.min.js";
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

export class PublicFiles {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Opens a folder. Throws `CliError` if there is no such folder. */
  static async of(folder: string): Promise<PublicFiles> {
    const root = await realpath(folder).catch(() => undefined);
    if (root === undefined || !(await stat(root)).isDirectory())
      throw new CliError(
        "configuration",
        `--public: there is no folder ${folder}; name an existing one`,
      );
    return new PublicFiles(root);
  }

  /** Answers every request with a file or an error. Never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "GET" && request.method !== "HEAD")
      return refuse(response, 405, "use GET");
    const found = await this.#find(request.url ?? "/");
    if (found === undefined) return refuse(response, 404, "nothing is served at this path");
    response.writeHead(200, {
      "Content-Type": types[extname(found.path)] ?? "application/octet-stream",
      "Content-Length": found.size,
      "Cache-Control": "no-cache",
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
    });
    if (request.method === "HEAD") response.end();
    // fails if the peer disconnects or the file disappears
    else await pipeline(createReadStream(found.path), response).catch(() => response.destroy());
  }

  /**
   * Returns the file for a URL. Its real path, with links resolved, must be inside the folder, and
   * no part of its path may begin with a dot.
   */
  async #find(url: string): Promise<{ readonly path: string; readonly size: number } | undefined> {
    const path = pathFrom(url);
    if (path === undefined || path.split("/").some((name) => name.startsWith(".")))
      return undefined;
    const wanted =
      path === sdkPath
        ? sdkFile()
        : join(this.#root, path.endsWith("/") ? `${path}index.html` : path);
    const real = await realpath(wanted).catch(() => undefined);
    if (real === undefined || (path !== sdkPath && !real.startsWith(this.#root + sep)))
      return undefined;
    const found = await stat(real);
    return found.isFile() ? { path: real, size: found.size } : undefined;
  }
}

/**
 * Returns the path of the bundle that the build writes to dist/client. Both paths are needed
 * because this file also runs from source.
 */
function sdkFile(): string {
  const built = import.meta.url.endsWith(".ts") ? "dist/client" : "client";
  return fileURLToPath(new URL(`../../../${built}/jotwire.min.js`, import.meta.url));
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
