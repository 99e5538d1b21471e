import { TokenRefusedError } from "../refusal.js";
import { shown } from "../shown.js";
import { type CryptoKey, importPublicKey, importSecret } from "../token/signature.js";
import type { ReadKeySet, UsableKey } from "./key-policy.js";

/** A key that may verify by some algorithms. */
export interface VerificationKey {
  readonly keyId: string | undefined;
  readonly algorithms: readonly string[];
  /** Imports the key for an algorithm, once. Rejects when the runtime doesn't take it. */
  importFor(algorithm: string): Promise<CryptoKey>;
}

/** What a token says of its key. */
export interface WantedKey {
  readonly keyId: string | undefined;
  readonly algorithm: string;
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
   * Returns the keys that may have signed the token, at least one and at most four. Rejects with
   * TokenRefusedError: `token_invalid` if the issuer has no such key, `auth_unavailable` if no keys
   * can be fetched or it is not certain yet that the issuer has none.
   */
  find(wanted: WantedKey, presented: Presented): Promise<readonly VerificationKey[]>;
  /** Are there keys to verify with? Tries to fetch them if not; never rejects. */
  isReady(): Promise<boolean>;
}

/** The keys of one set, and why others of it are not used, by their `kid`. */
export interface KeyTable {
  readonly keys: readonly VerificationKey[];
  readonly unused: ReadonlyMap<string, string>;
}

/** Keys that never change. */
export function staticKeys(table: KeyTable): KeySource {
  return {
    async find(wanted) {
      const keys = chooseKeys(table, wanted);
      if (keys === undefined) throw unknownKey(wanted);
      return keys;
    },
    isReady: async () => true,
  };
}

// each costs a signature's time, and whoever names the kid of a set has it tried
const maxCandidates = 4;

/**
 * Returns the keys that may have signed a token: those of its `kid` that fit its `alg`, or without
 * a `kid` all that fit, as long as they are few (RFC 7515 §4.1.4, RFC 7517 §4.5). The only key of
 * an issuer may lack a `kid`. Returns undefined if the set has no key with this `kid`, and throws
 * {@link TokenRefusedError} `token_invalid` if it has none that can be used.
 */
export function chooseKeys(
  { keys, unused }: KeyTable,
  { keyId, algorithm }: WantedKey,
): readonly VerificationKey[] | undefined {
  const [only] = keys;
  const isOnly = keys.length === 1 && only?.keyId === undefined;
  const named = keyId === undefined || isOnly ? keys : keys.filter((key) => key.keyId === keyId);
  if (named.length === 0 && keyId !== undefined) {
    const reason = unused.get(keyId);
    if (reason === undefined) return undefined;
    throw invalid(`the issuer's key with the kid ${shown(keyId)} is not used: ${reason}`);
  }
  const fitting = named.filter((key) => key.algorithms.includes(algorithm));
  if (fitting.length === 0)
    throw invalid(
      `alg ${shown(algorithm)} does not fit the issuer's ${keyId === undefined ? "keys" : "key"}`,
    );
  if (keyId === undefined && fitting.length > maxCandidates)
    throw invalid(`kid is missing, and ${fitting.length} keys of the issuer fit its alg`);
  return fitting.slice(0, maxCandidates);
}

export function unknownKey({ keyId }: WantedKey): TokenRefusedError {
  return invalid(`kid ${shown(keyId)} is not in the issuer's key set`);
}

function invalid(detail: string): TokenRefusedError {
  return new TokenRefusedError("token_invalid", detail);
}

export function publicKeyOf({ keyId, algorithms, jwk }: UsableKey): VerificationKey {
  return { keyId, algorithms, importFor: once((algorithm) => importPublicKey(jwk, algorithm)) };
}

/** The table of a set that was read. */
export function keyTableOf({ usable, unused }: ReadKeySet): KeyTable {
  const reasons = unused.flatMap(({ keyId, reason }) =>
    keyId === undefined ? [] : [[keyId, reason] as const],
  );
  return { keys: usable.map(publicKeyOf), unused: new Map(reasons) };
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
