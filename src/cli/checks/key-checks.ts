/** What `check` finds about the keys by which tokens are verified. */

import { discoveredKeySetLoader } from "../../auth/keys/discovery.js";
import { createFetchDocument } from "../../auth/keys/fetch-document.js";
import { keySetLoader } from "../../auth/keys/key-fetching.js";
import { judgeKey, leak, readKeySet } from "../../auth/keys/key-policy.js";
import { publicKeyAlgorithms } from "../../auth/token/algorithms.js";
import { isObject, type StrictObject } from "../../auth/token/strict-json.js";
import type { ProviderOptions } from "../../index.js";
import { systemClock } from "../../runtime/clock.js";
import type { Found } from "./finding.js";

/**
 * Which algorithms the issuer's keys are good for: one each, and each key good for one, is how it
 * should be. Rejects when there are no keys.
 */
export async function algorithmAdvice(provider: ProviderOptions): Promise<Found> {
  const document = await keySetOf(provider);
  const accepted = provider.algorithms ?? publicKeyAlgorithms;
  const { usable } = readKeySet(document, accepted);
  const keys =
    isObject(document) && Array.isArray(document.keys) ? document.keys.filter(isObject) : [];
  const used = [...new Set(usable.flatMap(({ algorithms }) => algorithms))].join(", ");
  const shared = usable.filter(
    ({ algorithms }) => algorithms.length > 1 && !isOnlyNamedTwice(algorithms),
  );
  const advice = [
    ...(usable.length === 0
      ? ["none of the issuer's keys can verify a token: see the next lines"]
      : []),
    ...(shared.length === 0
      ? []
      : [
          `the issuer's keys don't say what they are for, so that each verifies by ${used}: name the one that it signs with, --algorithm RS256`,
        ]),
    ...keys.filter(isForSignatures).flatMap((key) => complaint(key, accepted)),
  ];
  return advice.map((text, index) => ({
    level:
      (usable.length === 0 && index === 0) || text.includes(leak)
        ? ("unsafe" as const)
        : ("warning" as const),
    advice: text,
  }));
}

async function keySetOf({
  issuer,
  jwks,
  allowPrivateHosts = false,
}: ProviderOptions): Promise<unknown> {
  const fetching = { fetchDocument: createFetchDocument(), allowPrivateHosts };
  if (jwks === undefined) return discoveredKeySetLoader(issuer, fetching, systemClock)();
  return typeof jwks === "string" || jwks instanceof URL
    ? keySetLoader(new URL(jwks), fetching)()
    : jwks;
}

/** Ed25519 is the new name of EdDSA on its curve (RFC 9864): the same algorithm. */
function isOnlyNamedTwice(algorithms: readonly string[]): boolean {
  return algorithms.every((name) => name === "EdDSA" || name === "Ed25519");
}

/** Keys for encryption may well be in the set. */
function isForSignatures({ use }: StrictObject): boolean {
  return use === undefined || use === "sig";
}

function complaint(key: StrictObject, accepted: readonly string[]): string[] {
  const judgement = judgeKey(key, accepted);
  if (judgement.usable) return [];
  const name =
    typeof key.kid === "string" ? JSON.stringify(key.kid.slice(0, 128)) : "without a kid";
  return [`tokens signed with the issuer's key ${name} are refused: ${judgement.reason}`];
}
