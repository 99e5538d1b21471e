import { createHmac, timingSafeEqual } from "node:crypto";
import { hashOf } from "../digest.js";

/** A refresh token that is ours, taken apart. */
export interface PresentedToken {
  readonly familyId: string;
  readonly generation: number;
  readonly hash: string;
}

const pattern = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{48})$/;
const generationBytes = 4;

/**
 * Refresh tokens:
 * `<family id>.<base64url of the generation, 4 bytes, and HMAC-SHA256(key, family id and generation)>`.
 * Derived, not drawn: a lost reply can be repeated with the same successor although only hashes are
 * stored, and a made-up token is known for one without a look at the store, so that nobody ends a
 * family whose id he has read somewhere.
 */
export class RefreshTokens {
  readonly #key: Uint8Array;

  /** `key`: at least 32 random bytes. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  derive(familyId: string, generation: number): string {
    const number = Buffer.alloc(generationBytes);
    number.writeUInt32BE(generation);
    return `${familyId}.${Buffer.concat([number, this.#seal(familyId, number)]).toString("base64url")}`;
  }

  /** Undefined: not made with our key. */
  parse(token: string): PresentedToken | undefined {
    const [, familyId, secret] = pattern.exec(token) ?? [];
    if (familyId === undefined || secret === undefined) return undefined;
    const bytes = Buffer.from(secret, "base64url");
    const number = bytes.subarray(0, generationBytes);
    if (!timingSafeEqual(bytes.subarray(generationBytes), this.#seal(familyId, number)))
      return undefined;
    return { familyId, generation: number.readUInt32BE(), hash: hashOf(token) };
  }

  #seal(familyId: string, number: Uint8Array): Buffer {
    return createHmac("sha256", this.#key)
      .update("refresh\0")
      .update(familyId)
      .update(number)
      .digest();
  }
}
