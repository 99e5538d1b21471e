import { withTimeout } from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import { refuseUnknownOptions } from "../../runtime/known-options.js";
import type { JwkSet, ProviderOptions, VerifiedToken } from "../provider-options.js";
import { publicKeyAlgorithms, secretAlgorithms } from "../token/algorithms.js";
import { type LoginRules, readLoginOptions } from "../token/login-claims.js";
import { readScopeOptions, type ScopeRules } from "../token/scopes.js";
import { isObject } from "../token/strict-json.js";
import { normalizeType } from "../token/token-format.js";
import { discoveredKeySetLoader } from "./discovery.js";
import {
  type FetchDocument,
  fetchDocumentBy,
  type KeyFetching,
  keySetLoader,
  objectionToUrl,
} from "./key-fetching.js";
import { judgeKey, readKeySet, type UnusedKey } from "./key-policy.js";
import {
  type KeySource,
  keyTableOf,
  publicKeyOf,
  secretKeyOf,
  staticKeys,
  type VerificationKey,
} from "./key-source.js";
import { isImportable, readPublicKey } from "./public-key.js";
import {
  embeddedTimes,
  RefreshingKeys,
  type RefreshTimes,
  remoteTimes,
} from "./refreshing-keys.js";

/**
 * One issuer's options; `keys`, of an embedded issuer, reads its current key set and brings
 * stricter defaults.
 */
export type VerifierOptions = ProviderOptions & { readonly keys?: () => Promise<unknown> };

export interface VerifierPorts {
  readonly clock: Clock;
  readonly fetchDocument: FetchDocument;
  /**
   * Called when an issuer's key set cannot be fetched or used, with the reason; the last good one
   * may still serve. For the log; must not throw.
   */
  readonly onKeyFailure?: (issuer: string, detail: string) => void;
  /** Called once for each key of an issuer's set that is not used. For the log; must not throw. */
  readonly onUnusedKey?: (issuer: string, key: UnusedKey) => void;
  /** Called with each accepted token and the rules that it meets. Must not throw. */
  readonly onAccepted?: (token: VerifiedToken, rules: TokenRules) => void;
}

/** What a token must be to be accepted from one issuer. Times in milliseconds. */
export interface TokenRules extends ScopeRules, LoginRules {
  readonly issuer: string;
  /** One of them must be in the token. */
  readonly audiences: readonly string[];
  readonly audienceClaim: NonNullable<ProviderOptions["audienceClaim"]>;
  readonly maxAudiences: number;
  readonly subject: ProviderOptions["subject"];
  /** Characters. */
  readonly maxTokenLength: number;
  /** Accepted `typ` headers, normalized; undefined stands for a token without one. */
  readonly types: readonly (string | undefined)[];
  readonly requiredClaims: readonly string[];
  readonly maxLifetime: number | undefined;
  readonly leeway: number;
  /** Accept a `nonce` in a token that grants no scope. */
  readonly allowNonce: boolean;
}

/** An issuer whose tokens are accepted. */
export interface Provider {
  readonly rules: TokenRules;
  readonly algorithms: readonly string[];
  readonly keys: KeySource;
}

const providerOptions = {
  ...{
    issuer: true,
    audience: true,
    jwks: true,
    publicKey: true,
    secret: true,
    algorithms: true,
    typ: true,
    requiredClaims: true,
  },
  ...{
    audienceClaim: true,
    maxAudiences: true,
    subject: true,
    maxTokenLength: true,
    fetch: true,
    maxLifetime: true,
    leeway: true,
    allowPrivateHosts: true,
    scopes: true,
    scopesClaim: true,
    acrClaim: true,
    authTimeClaim: true,
    allowNonce: true,
    renew: true,
    keys: true,
  },
} satisfies Record<keyof VerifierOptions, true>;

const maxStaticKeys = 4; // all that fit a token are tried
const keysTimeoutMs = 5_000; // while `keys` is pending, nobody is verified
const maxLeeway = 60_000; // 60 s
export const defaultMaxTokenLength = 16_384; // characters

const embeddedDefaults = {
  typ: "at+jwt", // RFC 9068 §2.1
  requiredClaims: ["iat", "jti", "client_id"], // RFC 9068 §2.2
  maxLifetime: 900_000, // 15 min
  leeway: 5_000, // 5 s
} as const;

/**
 * `times` are those of keys that are fetched.
 * @throws TypeError that says what to change in the options
 */
export function createProvider(
  given: VerifierOptions,
  ports: VerifierPorts,
  times: RefreshTimes = remoteTimes,
): Provider {
  if (!isObject(given)) throw new TypeError("auth: an issuer's options must be an object");
  refuseUnknownOptions("auth", given, providerOptions);
  const options: VerifierOptions = given.keys ? { ...embeddedDefaults, ...given } : given;
  const rules = readRules(options);
  return { rules, ...readKeys(options, ports, times) };
}

function readRules(options: VerifierOptions): TokenRules {
  const {
    issuer,
    audience,
    audienceClaim = "aud",
    maxAudiences = 16,
    subject,
    maxTokenLength = defaultMaxTokenLength,
    typ,
    requiredClaims = [],
    maxLifetime,
    leeway = 30_000,
    allowNonce = false,
  } = options;
  requireText(issuer, "issuer", "the iss claim of its tokens");
  if (isTemplate(issuer))
    throw new TypeError(
      `auth.issuer ${issuer} stands for many issuers, and each token names one: give a function, auth: async (iss) => …, that returns the options of those that you accept`,
    );
  const audiences = [audience].flat();
  if (audiences.length === 0 || !areTexts(audiences))
    throw new TypeError(
      "auth.audience must be a non-empty string, or several: what the aud claim of its tokens must contain",
    );
  if (typeof audienceClaim !== "function" && !areTexts([audienceClaim]))
    throw new TypeError(
      "auth.audienceClaim must be the name of a claim, or a function of the claims",
    );
  if (subject !== undefined && typeof subject !== "function")
    throw new TypeError("auth.subject must be a function of the claims");
  requireCount(maxAudiences, "maxAudiences");
  requireCount(maxTokenLength, "maxTokenLength");
  const types = typ === undefined ? ["at+jwt", "JWT"] : [typ].flat();
  if (types.length === 0 || !areTexts(types))
    throw new TypeError("auth.typ must be a non-empty string, or several");
  if (!areTexts(requiredClaims))
    throw new TypeError("auth.requiredClaims must be a list of claim names");
  if (maxLifetime !== undefined && !isWithin(maxLifetime, 1, Number.MAX_VALUE))
    throw new TypeError("auth.maxLifetime must be a positive number of milliseconds");
  if (!isWithin(leeway, 0, maxLeeway))
    throw new TypeError(`auth.leeway must be 0 to ${maxLeeway} milliseconds`);
  if (typeof allowNonce !== "boolean") throw new TypeError("auth.allowNonce must be true or false");
  return {
    issuer,
    audiences,
    audienceClaim,
    maxAudiences,
    subject,
    maxTokenLength,
    types: typ === undefined ? [...types.map(normalizeType), undefined] : types.map(normalizeType),
    requiredClaims: [
      ...new Set(["exp", ...(subject === undefined ? ["sub"] : []), ...requiredClaims]),
    ],
    maxLifetime,
    leeway,
    allowNonce,
    ...readScopeOptions("auth", options),
    ...readLoginOptions("auth", options),
  };
}

// Entra's names for "any tenant" are in no token, whose iss has the id of its tenant
const anyTenant = /^https:\/\/login\.microsoftonline\.com\/(?:common|organizations)(?:\/|$)/i;

/** Is this a pattern, such as Entra's `https://login.microsoftonline.com/{tenantid}/v2.0`? */
export function isTemplate(issuer: string): boolean {
  return issuer.includes("{") || anyTenant.test(issuer);
}

type Keys = Pick<Provider, "algorithms" | "keys">;

function readKeys(
  options: VerifierOptions,
  { clock, fetchDocument, onKeyFailure, onUnusedKey }: VerifierPorts,
  times: RefreshTimes,
): Keys {
  const { issuer, jwks, publicKey, secret, keys } = options;
  const given = Object.entries({ jwks, publicKey, secret, keys }).filter(
    ([, value]) => value !== undefined,
  );
  if (given.length > 1)
    throw new TypeError(`auth: give one of ${given.map(([name]) => name).join(" and ")}, not both`);
  if (secret !== undefined) return readSecrets(secret, options.algorithms);

  const algorithms = readAlgorithms(options.algorithms);
  if (publicKey !== undefined) return { algorithms, keys: readStaticKeys(publicKey, algorithms) };
  const reports = {
    onFailure: (detail: string) => onKeyFailure?.(issuer, detail),
    onUnusedKey: (key: UnusedKey) => onUnusedKey?.(issuer, key),
  };
  if (keys) {
    const load = () => withTimeout(keys(), keysTimeoutMs, clock, "keys");
    return {
      algorithms,
      keys: new RefreshingKeys({ load, algorithms, ...reports }, clock, embeddedTimes),
    };
  }
  if (isKeySet(jwks))
    return { algorithms, keys: readStaticSet(jwks, algorithms, reports.onUnusedKey) };

  const { fetch } = options;
  if (fetch !== undefined && typeof fetch !== "function")
    throw new TypeError("auth.fetch must be a function such as globalThis.fetch");
  const fetching = {
    fetchDocument: fetch === undefined ? fetchDocument : fetchDocumentBy(fetch),
    allowPrivateHosts: options.allowPrivateHosts === true,
  };
  const load =
    jwks === undefined
      ? discoveredKeySetLoader(readIssuerUrl(issuer, fetching), fetching, clock)
      : keySetLoader(readUrl(jwks, "auth.jwks", fetching), fetching);
  return {
    algorithms,
    keys: new RefreshingKeys({ load, algorithms, ...reports }, clock, times),
  };
}

function readAlgorithms(given: readonly string[] = publicKeyAlgorithms): readonly string[] {
  requireAlgorithms(given);
  if (given.some((name) => secretAlgorithms.has(name))) {
    throw new TypeError(
      "auth.algorithms: HS256, HS384 and HS512 go with secret alone, never with public keys",
    );
  }
  const unknown = given.find((name) => !publicKeyAlgorithms.includes(name));
  if (unknown !== undefined)
    throw new TypeError(
      `auth.algorithms: ${unknown} is not one of ${publicKeyAlgorithms.join(", ")}`,
    );
  return given;
}

function readSecrets(
  secrets: NonNullable<ProviderOptions["secret"]>,
  given?: readonly string[],
): Keys {
  const list = typeof secrets === "string" || secrets instanceof Uint8Array ? [secrets] : secrets;
  if (!Array.isArray(list) || list.length === 0 || list.length > maxStaticKeys)
    throw new TypeError(
      `auth.secret must be a string or bytes, or a list of 1 to ${maxStaticKeys} secrets`,
    );
  const read = list.map((secret) => readSecret(secret, given));
  return {
    algorithms: [...new Set(read.flatMap(({ algorithms }) => algorithms))],
    keys: staticKeys({ keys: read.map(({ key }) => key), unused: new Map() }),
  };
}

function readSecret(
  secret: string | Uint8Array,
  given?: readonly string[],
): { readonly algorithms: readonly string[]; readonly key: VerificationKey } {
  if (typeof secret !== "string" && !(secret instanceof Uint8Array))
    throw new TypeError("auth.secret must be a string or bytes");
  const bytes =
    typeof secret === "string" ? new TextEncoder().encode(secret) : Uint8Array.from(secret);
  if (new TextDecoder().decode(bytes.subarray(0, 64)).includes("-----BEGIN")) {
    throw new TypeError("auth.secret is a PEM text: give a public key as publicKey");
  }
  const fitting = [...secretAlgorithms]
    .filter(([, shortest]) => bytes.length >= shortest)
    .map(([name]) => name);
  if (fitting.length === 0)
    throw new TypeError(`auth.secret must have at least 32 bytes; it has ${bytes.length}`);
  if (given !== undefined) requireAlgorithms(given);
  const unfit = given?.find((name) => !fitting.includes(name));
  if (unfit !== undefined)
    throw new TypeError(
      `auth.algorithms: ${unfit} does not go with a secret of ${bytes.length} bytes`,
    );
  const algorithms = given ?? fitting;
  return { algorithms, key: secretKeyOf(bytes, algorithms) };
}

function requireAlgorithms(names: readonly string[]): void {
  if (!areTexts(names) || names.length === 0)
    throw new TypeError("auth.algorithms must be a non-empty list of algorithm names");
  if (names.some((name) => name.toLowerCase() === "none"))
    throw new TypeError("auth.algorithms: none is never accepted");
}

function readStaticKeys(publicKey: unknown, algorithms: readonly string[]): KeySource {
  const given: readonly unknown[] = Array.isArray(publicKey) ? publicKey : [publicKey];
  if (given.length === 0 || given.length > maxStaticKeys)
    throw new TypeError(`auth.publicKey must be a key, or 1 to ${maxStaticKeys} of them`);
  const keys = given.map((key) => readStaticKey(key, algorithms));
  return staticKeys({ keys, unused: new Map() });
}

function readStaticKey(publicKey: unknown, algorithms: readonly string[]): VerificationKey {
  const judgement = judgeKey(readPublicKey(publicKey), algorithms);
  if (!judgement.usable) throw new TypeError(`auth.publicKey can't be used: ${judgement.reason}`);
  if (!isImportable(judgement.jwk))
    throw new TypeError("auth.publicKey can't be used: it is not a point of its curve");
  return publicKeyOf(judgement);
}

function isKeySet(jwks: ProviderOptions["jwks"]): jwks is JwkSet {
  return isObject(jwks) && !(jwks instanceof URL);
}

function readStaticSet(
  set: JwkSet,
  algorithms: readonly string[],
  onUnusedKey: (key: UnusedKey) => void,
): KeySource {
  const read = tryOption("auth.jwks", () => readKeySet(set, algorithms));
  for (const key of read.unused) onUnusedKey(key);
  const [unused] = read.unused;
  if (!read.usable.some(({ jwk }) => isImportable(jwk)))
    throw new TypeError(
      `auth.jwks: no key of the set can be used${unused === undefined ? "" : `: ${unused.reason}`}`,
    );
  return staticKeys(keyTableOf(read));
}

function readIssuerUrl(issuer: string, fetching: KeyFetching): string {
  const url = readUrl(
    issuer,
    "auth.issuer, which finds its keys by discovery since no key was given,",
    fetching,
  );
  // RFC 8414 §2
  if (url.search || url.hash) throw new TypeError("auth.issuer must have no query and no fragment");
  return issuer;
}

function readUrl(location: unknown, option: string, { allowPrivateHosts }: KeyFetching): URL {
  if (!(location instanceof URL) && !(typeof location === "string" && URL.canParse(location))) {
    throw new TypeError(`${option} must be a URL`);
  }
  const url = new URL(location);
  const objection = objectionToUrl(url, allowPrivateHosts);
  if (objection) throw new TypeError(`${option} is ${objection}`);
  return url;
}

function tryOption<T>(option: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new TypeError(`${option}: ${cause instanceof Error ? cause.message : "unreadable"}`, {
      cause,
    });
  }
}

function requireText(value: unknown, option: string, meaning: string): void {
  if (typeof value !== "string" || value === "")
    throw new TypeError(`auth.${option} must be a non-empty string: ${meaning}`);
}

function requireCount(value: unknown, option: string): void {
  if (!(value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && Number(value) >= 1)))
    throw new TypeError(`auth.${option} must be a whole number from 1 up, not ${String(value)}`);
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return typeof value === "number" && value >= least && value <= most;
}

function areTexts(values: readonly unknown[]): boolean {
  return (
    Array.isArray(values) && values.every((value) => typeof value === "string" && value !== "")
  );
}
