import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { brotliCompress, gzip, constants as zlib } from "node:zlib";

type Encoding = "br" | "gzip" | "identity";

const encodings = ["br", "gzip"] as const; // the smallest first
const leastBytes = 1_024; // below that, the headers are most of the answer
const bestUpTo = 500_000; // bytes; the best quality takes seconds for a few MB, this one a tenth
const quickQuality = 9;

/**
 * A body that is the same for everybody who asks, compressed once for each encoding. Nothing that
 * depends on who asks may be in it: the length of compressed secrets tells about them (BREACH).
 */
export class StaticBody {
  readonly #bytes: Buffer;
  readonly #digest: string;
  readonly #compressed = new Map<Encoding, Promise<Buffer>>();

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#digest = createHash("sha256").update(bytes).digest("base64url");
  }

  /** Answers a GET or HEAD, with 304 where the client has this body already (RFC 9110 §13.1.2). */
  async send(
    request: IncomingMessage,
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
  ): Promise<void> {
    const encoding = this.#bytes.length < leastBytes ? "identity" : encodingFor(request);
    // each encoding is a representation of its own, with a tag of its own (RFC 9110 §8.8.3.3)
    const etag = `"${this.#digest}${encoding === "identity" ? "" : `-${encoding}`}"`;
    const own = { "Cache-Control": "no-cache", ETag: etag, Vary: "Accept-Encoding", ...headers };
    if (hasTag(request, etag)) return void response.writeHead(304, own).end();
    const bytes = await this.#encoded(encoding);
    response.writeHead(200, {
      ...own,
      ...(encoding === "identity" ? {} : { "Content-Encoding": encoding }),
      "Content-Length": bytes.length,
    });
    response.end(request.method === "HEAD" ? undefined : bytes);
  }

  #encoded(encoding: Encoding): Promise<Buffer> {
    if (encoding === "identity") return Promise.resolve(this.#bytes);
    let made = this.#compressed.get(encoding);
    if (made === undefined) {
      made = compress(this.#bytes, encoding);
      made.catch(() => this.#compressed.delete(encoding)); // the next request tries again
      this.#compressed.set(encoding, made);
    }
    return made;
  }
}

const brotli = promisify(brotliCompress);
const zip = promisify(gzip);

function compress(bytes: Buffer, encoding: "br" | "gzip"): Promise<Buffer> {
  if (encoding === "gzip") return zip(bytes, { level: zlib.Z_BEST_COMPRESSION });
  const params = {
    [zlib.BROTLI_PARAM_QUALITY]: bytes.length > bestUpTo ? quickQuality : zlib.BROTLI_MAX_QUALITY,
    [zlib.BROTLI_PARAM_MODE]: zlib.BROTLI_MODE_TEXT,
    [zlib.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return brotli(bytes, { params });
}

/** The encoding with the greatest weight, the smaller one of two (RFC 9110 §12.5.3). */
function encodingFor({ headers }: IncomingMessage): Encoding {
  const weights = new Map<string, number>();
  for (const part of String(headers["accept-encoding"] ?? "").split(",")) {
    const [coding = "", weight] = part.toLowerCase().split(/;\s*q=/);
    weights.set(coding.trim(), weight === undefined ? 1 : Number(weight) || 0);
  }
  const weightOf = (coding: string) => weights.get(coding) ?? weights.get("*") ?? 0;
  const [best] = [...encodings].sort((one, other) => weightOf(other) - weightOf(one));
  return best !== undefined && weightOf(best) > 0 ? best : "identity";
}

function hasTag({ headers }: IncomingMessage, etag: string): boolean {
  const tags = (headers["if-none-match"] ?? "").split(",").map((tag) => tag.trim());
  return tags.some((tag) => tag === "*" || tag.replace(/^W\//, "") === etag);
}
