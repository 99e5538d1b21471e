import { createHash } from "node:crypto";

/** SHA-256, base64url: what a store may know of a token or a client secret. */
export function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}
