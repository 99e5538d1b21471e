import { checkClaims } from "./claims.js";
import type { CustomVerifier } from "./custom-verifier.js";
import {
  type AcceptedIssuer,
  IssuerDirectory,
  type IssuerLookup,
  type LookupPorts,
} from "./issuer-lookup.js";
import type { VerificationKey } from "./keys/key-source.js";
import {
  createProvider,
  defaultMaxTokenLength,
  type Provider,
  type TokenRules,
  type VerifierOptions,
} from "./keys/provider.js";
import type { ProviderOptions, VerifiedToken } from "./provider-options.js";
import { TokenRefusedError } from "./refusal.js";
import { shown } from "./shown.js";
import { isSignedBy } from "./token/signature.js";
import { normalizeToken, readToken, type UnverifiedToken } from "./token/token-format.js";

const maxOfIssuer = 4; // each may be asked for a token

/** Verifies tokens of the configured issuers. */
export interface Verifier {
  /**
   * Accepts an access token, as a JWS in compact form or as `verify` of the application takes it;
   * white space around it, line breaks and one `Bearer ` in front are taken off. Rejects with
   * {@link TokenRefusedError} and nothing else: `token_invalid`, `token_expired` (all else is
   * good), `auth_unavailable` (no keys, a `kid` that can't be looked up yet, no answer of the
   * application), or what `verify` threw. `peer` names who presents it: what one peer makes up
   * costs others no fetch of keys.
   * @default all are one
   */
  verify(token: unknown, peer?: string): Promise<VerifiedToken>;
  /** The function `renew` of the looked-up issuer of a token that this verifier returned. */
  renewerOf(token: VerifiedToken): ProviderOptions["renew"];
  /** Are there keys of every issuer of the list? Fetches those that are missing. Never rejects. */
  isReady(): Promise<boolean>;
}

export interface TokenVerifierPorts extends LookupPorts {
  /** Asked for issuers that the list does not have. */
  readonly lookup?: IssuerLookup | undefined;
  /** Asked in their order for tokens of no such issuer. */
  readonly custom?: readonly CustomVerifier[];
}

/**
 * @throws TypeError that says what to change, when the options contradict themselves or are not
 * safe
 */
export function createVerifier(
  options: readonly VerifierOptions[],
  ports: TokenVerifierPorts,
): Verifier {
  return new TokenVerifier(options, ports);
}

class TokenVerifier implements Verifier {
  readonly #ports: TokenVerifierPorts;
  readonly #providers = new Map<unknown, Provider[]>(); // by iss, an exact string
  readonly #directory: IssuerDirectory | undefined;
  readonly #custom: readonly CustomVerifier[];
  readonly #maxLength: number;
  readonly #renewers = new WeakMap<VerifiedToken, ProviderOptions["renew"]>();

  constructor(providers: readonly VerifierOptions[], ports: TokenVerifierPorts) {
    const { lookup, custom = [] } = ports;
    if (providers.length === 0 && lookup === undefined && custom.length === 0)
      throw new TypeError("auth: give at least one issuer");
    this.#ports = ports;
    for (const options of providers) this.#add(createProvider(options, ports));
    this.#directory = lookup === undefined ? undefined : new IssuerDirectory(lookup, ports);
    this.#custom = custom;
    const names = [...this.#providers.keys(), ...custom.map(({ issuer }) => issuer)];
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined)
      throw new TypeError(`auth: two issuers have the name ${twice}; give each verify an issuer`);
    this.#maxLength = Math.max(
      0,
      ...[...this.#providers.values()].flat().map(({ rules }) => rules.maxTokenLength),
      ...(lookup === undefined ? [] : [ports.maxTokenLength ?? defaultMaxTokenLength]),
    );
  }

  async verify(input: unknown, peer = ""): Promise<VerifiedToken> {
    try {
      const token = this.#read(input);
      const found = token && (await this.#find(token, peer));
      if (token && found) return await this.#verifyJwt(token, found, peer);
      return await this.#askApplication(String(input), peer);
    } catch (error) {
      if (error instanceof TokenRefusedError) throw error;
      throw new TokenRefusedError(
        "token_invalid",
        `can't be verified: ${error instanceof Error ? error.message : "unknown failure"}`,
      );
    }
  }

  renewerOf(token: VerifiedToken): ProviderOptions["renew"] {
    return this.#renewers.get(token);
  }

  async isReady(): Promise<boolean> {
    const all = [...this.#providers.values()].flat();
    const ready = await Promise.all(all.map((provider) => provider.keys.isReady()));
    return ready.every(Boolean);
  }

  #add(provider: Provider): void {
    const { issuer } = provider.rules;
    const ofIssuer = [...(this.#providers.get(issuer) ?? []), provider];
    if (ofIssuer.length > maxOfIssuer)
      throw new TypeError(`auth: the issuer ${issuer} is given more than ${maxOfIssuer} times`);
    this.#providers.set(issuer, ofIssuer);
  }

  /** Undefined: it is no JWT, and the application may know it. */
  #read(input: unknown): UnverifiedToken | undefined {
    if (this.#custom.length === 0 || typeof input !== "string")
      return readToken(input, this.#maxLength);
    try {
      return readToken(input, this.#maxLength);
    } catch {
      return undefined;
    }
  }

  /**
   * Chooses the issuer by what the token says of itself, before any key is looked up. Undefined: an
   * issuer that the application may know.
   */
  async #find(token: UnverifiedToken, peer: string): Promise<FoundIssuer | undefined> {
    const { iss } = token.claims;
    const ofIssuer = this.#providers.get(iss);
    if (ofIssuer !== undefined) return { providers: ofIssuer };
    const isCustom = this.#custom.some(({ issuer }) => issuer === iss);
    const lookedUp = isCustom ? null : await this.#directory?.find(iss, peer);
    if (lookedUp) return { providers: [lookedUp.provider], lookedUp };
    if (this.#custom.length > 0) return undefined;
    throw unknownIssuer(iss, [...this.#providers.keys()], this.#directory !== undefined);
  }

  async #verifyJwt(
    token: UnverifiedToken,
    { providers, lookedUp }: FoundIssuer,
    peer: string,
  ): Promise<VerifiedToken> {
    const verified = await firstAccepted(fitting(providers, token), async ({ rules, keys }) => {
      checkLength(token, rules);
      await checkSignature(token, await keys.find(token, { token: token.text, peer }));
      const accepted = checkClaims(token, rules, this.#ports.clock.now());
      this.#ports.onAccepted?.(accepted, rules);
      return accepted;
    });
    if (lookedUp === undefined) return verified;
    this.#directory?.prove(verified.issuer, lookedUp);
    const renew = lookedUp.options?.renew;
    if (renew !== undefined) this.#renewers.set(verified, renew);
    return verified;
  }

  async #askApplication(input: string, peer: string): Promise<VerifiedToken> {
    const token = normalizeToken(input);
    for (const verifier of this.#custom) {
      const verified = await verifier.verify(token, peer);
      if (verified !== null) return verified;
    }
    throw new TokenRefusedError("token_invalid", "auth.verify does not accept the token");
  }
}

interface FoundIssuer {
  readonly providers: readonly Provider[];
  readonly lookedUp?: AcceptedIssuer;
}

/** Those that accept the token's algorithm, at least one. */
function fitting(
  ofIssuer: readonly Provider[],
  { algorithm }: UnverifiedToken,
): readonly Provider[] {
  const fitting = ofIssuer.filter(({ algorithms }) => algorithms.includes(algorithm));
  if (fitting.length > 0) return fitting;
  const accepted = ofIssuer.flatMap(({ algorithms }) => algorithms).join(", ");
  throw new TokenRefusedError(
    "token_invalid",
    `alg is ${shown(algorithm)}, and ${accepted} are accepted from this issuer`,
  );
}

function unknownIssuer(
  issuer: unknown,
  configured: readonly unknown[],
  isLookedUp: boolean,
): TokenRefusedError {
  const slashed = configured.find((name) => bare(name) === bare(issuer));
  const also = isLookedUp ? ", and the function auth does not accept it" : "";
  return new TokenRefusedError(
    "token_invalid",
    slashed === undefined
      ? `iss is ${shown(issuer)}, which is not a configured issuer${also}; configured: ${shown(configured)}`
      : `iss is ${shown(issuer)}, and ${shown(slashed)} is configured: they differ by the slash at the end`,
  );
}

function bare(issuer: unknown): unknown {
  return typeof issuer === "string" ? issuer.replace(/\/$/, "") : Symbol("none");
}

/**
 * One issuer may be configured several times, with keys of different kinds. Rejects as the last one
 * does, or as the first one that had another reason than `token_invalid`.
 */
async function firstAccepted(
  providers: readonly Provider[],
  accept: (provider: Provider) => Promise<VerifiedToken>,
): Promise<VerifiedToken> {
  const [first] = providers;
  if (providers.length === 1 && first !== undefined) return accept(first);
  let refusal: unknown;
  for (const provider of providers) {
    try {
      return await accept(provider);
    } catch (error) {
      if (!isMoreThanInvalid(refusal)) refusal = error;
    }
  }
  throw refusal;
}

function isMoreThanInvalid(thrown: unknown): boolean {
  return thrown instanceof TokenRefusedError && thrown.code !== "token_invalid";
}

function checkLength({ text }: UnverifiedToken, { maxTokenLength }: TokenRules): void {
  if (text.length > maxTokenLength)
    throw new TokenRefusedError(
      "token_invalid",
      `the token has ${text.length} characters, and auth.maxTokenLength is ${maxTokenLength}`,
    );
}

async function checkSignature(
  { text, algorithm }: UnverifiedToken,
  keys: readonly VerificationKey[],
): Promise<void> {
  let failure: unknown;
  for (const key of keys) {
    try {
      if (await isSignedBy(await key.importFor(algorithm), algorithm, text)) return;
    } catch (error) {
      failure ??= error; // the runtime does not take this key; another may fit
    }
  }
  throw failure ?? new TokenRefusedError("token_invalid", "the signature is wrong");
}
