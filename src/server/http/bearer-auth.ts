/** Bearer tokens (RFC 6750) in front of the application's own HTTP routes. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { TokenRefusedError } from "../../auth/refusal.js";
import {
  type Auth,
  accessRule,
  checkAccess,
  type ScopeRule,
  scopesNamedBy,
} from "../../rpc/define/access.js";
import { refuseUnknownOptions } from "../../runtime/known-options.js";
import type { TokenVerifier } from "../token-verifier.js";
import { refusalOf } from "./bearer.js";

/** Options of `bearerAuth`. */
export interface BearerAuthOptions {
  /**
   * A scope, several that are all needed, or `{ anyOf: [...] }`.
   * @default none: any good token will do
   */
  readonly scope?: ScopeRule;
}

/** A request of Node, or one of the Fetch API. */
export type BearerRequest =
  | { readonly headers: Headers }
  | Pick<IncomingMessage, "headers" | "socket">;

/** The answer to a request without a good token: what to send. */
export interface BearerRefusal {
  /** 400, 401, 403, 429 or 503. */
  readonly status: number;
  /** With `WWW-Authenticate` (RFC 6750 §3) or `Retry-After`. */
  readonly headers: Readonly<Record<string, string>>;
  /** To send as JSON. */
  readonly body: { readonly error: string; readonly error_description: string };
}

/** What `check` says of a request. */
export type BearerCheck<Claims = Readonly<Record<string, unknown>>> =
  | { readonly auth: Auth<Claims>; readonly refusal: null }
  | { readonly auth: null; readonly refusal: BearerRefusal };

/** Demands a token of each request, in front of any framework's routes. */
export interface BearerAuth<Claims = Readonly<Record<string, unknown>>> {
  /** Checks a request, for frameworks without a ready-made middleware. Never rejects. */
  check(request: BearerRequest): Promise<BearerCheck<Claims>>;
  /**
   * Returns whose token a request has brought that passed this middleware. Takes Express' `req`,
   * Fastify's `request` and Hono's `c`. Throws `TypeError` for any other request.
   */
  authOf(request: object): Auth<Claims>;
  /** Middleware for Express, Connect and Nest. */
  readonly express: (
    request: IncomingMessage,
    response: ServerResponse,
    next: (error?: unknown) => void,
  ) => void;
  /** Hook for Fastify, best as `onRequest`. */
  readonly fastify: (
    request: { readonly raw: IncomingMessage },
    reply: {
      code(status: number): unknown;
      headers(headers: Record<string, string>): unknown;
      send(body: object): unknown;
    },
  ) => Promise<unknown>;
  /** Middleware for Hono. */
  readonly hono: (
    context: { readonly req: { readonly raw: Request }; readonly env?: unknown },
    next: () => Promise<void>,
  ) => Promise<Response | undefined>;
}

/**
 * Makes middleware that lets requests pass which bring a good access token in `Authorization`, and
 * answers all others: 401 without a token or with one that is refused, 403 if scopes lack, 429 for
 * too many refused tokens of an address, 503 while no token can be verified.
 * @param verifier the server, or a token verifier
 * @throws TypeError for what is no scope
 * @example
 * const bearer = bearerAuth(server, { scope: "orders:read" });
 * app.get("/orders", bearer.express, (req, res) => res.json(ordersOf(bearer.authOf(req).subject)));
 */
export function bearerAuth<Claims>(
  verifier: Pick<TokenVerifier<Claims>, "verify" | "production">,
  options: BearerAuthOptions = {},
): BearerAuth<Claims> {
  refuseUnknownOptions("bearerAuth", options, { scope: true } satisfies Record<
    keyof BearerAuthOptions,
    true
  >);
  const rule = accessRule(false, options.scope === undefined ? [] : [options.scope], undefined);
  const known = new WeakMap<object, Auth<Claims>>();

  const judge = async (
    header: string | null | undefined,
    request: IncomingMessage | undefined,
  ): Promise<BearerCheck<Claims>> => {
    const given = tokenOf(header);
    if ("refusal" in given) return { auth: null, refusal: given.refusal };
    try {
      const auth = await verifier.verify(given.token, request === undefined ? {} : { request });
      const missing = checkAccess(rule, auth as Auth);
      if (missing === null) return { auth, refusal: null };
      return { auth: null, refusal: insufficientScope(scopesNamedBy(rule)) };
    } catch (thrown) {
      return { auth: null, refusal: refused(refusalOf(thrown), verifier.production) };
    }
  };
  const judgeNode = (request: IncomingMessage) => judge(request.headers.authorization, request);

  return {
    check: (request) =>
      isFetchRequest(request)
        ? judge(request.headers.get("authorization"), undefined)
        : judgeNode(request as IncomingMessage),
    authOf(request) {
      const auth = known.get(request);
      if (auth === undefined)
        throw new TypeError("authOf: this request has not passed bearerAuth; put it in front");
      return auth;
    },
    express(request, response, next) {
      judgeNode(request)
        .then(({ auth, refusal }) => {
          if (refusal !== null) return send(response, refusal);
          known.set(request, auth);
          next();
        })
        .catch(next);
    },
    async fastify(request, reply) {
      const { auth, refusal } = await judgeNode(request.raw);
      if (refusal === null) return void known.set(request, auth);
      reply.code(refusal.status);
      reply.headers({ ...refusal.headers });
      return reply.send(refusal.body);
    },
    async hono(context, next) {
      const { raw } = context.req;
      const { auth, refusal } = await judge(raw.headers.get("authorization"), incomingOf(context));
      if (refusal !== null)
        return Response.json(refusal.body, { status: refusal.status, headers: refusal.headers });
      known.set(context, auth);
      await next();
      return undefined;
    },
  };
}

function isFetchRequest(request: BearerRequest): request is { readonly headers: Headers } {
  return typeof (request.headers as { readonly get?: unknown }).get === "function";
}

/** The request of Node behind one of Hono, where `@hono/node-server` serves it. */
function incomingOf({ env }: { readonly env?: unknown }): IncomingMessage | undefined {
  const { incoming } = Object(env) as { readonly incoming?: IncomingMessage };
  return incoming;
}

function tokenOf(
  header: string | null | undefined,
): { readonly token: string } | { readonly refusal: BearerRefusal } {
  const [scheme = "", ...rest] = (header ?? "").trim().split(/ +/);
  if (scheme.toLowerCase() !== "bearer")
    return {
      // RFC 6750 §3.1: without a token no error code
      refusal: refusalWith(
        401,
        "token_missing",
        "send an access token: Authorization: Bearer <token>",
        {
          "WWW-Authenticate": "Bearer",
        },
      ),
    };
  const [token] = rest;
  if (rest.length === 1 && token !== undefined && !token.includes(",")) return { token };
  const description = "send one token: Authorization: Bearer <token>";
  return {
    refusal: refusalWith(400, "invalid_request", description, {
      "WWW-Authenticate": challenge("invalid_request", description),
    }),
  };
}

function insufficientScope(scopes: readonly string[]): BearerRefusal {
  const description = "the token lacks a scope";
  return refusalWith(403, "insufficient_scope", description, {
    "WWW-Authenticate": `${challenge("insufficient_scope", description)}, scope="${scopes.join(" ")}"`,
  });
}

function refused(
  { code, detail, retryAfter = 1_000 }: TokenRefusedError,
  isProduction: boolean,
): BearerRefusal {
  const wait = { "Retry-After": String(Math.max(Math.ceil(retryAfter / 1_000), 1)) };
  switch (code) {
    case "rate_limited":
      return refusalWith(429, "too_many_requests", "too many tokens; come again later", wait);
    case "auth_unavailable":
      return refusalWith(
        503,
        "temporarily_unavailable",
        isProduction ? "the token can't be verified at the moment; try again" : detail,
        wait,
      );
    case "token_expired":
    case "token_revoked":
    case "token_invalid":
    case "subject_mismatch": {
      const description = descriptions[code];
      return refusalWith(
        401,
        "invalid_token",
        isProduction ? description : `${description}: ${detail}`,
        { "WWW-Authenticate": challenge("invalid_token", description) },
      );
    }
  }
}

const descriptions = {
  token_expired: "the token has expired",
  token_revoked: "the token was revoked",
  token_invalid: "the token is not accepted",
  subject_mismatch: "the token is not accepted",
} as const;

/** The description has none of the characters that RFC 6750 §3 excludes. */
function challenge(error: string, description: string): string {
  return `Bearer error="${error}", error_description="${description}"`;
}

function refusalWith(
  status: number,
  error: string,
  error_description: string,
  headers: Readonly<Record<string, string>>,
): BearerRefusal {
  return {
    status,
    headers: { ...headers, "Cache-Control": "no-store" },
    body: { error, error_description },
  };
}

function send(response: ServerResponse, { status, headers, body }: BearerRefusal): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    ...headers,
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
  });
  response.end(text);
}
