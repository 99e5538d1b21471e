import type { Clock } from "../../runtime/clock.js";
import { isLoopback } from "../../runtime/ip-address.js";
import { shown } from "../shown.js";
import { parseStrictObject, type StrictObject } from "../token/strict-json.js";
import { HttpStatusError, type KeyFetching, keySetLoader, objectionToUrl } from "./key-fetching.js";

const maxAge = 600_000; // 10 min: as the key set, so that an unknown kid fetches the set alone

/**
 * Loads an issuer's key set by way of its metadata (OpenID Connect Discovery 1.0 §4, RFC 8414 §3),
 * whose `issuer` must be exactly `issuer`.
 */
export function discoveredKeySetLoader(
  issuer: string,
  fetching: KeyFetching,
  clock: Clock,
): () => Promise<unknown> {
  let discovered: { readonly load: () => Promise<unknown>; readonly at: number } | undefined;

  return async () => {
    const now = clock.monotonic();
    if (!discovered || now - discovered.at >= maxAge) {
      const metadata = await fetchMetadata(new URL(issuer), fetching);
      discovered = {
        load: keySetLoader(readKeySetUrl(metadata, issuer, fetching), fetching),
        at: now,
      };
    }
    try {
      return await discovered.load();
    } catch (error) {
      discovered = undefined; // the set may have moved
      throw error;
    }
  };
}

async function fetchMetadata(
  issuer: URL,
  { fetchDocument, allowPrivateHosts }: KeyFetching,
): Promise<StrictObject> {
  const path = issuer.pathname.replace(/\/$/, "");
  const statuses: number[] = [];
  for (const wellKnown of [
    `${path}/.well-known/openid-configuration`,
    `/.well-known/oauth-authorization-server${path}`,
  ]) {
    const text = await fetchDocument(new URL(wellKnown, issuer.origin), {
      allowPrivateHosts,
    }).catch(noDocument);
    if (typeof text === "string") return parseStrictObject(text);
    statuses.push(text ?? 404);
  }
  throw new Error(
    `the issuer has neither openid-configuration nor oauth-authorization-server metadata (HTTP ${statuses.join(", ")})`,
  );
}

/** Some issuers answer 400, 401, 403 or 405 for metadata that they do not have. */
function noDocument(error: unknown): number {
  if (error instanceof HttpStatusError && error.status >= 400 && error.status < 500)
    return error.status;
  throw error;
}

function readKeySetUrl(
  metadata: StrictObject,
  issuer: string,
  { allowPrivateHosts }: KeyFetching,
): URL {
  if (metadata.issuer !== issuer)
    throw new Error(
      `the metadata is another issuer's: its issuer is ${shown(metadata.issuer)}, and ${shown(issuer)} is configured${String(metadata.issuer).includes("{") ? ": give a function, auth: async (iss) => …, for the issuer of each tenant" : ""}`,
    );
  const { jwks_uri: location } = metadata;
  if (typeof location !== "string" || !URL.canParse(location))
    throw new Error("the metadata has no jwks_uri");
  const url = new URL(location);
  const objection = objectionToUrl(url, allowPrivateHosts);
  if (objection) throw new Error(`the metadata's jwks_uri is ${objection}`);
  if (isLoopback(url.hostname) && !isLoopback(new URL(issuer).hostname) && !allowPrivateHosts)
    throw new Error("the metadata's jwks_uri points to this machine");
  return url;
}
