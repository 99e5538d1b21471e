import { checkClaims } from "./claims.js";
import type { VerificationKey } from "./keys/key-source.js";
import {
  createProvider,
  type Provider,
  type VerifierOptions,
  type VerifierPorts,
} from "./keys/provider.js";
import type { VerifiedToken } from "./provider-options.js";
import { TokenRefusedError } from "./refusal.js";
import { isSignedBy } from "./token/signature.js";
import { readToken, type UnverifiedToken } from "./token/token-format.js";

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
  const providers = new Map<unknown, Provider>(); // by iss, an exact string
  for (const each of options) {
    const provider = createProvider(each, ports);
    const { issuer } = provider.rules;
    if (providers.has(issuer)) throw new TypeError(`auth: the issuer ${issuer} is given twice`);
    providers.set(issuer, provider);
  }

  return {
    async verify(input, peer = "") {
      try {
        const token = readToken(input);
        const provider = readProvider(providers, token);
        await checkSignature(
          token,
          await provider.keys.find(token.keyId, { token: token.text, peer }),
        );
        return checkClaims(token, provider.rules, ports.clock.now());
      } catch (error) {
        if (error instanceof TokenRefusedError) throw error;
        throw new TokenRefusedError(
          "token_invalid",
          `can't be verified: ${error instanceof Error ? error.message : "unknown failure"}`,
        );
      }
    },

    async isReady() {
      const ready = await Promise.all(
        [...providers.values()].map((provider) => provider.keys.isReady()),
      );
      return ready.every(Boolean);
    },
  };
}

/** Chooses the issuer by what the token says of itself, before any key is looked up. */
function readProvider(
  providers: ReadonlyMap<unknown, Provider>,
  { claims, algorithm }: UnverifiedToken,
): Provider {
  const provider = providers.get(claims.iss);
  if (!provider) throw new TokenRefusedError("token_invalid", "iss is not a configured issuer");
  if (!provider.algorithms.includes(algorithm))
    throw new TokenRefusedError("token_invalid", "alg is not accepted from this issuer");
  return provider;
}

async function checkSignature(
  { text, algorithm, keyId }: UnverifiedToken,
  key: VerificationKey | undefined,
): Promise<void> {
  if (!key)
    throw new TokenRefusedError(
      "token_invalid",
      keyId
        ? "kid is not in the issuer's key set"
        : "kid is missing, and there is more than one key",
    );
  if (!key.algorithms.includes(algorithm))
    throw new TokenRefusedError("token_invalid", "alg does not fit the key");
  const isSigned = await isSignedBy(await key.importFor(algorithm), algorithm, text);
  if (!isSigned) throw new TokenRefusedError("token_invalid", "the signature is wrong");
}
