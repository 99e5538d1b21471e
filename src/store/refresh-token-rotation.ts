import { timingSafeEqual } from "node:crypto";
import type { FamilyRecord, Rotation, RotationOutcome } from "./store.js";

/**
 * What a use of a refresh token leads to. The store makes `write` durable before anybody hears of
 * the outcome.
 */
export interface RotationDecision {
  readonly result: RotationOutcome;
  readonly write?: FamilyRecord;
}

const unknown: RotationDecision = { result: { outcome: "unknown" } };

/**
 * Decides one use of a refresh token (RFC 9700 §4.14.2). Pure: every store applies it to what it
 * has read, inside one atomic step. The presented hash must be one that the issuer made for this
 * family: any hash that is neither the current nor, for a moment, the previous one is an old token
 * come again, and ends the family.
 */
export function decideRotation(
  family: FamilyRecord | undefined,
  rotation: Rotation,
): RotationDecision {
  if (family === undefined || family.clientId !== rotation.clientId) return unknown;
  if (hasEnded(family, rotation.now)) return unknown; // the store forgets it
  if (family.revoked) return { result: { outcome: "revoked", family } };
  if (sameDigest(rotation.presentedHash, family.currentHash)) return consume(family, rotation);
  if (isLostReply(family, rotation)) return { result: { outcome: "repeated", family } };
  const revoked = { ...family, revoked: true };
  return { result: { outcome: "reused", family: revoked }, write: revoked };
}

/** Has the family reached its end, or was it idle for too long? `now` in seconds. */
export function hasEnded(family: FamilyRecord, now: number): boolean {
  return now >= family.endsAt || now >= family.idleUntil;
}

function consume(
  { rotatedBy: _, ...family }: FamilyRecord,
  { presentedHash, generation, nextHash, now, idleTtl, by }: Rotation,
): RotationDecision {
  const rotated: FamilyRecord = {
    ...family,
    generation,
    currentHash: nextHash,
    previousHash: presentedHash,
    rotatedAt: now,
    idleUntil: Math.min(now + idleTtl, family.endsAt),
    ...(by === undefined ? {} : { rotatedBy: by }),
  };
  return { result: { outcome: "rotated", family: rotated }, write: rotated };
}

function isLostReply(family: FamilyRecord, { presentedHash, now, reuseWindow }: Rotation): boolean {
  if (family.previousHash === "") return false; // the first token has none before it
  return (
    reuseWindow > 0 &&
    now < family.rotatedAt + reuseWindow &&
    sameDigest(presentedHash, family.previousHash)
  );
}

/** Compares two digests of one encoding in a time that tells nothing about where they differ. */
export function sameDigest(one: string, other: string): boolean {
  const a = Buffer.from(one);
  const b = Buffer.from(other);
  return a.length === b.length && timingSafeEqual(a, b);
}
