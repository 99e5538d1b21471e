import { checkClaims } from "./claims.js";
import type { VerificationKey } from "./keys/key-source.js";
import {
  createProvider,
  type Provider,
  type TokenRules,
  type VerifierOptions,
  type VerifierPorts,
} from "./keys/provider.js";
import type { VerifiedToken } from "./provider-options.js";
import { TokenRefusedError } from "./refusal.js";
import { shown } from "./shown.js";
import { isSignedBy } from "./token/signature.js";
import { readToken, type UnverifiedToken } from "./token/token-format.js";

const maxOfIssuer = 4; // each may be asked for a token

/** Verifies JWTs of the configured issuers. */
export interface Verifier {
  /**
   * Accepts an access token, as a JWS in compact form; white space around it, line breaks and one
   * `Bearer ` in front are taken off. Rejects with {@link TokenRefusedError} and nothing else:
   * `token_invalid`, `token_expired` (all else is good), `auth_unavailable` (no keys, or a `kid`
   * that can't be looked up yet). `peer` names who presents it: what one peer makes up costs others
   * no fetch of keys.
   * @default all are one
   */
  verify(token: unknown, peer?: string): Promise<VerifiedToken>;
  /** Are there keys of every issuer? Fetches those that are missing. Never rejects. */
  isReady(): Promise<boolean>;
}

/**
 * @throws TypeError that says what to change, when the options contradict themselves or are not
 * safe
 */
export function createVerifier(
  options: readonly VerifierOptions[],
  ports: VerifierPorts,
): Verifier {
  if (options.length === 0) throw new TypeError("auth: give at least one issuer");
  const providers = new Map<unknown, Provider[]>(); // by iss, an exact string
  for (const each of options) {
    const provider = createProvider(each, ports);
    const { issuer } = provider.rules;
    const ofIssuer = [...(providers.get(issuer) ?? []), provider];
    if (ofIssuer.length > maxOfIssuer)
      throw new TypeError(`auth: the issuer ${issuer} is given more than ${maxOfIssuer} times`);
    providers.set(issuer, ofIssuer);
  }
  const all = [...providers.values()].flat();
  const maxLength = Math.max(...all.map(({ rules }) => rules.maxTokenLength));

  return {
    async verify(input, peer = "") {
      try {
        const token = readToken(input, maxLength);
        return await firstAccepted(providersOf(providers, token), async ({ rules, keys }) => {
          checkLength(token, rules);
          await checkSignature(token, await keys.find(token, { token: token.text, peer }));
          const verified = checkClaims(token, rules, ports.clock.now());
          ports.onAccepted?.(verified, rules);
          return verified;
        });
      } catch (error) {
        if (error instanceof TokenRefusedError) throw error;
        throw new TokenRefusedError(
          "token_invalid",
          `can't be verified: ${error instanceof Error ? error.message : "unknown failure"}`,
        );
      }
    },

    async isReady() {
      const ready = await Promise.all(all.map((provider) => provider.keys.isReady()));
      return ready.every(Boolean);
    },
  };
}

/** Chooses the issuer by what the token says of itself, before any key is looked up. */
function providersOf(
  providers: ReadonlyMap<unknown, readonly Provider[]>,
  { claims, algorithm }: UnverifiedToken,
): readonly Provider[] {
  const ofIssuer = providers.get(claims.iss);
  if (ofIssuer === undefined) throw unknownIssuer(claims.iss, [...providers.keys()]);
  const fitting = ofIssuer.filter(({ algorithms }) => algorithms.includes(algorithm));
  if (fitting.length > 0) return fitting;
  const accepted = ofIssuer.flatMap(({ algorithms }) => algorithms).join(", ");
  throw new TokenRefusedError(
    "token_invalid",
    `alg is ${shown(algorithm)}, and ${accepted} are accepted from this issuer`,
  );
}

function unknownIssuer(issuer: unknown, configured: readonly unknown[]): TokenRefusedError {
  const slashed = configured.find((name) => bare(name) === bare(issuer));
  return new TokenRefusedError(
    "token_invalid",
    slashed === undefined
      ? `iss is ${shown(issuer)}, which is not a configured issuer; configured: ${shown(configured)}`
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
