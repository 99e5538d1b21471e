import { type CryptoKey, importPublicKey, importSecret } from "../token/signature.js";
import type { Judgement } from "./key-policy.js";

/** A key that may verify by some algorithms. */
export interface VerificationKey {
  readonly keyId: string | undefined;
  readonly algorithms: readonly string[];
  /** Imports the key for an algorithm, once. Rejects when the runtime doesn't take it. */
  importFor(algorithm: string): Promise<CryptoKey>;
}

/** For which token a key is looked up. */
export interface Presented {
  readonly token: string;
  /**
   * Names who presents it, such as the prefix of an address: no peer uses up the fetches of others.
   */
  readonly peer: string;
}

/** Where the keys of one issuer come from. */
export interface KeySource {
  /**
   * The key for a token's `kid`; undefined: the issuer has none. Rejects with TokenRefusedError
   * `auth_unavailable` when no keys can be had, or it is not certain yet that the issuer has none.
   */
  find(keyId: string | undefined, presented: Presented): Promise<VerificationKey | undefined>;
  /** Are there keys to verify with? Tries to fetch them if not; never rejects. */
  isReady(): Promise<boolean>;
}

/** Keys that never change. */
export function staticKeys(keys: readonly VerificationKey[]): KeySource {
  return {
    find: async (keyId) => selectKey(keys, keyId),
    isReady: async () => true,
  };
}

/**
 * A token may leave out its `kid` when there is but one key, and the only key may have none (RFC
 * 7515 §4.1.4).
 */
export function selectKey(
  keys: readonly VerificationKey[],
  keyId: string | undefined,
): VerificationKey | undefined {
  const only = keys.length === 1 ? keys[0] : undefined;
  if (only && (keyId === undefined || only.keyId === undefined)) return only;
  if (keyId === undefined) return undefined;
  return keys.find((key) => key.keyId === keyId);
}

export function publicKeyOf({
  keyId,
  algorithms,
  jwk,
}: Extract<Judgement, { usable: true }>): VerificationKey {
  return { keyId, algorithms, importFor: once((algorithm) => importPublicKey(jwk, algorithm)) };
}

export function secretKeyOf(secret: Uint8Array, algorithms: readonly string[]): VerificationKey {
  return {
    keyId: undefined,
    algorithms,
    importFor: once((algorithm) => importSecret(secret, algorithm)),
  };
}

function once(
  load: (algorithm: string) => Promise<CryptoKey>,
): (algorithm: string) => Promise<CryptoKey> {
  const loaded = new Map<string, Promise<CryptoKey>>();
  return (algorithm) => {
    const key = loaded.get(algorithm) ?? load(algorithm);
    loaded.set(algorithm, key);
    return key;
  };
}
