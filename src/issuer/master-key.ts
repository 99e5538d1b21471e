import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "../runtime/clock.js";
import { prefixOf } from "../runtime/ip-address.js";
import type { SecretRecords } from "../store/store.js";
import { RefreshTokens } from "./tokens/refresh-token.js";

const secretName = "refresh-key";
const trustFor = 60_000; // 60 s

/**
 * The secret of a deployment with which refresh tokens, and the names of counters and addresses in
 * the store, are made. `secrets`: an operation's own way to it.
 */
export class MasterKey {
  readonly #clock: Clock;
  #key: Promise<Buffer> | undefined;
  #readAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async refreshTokens(secrets: SecretRecords): Promise<RefreshTokens> {
    return new RefreshTokens(await this.#current(secrets));
  }

  /**
   * Name of a counter. Keyed, so that nobody can choose whose counter he shares. A new password
   * (`passwordHash`; empty: none is known) has counters of its own, which unlocks its user for all
   * addresses.
   */
  async attemptKey(
    secrets: SecretRecords,
    username: string,
    address: string,
    passwordHash = "",
  ): Promise<string> {
    return createHmac("sha256", await this.#current(secrets))
      .update(`attempt\0${prefixOf(address)}\0${username}\0${passwordHash}`)
      .digest("base64url");
  }

  /** Tells two addresses apart, and says nothing else of them. Undefined: it is not known. */
  async originOf(secrets: SecretRecords, address = ""): Promise<string | undefined> {
    if (address === "") return undefined;
    return createHmac("sha256", await this.#current(secrets))
      .update(`address\0${prefixOf(address)}`)
      .digest("base64url")
      .slice(0, 22);
  }

  /**
   * Read anew from time to time: a store that has lost it may have got another one, by another
   * node.
   */
  #current(secrets: SecretRecords): Promise<Buffer> {
    const now = this.#clock.monotonic();
    if (now - this.#readAt >= trustFor) this.#key = undefined;
    if (this.#key === undefined) this.#readAt = now;
    this.#key ??= readOrMake(secrets).catch((error: unknown) => {
      this.#key = undefined;
      throw error;
    });
    return this.#key;
  }
}

/** Made at the first use; of several nodes that make one, the first wins. */
async function readOrMake(secrets: SecretRecords): Promise<Buffer> {
  for (;;) {
    const known = await secrets.get(secretName);
    if (known !== undefined) return Buffer.from(known, "base64url");
    await secrets.replace(secretName, randomBytes(32).toString("base64url"), undefined);
  }
}
