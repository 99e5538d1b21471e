import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";
import { createTestKeys, type TestAlgorithm } from "./tokens.js";

export const client = { id: "orders-worker", secret: "a secret that only the worker knows" };

const basic = `Basic ${Buffer.from(`${client.id}:${encodeURIComponent(client.secret)}`).toString("base64")}`;

/** A resource (RFC 8707) whose tokens are opaque: only the provider knows what they say. */
export const opaqueResource = "https://opaque.test";

/**
 * oidc-provider on a free port: it gives access tokens (RFC 9068) to one client, for whatever
 * resource that asks for (RFC 8707).
 */
export class IdentityProvider implements AsyncDisposable {
  readonly issuer: string;
  readonly #http: Server;

  private constructor(issuer: string, http: Server) {
    this.issuer = issuer;
    this.#http = http;
  }

  /** `page`: where it leads back to, for users who log in with a browser. */
  static async start(algorithm: TestAlgorithm, port = 0, page?: string): Promise<IdentityProvider> {
    const http = createServer();
    await new Promise<void>((resolve) => http.listen(port, "127.0.0.1", resolve));
    const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    http.on("request", new Provider(issuer, configuration(algorithm, page)).callback());
    return new IdentityProvider(issuer, http);
  }

  get port(): number {
    return Number(new URL(this.issuer).port);
  }

  /** An access token for the client itself (RFC 6749 §4.4). */
  async token(resource: string, scope = "numbers:add"): Promise<string> {
    const response = await fetch(`${this.issuer}/token`, {
      method: "POST",
      headers: { Authorization: basic },
      body: new URLSearchParams({ grant_type: "client_credentials", resource, scope }),
    });
    const answer = (await response.json()) as { readonly access_token?: string };
    if (answer.access_token === undefined) throw new Error(JSON.stringify(answer));
    return answer.access_token;
  }

  /** Withdraws a token (RFC 7009). */
  async revoke(token: string): Promise<void> {
    const { status } = await fetch(`${this.issuer}/token/revocation`, {
      method: "POST",
      headers: { Authorization: basic },
      body: new URLSearchParams({ token }),
    });
    if (status !== 200) throw new Error(`revocation: HTTP ${status}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#http.close(resolve));
    this.#http.closeAllConnections();
    await closed;
  }
}

/** A public client: a page, whose users log in on the provider's own pages. */
export const pageClient = "board";

function pageClientAt(page: string, algorithm: TestAlgorithm): object {
  return {
    client_id: pageClient,
    token_endpoint_auth_method: "none",
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    redirect_uris: [page],
    post_logout_redirect_uris: [page],
    id_token_signed_response_alg: algorithm,
  };
}

function configuration(algorithm: TestAlgorithm, page: string | undefined): object {
  const keys = createTestKeys(algorithm);
  return {
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: algorithm,
      },
      ...(page === undefined ? [] : [pageClientAt(page, algorithm)]),
    ],
    ...(page === undefined
      ? {}
      : {
          clientBasedCORS: () => true,
          issueRefreshToken: () => true,
          rotateRefreshToken: true,
          scopes: ["openid", "offline_access", "numbers:add"],
        }),
    jwks: {
      keys: [
        { ...keys.privateKey.export({ format: "jwk" }), kid: keys.kid, alg: algorithm, use: "sig" },
      ],
    },
    ttl: { ClientCredentials: 600 }, // s
    features: {
      devInteractions: { enabled: page !== undefined },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          audience: resource,
          scope: "numbers:add",
          ...(resource === opaqueResource
            ? { accessTokenFormat: "opaque" }
            : { accessTokenFormat: "jwt", jwt: { sign: { alg: algorithm } } }),
        }),
      },
    },
  };
}
