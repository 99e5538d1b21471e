import { toPromise } from "../../runtime/application-code.js";
import { isLoopback } from "../../runtime/ip-address.js";
import { parseStrictObject } from "../token/strict-json.js";

/** A form that is posted (RFC 7662 §2.1). */
export interface PostedForm {
  /** `application/x-www-form-urlencoded` */
  readonly body: string;
  /** The header `Authorization`. */
  readonly authorization: string;
}

/**
 * Gets a JSON document by HTTP, or posts a form that is answered with one. Resolves to its text, or
 * to undefined when the server does not have it (404). Rejects with an Error that says what is
 * wrong: an address that isn't allowed, a redirect, too slow, too large.
 */
export type FetchDocument = (
  url: URL,
  options: { readonly allowPrivateHosts: boolean; readonly post?: PostedForm },
) => Promise<string | undefined>;

/** The server of a document answered, and not with a document. */
export class HttpStatusError extends Error {
  override readonly name = "HttpStatusError";
  readonly code = "HTTP_STATUS";
  readonly status: number;

  constructor(status: number) {
    super(`answered with HTTP ${status}`);
    this.status = status;
  }
}

/**
 * Why a document must not be fetched from this URL, or undefined if it may. With
 * `allowPrivateHosts` the address that the host resolves to is checked later.
 */
export function objectionToUrl(url: URL, allowPrivateHosts: boolean): string | undefined {
  if (url.username || url.password) return "a URL with a user name or password";
  const isPlain = url.protocol === "http:" && (isLoopback(url.hostname) || allowPrivateHosts);
  if (url.protocol === "https:" || isPlain) return undefined;
  return "neither https, nor http on a loopback address; allowPrivateHosts allows http to a host of your own network";
}

const fetchTimeout = 5_000; // 5 s
const maxBytes = 262_144; // 256 KiB

/** Documents by a function of the application. Which hosts it asks is its own business. */
export function fetchDocumentBy(fetch: typeof globalThis.fetch): FetchDocument {
  const read = async (
    url: URL,
    signal: AbortSignal,
    post: PostedForm | undefined,
  ): Promise<string | undefined> => {
    const form = post === undefined ? {} : { method: "POST", body: post.body };
    const response = await toPromise(
      fetch(url, { ...form, headers: headersFor(post), redirect: "error", signal }),
    );
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw new HttpStatusError(response.status);
    return textOf(response);
  };
  return (url, { post }) => {
    const signal = AbortSignal.timeout(fetchTimeout);
    const late = new Promise<never>((_, reject) => {
      const give = () => reject(new Error(`no complete answer within ${fetchTimeout} ms`));
      signal.addEventListener("abort", give, { once: true });
    });
    return Promise.race([read(url, signal, post), late]); // whether or not it heeds its signal
  };
}

/** Headers of a request for a document. */
export function headersFor(post: PostedForm | undefined): Record<string, string> {
  if (post === undefined) return { accept: "application/json, application/jwk-set+json" };
  return {
    accept: "application/json",
    authorization: post.authorization,
    "content-type": "application/x-www-form-urlencoded",
  };
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the body is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
}

/** How keys are fetched: one issuer's settings. */
export interface KeyFetching {
  readonly fetchDocument: FetchDocument;
  readonly allowPrivateHosts: boolean;
}

/** Loads the key set (RFC 7517 §5) behind a URL. */
export function keySetLoader(
  url: URL,
  { fetchDocument, allowPrivateHosts }: KeyFetching,
): () => Promise<unknown> {
  return async () => {
    const text = await fetchDocument(url, { allowPrivateHosts });
    if (text === undefined) throw new Error("the key set is not found (404)");
    return parseStrictObject(text);
  };
}
