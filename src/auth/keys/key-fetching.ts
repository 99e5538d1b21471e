import { isLoopback } from "../../runtime/ip-address.js";
import { parseStrictObject } from "../token/strict-json.js";

/**
 * Gets a JSON document by HTTP. Resolves to its text, or to undefined when the server says that
 * there is none (404). Rejects with an Error that says what is wrong: an address that isn't
 * allowed, a redirect, too slow, too large.
 */
export type FetchDocument = (
  url: URL,
  options: { readonly allowPrivateHosts: boolean },
) => Promise<string | undefined>;

/** Why a document must not be fetched from this URL, or undefined if it may. */
export function objectionToUrl(url: URL): string | undefined {
  if (url.username || url.password) return "a URL with a user name or password";
  if (url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname)))
    return undefined;
  return "neither https, nor http on a loopback address";
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
