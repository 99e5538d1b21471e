import { expect } from "chai";
import type { FetchDocument } from "../../../src/auth/keys/key-fetching.js";
import type { VerifierOptions } from "../../../src/auth/keys/provider.js";
import { TokenRefusedError } from "../../../src/auth/refusal.js";
import { createVerifier, type Verifier } from "../../../src/auth/verifier.js";
import type { Clock } from "../../../src/runtime/clock.js";
import { ManualClock } from "../manual-clock.js";
import type { TestKeys } from "./tokens.js";

/** What a {@link ManualClock} shows at first, in seconds. */
export const startOfTime = 1_790_000_000;

/** Fails the test that fetches something. */
export const noFetch: FetchDocument = async (url) => {
  throw new Error(`fetched ${url.href}`);
};

/** Accepts tokens of "https://id.test" for "test", signed with one of these keys. */
export function verifierOf(
  keys: TestKeys | readonly TestKeys[],
  options: Partial<VerifierOptions> = {},
  clock: Clock = new ManualClock(),
): Verifier {
  const set = { keys: [keys].flat().map(({ publicJwk }) => publicJwk) };
  return createVerifier([{ issuer: "https://id.test", audience: "test", jwks: set, ...options }], {
    clock,
    fetchDocument: noFetch,
  });
}

/** The TokenRefusedError that the promise rejects with; anything else fails the test. */
export async function refusalOf(promise: Promise<unknown>): Promise<TokenRefusedError> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("value" in outcome) return expect.fail("it was accepted");
  if (outcome.error instanceof TokenRefusedError) return outcome.error;
  throw outcome.error;
}

export async function reasonOf(promise: Promise<unknown>): Promise<string> {
  return (await refusalOf(promise)).code;
}
