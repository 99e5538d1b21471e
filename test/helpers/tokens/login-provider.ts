import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { interactionPolicy, Provider } from "oidc-provider";
import { createTestKeys } from "./tokens.js";

/** The class of a login with the second factor. */
export const secondFactor = "urn:test:second-factor";

/** What the login page takes. */
export const code = "246810";

/**
 * oidc-provider with a login page, for a page in a browser (authorization code, PKCE): a name, and
 * a code where a second factor is asked for. Its access tokens say how and when their user logged
 * in (RFC 9068 §2.2.1).
 */
export class LoginProvider implements AsyncDisposable {
  readonly issuer: string;
  /** The parameters of each request for a login, in order. */
  readonly asked: URLSearchParams[] = [];
  readonly #http: Server;

  private constructor(issuer: string, http: Server) {
    this.issuer = issuer;
    this.#http = http;
  }

  /** `callback`: where the browser comes back to, of the client `page`. */
  static async start(callback: string, audience: string): Promise<LoginProvider> {
    const http = createServer();
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    const provider = new Provider(issuer, configuration(callback, audience));
    const login = new LoginProvider(issuer, http);
    http.on("request", (request, response) => {
      void login.#answer(provider, request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
    return login;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#http, "close");
    this.#http.close();
    this.#http.closeAllConnections();
    await closed;
  }

  async #answer(
    provider: Provider,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", this.issuer);
    if (pathname === "/auth") this.asked.push(searchParams);
    if (!pathname.startsWith("/login/")) return provider.callback()(request, response);
    const { params } = await provider.interactionDetails(request, response);
    const needsCode = String(params.acr_values ?? "").includes(secondFactor);
    if (request.method !== "POST") {
      response.writeHead(200, { "Content-Type": "text/html" }).end(form(pathname, needsCode));
      return;
    }
    const given = new URLSearchParams(await text(request));
    if (needsCode && given.get("code") !== code) {
      response.writeHead(200, { "Content-Type": "text/html" }).end(form(pathname, needsCode));
      return;
    }
    await provider.interactionFinished(request, response, {
      login: {
        accountId: given.get("name") ?? "",
        acr: needsCode ? secondFactor : "0",
        remember: true,
      },
    });
  }
}

const form = (path: string, needsCode: boolean) =>
  `<!doctype html><title>Log in</title><form method="post" action="${path}">
   <label>Name <input name="name" value="ada"></label>
   ${needsCode ? '<label>Code <input name="code"></label>' : ""}<button>Log in</button></form>`;

function configuration(callback: string, audience: string): object {
  const keys = createTestKeys("ES256");
  const policy = interactionPolicy.base();
  policy.remove("consent"); // a grant is at hand
  // acr_values are a wish, in OpenID Connect: this provider fulfils it (RFC 9470 §5)
  policy.get("login").checks.add(
    new interactionPolicy.Check("acr_values", "another factor is needed", ({ oidc }) => {
      const wanted = String(oidc.params.acr_values ?? "");
      return wanted.includes(secondFactor) && oidc.session.acr !== secondFactor;
    }),
  );
  return {
    clients: [
      {
        client_id: "page",
        application_type: "native", // may come back to a loopback address
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code"],
        response_types: ["code"],
        redirect_uris: [callback],
        id_token_signed_response_alg: "ES256",
      },
    ],
    clientBasedCORS: () => true,
    acrValues: ["0", secondFactor],
    cookies: { keys: ["a key of this test alone"] },
    jwks: {
      keys: [
        { ...keys.privateKey.export({ format: "jwk" }), kid: keys.kid, alg: "ES256", use: "sig" },
      ],
    },
    ttl: { AccessToken: 600, Session: 3_600, Grant: 3_600, Interaction: 600 }, // s
    findAccount: (_context: unknown, accountId: string) => ({
      accountId,
      claims: () => ({ sub: accountId }),
    }),
    interactions: { policy, url: (_context: unknown, { uid }: { uid: string }) => `/login/${uid}` },
    async loadExistingGrant({ oidc }: LoginContext) {
      const grant = new oidc.provider.Grant({
        clientId: oidc.client.clientId,
        accountId: oidc.session.accountId,
      });
      grant.addOIDCScope("openid");
      grant.addResourceScope(audience, "numbers:add");
      await grant.save();
      return grant;
    },
    extraTokenClaims({ oidc }: LoginContext) {
      const { acr, authTime } = oidc.entities.AuthorizationCode ?? {};
      return { acr, auth_time: authTime };
    },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          audience,
          scope: "numbers:add",
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
  };
}

interface Grant {
  addOIDCScope(scope: string): void;
  addResourceScope(resource: string, scope: string): void;
  save(): Promise<string>;
}

interface LoginContext {
  readonly oidc: {
    readonly client: { readonly clientId: string };
    readonly session: { readonly accountId: string };
    readonly provider: { readonly Grant: new (of: object) => Grant };
    readonly entities: {
      readonly AuthorizationCode?: { readonly acr?: string; readonly authTime?: number };
    };
  };
}
