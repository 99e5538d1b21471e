import type { Revocation, RevocationRecords } from "../auth/revocation/revocation.js";
import type { Clock } from "../runtime/clock.js";
import { longestAccessToken } from "./issuer-options.js";
import type { SignedToken } from "./tokens/access-token.js";

const clockTolerance = 60; // s, for servers whose clocks differ

/** Announces that tokens of one issuer are no longer good, for as long as any of them may live. */
export class Revoker {
  readonly #issuer: string;
  readonly #records: RevocationRecords;
  readonly #clock: Clock;

  constructor(issuer: string, records: RevocationRecords, clock: Clock) {
    this.#issuer = issuer;
    this.#records = records;
    this.#clock = clock;
  }

  /** `records`: where; an operation has its own way to them. */
  session(sessionId: string, reason: string, records = this.#records): Promise<void> {
    return this.#add({ sessionId, reason }, records);
  }

  /**
   * All of a subject's tokens with `iat <= issuedBefore` (seconds). `margin`: milliseconds in which
   * live sessions may come with a newer one.
   */
  subject(subject: string, issuedBefore: number, reason: string, margin = 0): Promise<void> {
    const enforceAt = this.#clock.now() + margin;
    return this.#add({ subject, issuedBefore, reason, ...(margin > 0 ? { enforceAt } : {}) });
  }

  /** Up to which `iat` this subject's tokens are revoked, seconds; 0: none are. */
  async revokedUpTo(subject: string): Promise<number> {
    const revocations = await this.#records.list(this.#now());
    const own = revocations.filter(
      (revocation) => revocation.subject === subject && revocation.issuer === this.#issuer,
    );
    return Math.max(0, ...own.map(({ issuedBefore = 0 }) => issuedBefore));
  }

  /** One token, by itself. Nothing when its session is revoked, too. */
  token({ jti, exp, sid }: SignedToken, reason: string): Promise<void> {
    return this.#add({
      jti,
      reason,
      until: exp + clockTolerance,
      ...(sid === undefined ? {} : { tokenOf: sid }),
    });
  }

  /** May a server still take this token? `exp` in seconds. */
  isLive({ exp }: SignedToken): boolean {
    return exp + clockTolerance > this.#now();
  }

  #add(revocation: Revocation, records = this.#records): Promise<void> {
    const until = this.#now() + longestAccessToken / 1_000 + clockTolerance;
    return records.add({ issuer: this.#issuer, until, ...revocation });
  }

  #now(): number {
    return Math.floor(this.#clock.now() / 1_000);
  }
}
