import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
} from "jose";
import type { Jwk, JwkSet } from "../../auth/provider-options.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { SecretRecords } from "../../store/store.js";
import { type KeyRing, planRing, type RingKey, type RingTimes, signerOf } from "./key-ring.js";

export const signingAlgorithm = "ES256";

const secretName = "signing-keys";
// 60 s: so soon a key that another node published is known here; far less than publishAhead
const trustFor = 60_000;

/**
 * The signing keys, as all nodes of one store see them. Nothing is made before somebody asks for a
 * key.
 */
export class SigningKeys {
  readonly #secrets: SecretRecords;
  readonly #times: RingTimes;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #imported = new Map<string, Promise<CryptoKey>>();
  #ring: KeyRing = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(secrets: SecretRecords, times: RingTimes, clock: Clock, logger: Logger) {
    this.#secrets = secrets;
    this.#times = times;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** `secrets`: where they are read, if need be; an operation has its own way there. */
  async signer(
    secrets = this.#secrets,
  ): Promise<{ readonly kid: string; readonly key: CryptoKey }> {
    const signer = signerOf(await this.#current(secrets), this.#clock.now());
    if (signer === undefined) throw new Error("there is no signing key");
    return { kid: signer.jwk.kid, key: await this.#import(signer) };
  }

  /** The public key of that id, if it is still shown. */
  async publicKey(kid: string): Promise<Jwk | undefined> {
    return (await this.publicKeys()).keys.find((key) => key.kid === kid);
  }

  /** RFC 7517 §5: public members alone, with `kid`, `alg` and `use`. */
  async publicKeys(): Promise<JwkSet> {
    return {
      keys: (await this.#current()).map(({ jwk: { kty, crv, x, y, kid, alg, use } }) => ({
        kty,
        crv,
        x,
        y,
        kid,
        alg,
        use,
      })),
    };
  }

  async #current(secrets = this.#secrets): Promise<KeyRing> {
    if (this.#isFresh()) return this.#ring;
    this.#reading ??= this.#update(secrets).finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
    return this.#ring;
  }

  /**
   * Read a short while ago. What has become due since can wait as long: a key is published for
   * longer, and a verifier may have it.
   */
  #isFresh(): boolean {
    return this.#ring.length > 0 && this.#clock.monotonic() - this.#readAt < trustFor;
  }

  async #update(secrets: SecretRecords): Promise<void> {
    try {
      this.#ring = await this.#readAndRotate(secrets);
      this.#readAt = this.#clock.monotonic();
    } catch (error) {
      if (this.#ring.length === 0) throw error;
      this.#logger.warn(
        { event: "keys.unreadable", err: error },
        "signing keys could not be read: the known ones stay in use",
      );
    }
  }

  async #readAndRotate(secrets: SecretRecords): Promise<KeyRing> {
    for (;;) {
      const stored = await secrets.get(secretName);
      const ring: KeyRing = stored === undefined ? [] : JSON.parse(stored);
      const { keep, newKeyFrom } = planRing(ring, this.#clock.now(), this.#times);
      if (newKeyFrom === undefined && keep.length === ring.length) return ring;
      const next = newKeyFrom === undefined ? keep : [...keep, await generateKey(newKeyFrom)];
      // another node was first
      if (!(await secrets.replace(secretName, JSON.stringify(next), stored))) continue;
      // the first key of all changes nothing for anybody
      const level = stored === undefined ? "debug" : "info";
      this.#logger[level](
        { event: "keys.rotated", kids: next.map(({ jwk }) => jwk.kid) },
        "signing keys changed",
      );
      return next;
    }
  }

  #import({ jwk }: RingKey): Promise<CryptoKey> {
    const known = this.#imported.get(jwk.kid);
    if (known !== undefined) return known;
    const imported = importPrivate(jwk);
    this.#imported.clear(); // one key signs at a time
    this.#imported.set(jwk.kid, imported);
    return imported;
  }
}

async function generateKey(activeFrom: number): Promise<RingKey> {
  const { privateKey } = await generateKeyPair(signingAlgorithm, { extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(jwk); // RFC 7638
  return { jwk: { ...jwk, kty: "EC", kid, alg: signingAlgorithm, use: "sig" }, activeFrom };
}

async function importPrivate(jwk: Jwk): Promise<CryptoKey> {
  const key = await importJWK(jwk, signingAlgorithm);
  if (key instanceof Uint8Array) throw new Error("the signing key is no EC key");
  return key;
}
