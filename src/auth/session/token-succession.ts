/** Which token may follow the one in force. */
import type { VerifiedToken } from "../provider-options.js";

/** The first claim that makes it another identity. */
export function differingClaim(current: VerifiedToken, next: VerifiedToken): string | undefined {
  if (current.issuer !== next.issuer) return "iss";
  if (current.subject !== next.subject) return "sub";
  if (current.clientId !== next.clientId) return "client_id";
  const { identityClaims: after = {} } = next;
  const differing = Object.entries(current.identityClaims ?? {}).find(
    ([name, before]) => before !== after[name],
  );
  return differing?.[0];
}

/**
 * The same token again, or one that was issued before the one in force: a late refresh must not
 * win.
 */
export function isNoNewer(token: VerifiedToken, current: VerifiedToken): boolean {
  if (
    token.issuedAt !== undefined &&
    current.issuedAt !== undefined &&
    token.issuedAt !== current.issuedAt
  )
    return token.issuedAt < current.issuedAt;
  return token.fingerprint === current.fingerprint;
}
