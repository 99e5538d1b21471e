export type Route = "login" | "token" | "revoke" | "jwks" | "metadata";

/**
 * Paths of the issuer's endpoints: below the path of its URL; its metadata where RFC 8414 §3 puts
 * them.
 */
export function routesOf(issuer: string): ReadonlyMap<string, Route> {
  const base = new URL(issuer).pathname.replace(/\/$/, "");
  return new Map([
    [`${base}/login`, "login"],
    [`${base}/token`, "token"],
    [`${base}/revoke`, "revoke"],
    [`${base}/.well-known/jwks.json`, "jwks"],
    [`/.well-known/oauth-authorization-server${base}`, "metadata"],
  ]);
}

/** RFC 8414 §2 */
export function metadataOf(issuer: string): object {
  const base = issuer.replace(/\/$/, "");
  const clientMethods = ["client_secret_basic", "client_secret_post", "none"];
  return {
    issuer,
    token_endpoint: `${base}/token`,
    revocation_endpoint: `${base}/revoke`,
    jwks_uri: `${base}/.well-known/jwks.json`,
    response_types_supported: [],
    grant_types_supported: ["refresh_token", "client_credentials"],
    token_endpoint_auth_methods_supported: clientMethods,
    revocation_endpoint_auth_methods_supported: ["none"],
  };
}
