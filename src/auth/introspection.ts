/** Opaque tokens of an authorization server that answers questions about them (RFC 7662). */

import { hash } from "node:crypto";
import { type Clock, systemClock } from "../runtime/clock.js";
import { refuseUnknownOptions } from "../runtime/known-options.js";
import { checkClaims } from "./claims.js";
import type { CustomVerifierOptions, VerifiedSession } from "./custom-verifier.js";
import { createFetchDocument } from "./keys/fetch-document.js";
import {
  type FetchDocument,
  fetchDocumentBy,
  HttpStatusError,
  objectionToUrl,
} from "./keys/key-fetching.js";
import type { TokenRules } from "./keys/provider.js";
import type { Claims } from "./provider-options.js";
import { TokenRefusedError } from "./refusal.js";
import { shown } from "./shown.js";
import { readLoginOptions } from "./token/login-claims.js";
import { readScopeOptions } from "./token/scopes.js";
import { parseStrictObject, type StrictObject } from "./token/strict-json.js";

/** Options of `introspection`. */
export interface IntrospectionOptions {
  /** The introspection endpoint: `https`, or `http` on a loopback address. */
  readonly url: string | URL;
  /** Id by which this server is known to the authorization server. */
  readonly clientId: string;
  /** Its secret, sent by HTTP Basic (RFC 6749 §2.3.1). */
  readonly clientSecret: string;
  /**
   * What `aud` of the answer must contain; of several, one is enough. Without it any active token
   * of the authorization server is good, whatever API it was issued for.
   * @default none
   */
  readonly audience?: string | readonly string[];
  /**
   * The issuer of the sessions. If given, `iss` of an answer must be the same, where it has one.
   * @default the origin of `url`
   */
  readonly issuer?: string;
  /**
   * Returns the subject, where it is not `sub`: 1 to 255 characters that no other user has.
   * @default the member `sub`
   */
  readonly subject?: (claims: Claims) => string;
  /**
   * The member that holds the scopes, or several, whose scopes are joined; a path such as
   * `"realm_access.roles"` for a nested one.
   * @default `scope`, `scp` and `permissions`
   */
  readonly scopesClaim?: string | readonly string[];
  /**
   * Returns the scopes that an answer grants, where naming members is not enough. Not beside
   * `scopesClaim`.
   * @default the scopes in `scopesClaim`
   */
  readonly scopes?: (claims: Claims) => readonly string[];
  /**
   * The member that names the authentication context class of the login, or several members.
   * @default `acr` and `acrs`
   */
  readonly acrClaim?: string | readonly string[];
  /**
   * The member that says when the user logged in, in seconds since 1970.
   * @default `auth_time`
   */
  readonly authTimeClaim?: string;
  /**
   * Longest time until a session must present its token again, milliseconds. Answers without `exp`
   * are refused unless it is set.
   * @default until `exp`
   */
  readonly maxAge?: number;
  /**
   * How long an answer is used again for the same token, milliseconds, at most 60_000; 0: never. A
   * token that the authorization server has revoked is good for that long.
   * @default 10_000 ms
   */
  readonly cacheFor?: number;
  /**
   * Accept answers that do not say `Bearer` in `token_type` or `typ`. Only for servers that answer
   * `active` for access tokens alone: a refresh token would be taken for one.
   * @default false
   */
  readonly allowUntyped?: boolean;
  /**
   * Longest token, in characters.
   * @default 16_384
   */
  readonly maxTokenLength?: number;
  /**
   * Ask a host that resolves to a private or loopback address, by `http` too.
   * @default false
   */
  readonly allowPrivateHosts?: boolean;
  /**
   * Sends the request, for instance through a proxy. Private addresses are its own business.
   * @default Node's `https`, without a proxy
   */
  readonly fetch?: typeof globalThis.fetch;
  /** Seams for tests; never set them in production. */
  readonly testing?: { readonly clock?: Clock };
}

const introspectionOptions = {
  ...{ url: true, clientId: true, clientSecret: true, audience: true, issuer: true, subject: true },
  ...{ scopes: true, maxAge: true, cacheFor: true, allowUntyped: true, maxTokenLength: true },
  ...{
    scopesClaim: true,
    acrClaim: true,
    authTimeClaim: true,
    allowPrivateHosts: true,
    fetch: true,
    testing: true,
  },
} satisfies Record<keyof IntrospectionOptions, true>;

const maxCacheFor = 60_000; // 60 s
const maxCached = 10_000; // answers, some 10 MB
const any = "any"; // an audience that every answer has, where none is demanded

/**
 * Makes a `verify` that asks an authorization server about each token (RFC 7662), for the option
 * `auth`. Every rule for the claims of an access token holds for the answer, too.
 * @throws TypeError if an option is invalid
 * @example
 * const auth = introspection({
 *   url: "https://id.example.com/introspect",
 *   clientId: "orders-api",
 *   clientSecret: process.env.INTROSPECTION_SECRET ?? "",
 *   audience: "orders",
 * });
 */
export function introspection(options: IntrospectionOptions): CustomVerifierOptions {
  refuseUnknownOptions("introspection", options, introspectionOptions);
  const { maxTokenLength } = options;
  const endpoint = new IntrospectionEndpoint(options);
  return {
    issuer: options.issuer ?? endpoint.url.origin,
    ...(maxTokenLength === undefined ? {} : { maxTokenLength }),
    verify: (token) => endpoint.verify(token),
  };
}

interface CachedSession {
  readonly session: VerifiedSession;
  /** Monotonic, milliseconds. */
  readonly until: number;
}

class IntrospectionEndpoint {
  readonly url: URL;
  readonly #options: IntrospectionOptions;
  readonly #authorization: string;
  readonly #rules: TokenRules;
  readonly #fetchDocument: FetchDocument;
  readonly #clock: Clock;
  readonly #cacheFor: number;
  /** By the token's digest, the oldest first. */
  readonly #cached = new Map<string, CachedSession>();

  constructor(options: IntrospectionOptions) {
    this.#options = options;
    this.url = readEndpoint(options);
    this.#authorization = basicOf(options);
    this.#rules = rulesOf(options, this.url);
    const { fetch, cacheFor = 10_000, maxAge } = options;
    if (fetch !== undefined && typeof fetch !== "function")
      throw new TypeError("introspection: fetch must be a function such as globalThis.fetch");
    if (!(cacheFor >= 0 && cacheFor <= maxCacheFor))
      throw new TypeError(`introspection: cacheFor must be 0 to ${maxCacheFor} milliseconds`);
    if (maxAge !== undefined && !(Number.isFinite(maxAge) && maxAge > 0))
      throw new TypeError("introspection: maxAge must be a positive number of milliseconds");
    this.#fetchDocument = fetch === undefined ? createFetchDocument() : fetchDocumentBy(fetch);
    this.#clock = options.testing?.clock ?? systemClock;
    this.#cacheFor = cacheFor;
  }

  /** Null: the token is not active. */
  async verify(token: string): Promise<VerifiedSession | null> {
    const digest = hash("sha256", token, "base64url");
    const cached = this.#cached.get(digest);
    if (cached !== undefined && this.#clock.monotonic() < cached.until) return cached.session;
    const answer = await this.#ask(token);
    if (answer.active === false) return null;
    if (answer.active !== true) throw new Error("the introspection endpoint did not say active");
    const session = this.#read(token, answer);
    this.#keep(digest, session);
    return session;
  }

  async #ask(token: string): Promise<StrictObject> {
    const form = { token, token_type_hint: "access_token" };
    const text = await this.#fetchDocument(this.url, {
      allowPrivateHosts: this.#options.allowPrivateHosts === true,
      post: { body: new URLSearchParams(form).toString(), authorization: this.#authorization },
    }).catch((error: unknown) => {
      if (error instanceof HttpStatusError && [400, 401, 403].includes(error.status))
        throw new Error(
          `the introspection endpoint answered with HTTP ${error.status}: are clientId and clientSecret right?`,
        );
      throw error;
    });
    if (text === undefined) throw new Error("there is no introspection endpoint (HTTP 404)");
    return parseStrictObject(text, { allowLone: true });
  }

  #read(token: string, answer: StrictObject): VerifiedSession {
    this.#checkType(answer);
    const now = this.#clock.now();
    const { maxAge = Number.POSITIVE_INFINITY } = this.#options;
    const { exp = Number.POSITIVE_INFINITY } = answer;
    if (exp === Number.POSITIVE_INFINITY && maxAge === Number.POSITIVE_INFINITY)
      throw invalid("the introspection answer has no exp; to accept such tokens, set maxAge");
    const end = typeof exp === "number" ? Math.min(exp, (now + maxAge) / 1_000) : exp;
    const claims = {
      ...answer,
      exp: end,
      iss:
        this.#options.issuer === undefined
          ? this.#rules.issuer
          : (answer.iss ?? this.#rules.issuer),
    };
    const verified = checkClaims({ payload: "", header: {}, claims }, this.#rules, now);
    const { subject, scopes, expiresAt, issuedAt, tokenId, sessionId, clientId } = verified;
    const { acrValues, authenticatedAt } = verified;
    return {
      ...{ subject, scopes, expiresAt, issuedAt, sessionId, clientId, acrValues, authenticatedAt },
      tokenId: tokenId === token ? undefined : tokenId, // some servers name opaque tokens so
      claims: answer,
    };
  }

  /** A server may call a refresh token active, too. */
  #checkType({ token_type, typ, token_use }: StrictObject): void {
    if (token_use !== undefined && token_use !== "access" && token_use !== "access_token")
      throw invalid(`not an access token: token_use is ${shown(token_use)}`);
    const type = token_type ?? typ;
    if (typeof type === "string" && type.toLowerCase() === "bearer") return;
    if (type === undefined && this.#options.allowUntyped === true) return;
    throw invalid(
      type === undefined
        ? "the introspection answer has no token_type, as of a refresh token; if its server introspects access tokens alone, set allowUntyped"
        : `not a bearer token: token_type is ${shown(type)}`,
    );
  }

  #keep(digest: string, session: VerifiedSession): void {
    if (this.#cacheFor === 0) return;
    const now = this.#clock.monotonic();
    for (const [oldest, { until }] of this.#cached) {
      if (until > now && this.#cached.size < maxCached) break;
      this.#cached.delete(oldest);
    }
    this.#cached.delete(digest);
    this.#cached.set(digest, { session, until: now + this.#cacheFor });
  }
}

function readEndpoint({ url, allowPrivateHosts }: IntrospectionOptions): URL {
  if (!(url instanceof URL) && !(typeof url === "string" && URL.canParse(url)))
    throw new TypeError("introspection: url must be the URL of the introspection endpoint");
  const endpoint = new URL(url);
  const objection = objectionToUrl(endpoint, allowPrivateHosts === true);
  if (objection !== undefined) throw new TypeError(`introspection: url is ${objection}`);
  return endpoint;
}

/** RFC 6749 §2.3.1: id and secret are encoded as in a form before they are joined. */
function basicOf({ clientId, clientSecret }: IntrospectionOptions): string {
  for (const [name, value] of Object.entries({ clientId, clientSecret }))
    if (typeof value !== "string" || value === "")
      throw new TypeError(`introspection: ${name} must be a non-empty string`);
  const encode = (text: string) => new URLSearchParams({ "": text }).toString().slice(1);
  return `Basic ${btoa(`${encode(clientId)}:${encode(clientSecret)}`)}`;
}

function rulesOf(options: IntrospectionOptions, { origin }: URL): TokenRules {
  const { audience, subject, issuer = origin } = options;
  const audiences = audience === undefined ? [any] : [audience].flat();
  if (audiences.length === 0 || !audiences.every((name) => typeof name === "string" && name !== ""))
    throw new TypeError("introspection: audience must be a non-empty string, or several");
  if (subject !== undefined && typeof subject !== "function")
    throw new TypeError("introspection: subject must be a function of the claims");
  return {
    ...readScopeOptions("introspection", options),
    ...readLoginOptions("introspection", options),
    ...{ issuer, audiences, subject, maxAudiences: Number.POSITIVE_INFINITY },
    audienceClaim: audience === undefined ? () => any : "aud",
    maxTokenLength: Number.POSITIVE_INFINITY,
    types: [undefined],
    requiredClaims: ["exp", ...(subject === undefined ? ["sub"] : [])],
    ...{ maxLifetime: undefined, allowNonce: false },
    leeway: 30_000, // 30 s
  };
}

function invalid(detail: string): TokenRefusedError {
  return new TokenRefusedError("token_invalid", detail);
}
