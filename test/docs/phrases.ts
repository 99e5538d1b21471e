/** Files with such phrases today: none may join them. Remove a file once it reads plainly. */
export const filesWithPhrases: readonly string[] = [
  "client/calls/call-manager.ts",
  "client/session/session-renewal.ts",
  "client/subscriptions/subscription.ts",
  "client/transport/frame.ts",
  "src/auth/keys/key-fetching.ts",
  "src/auth/keys/provider.ts",
  "src/auth/keys/public-key.ts",
  "src/auth/keys/refreshing-keys.ts",
  "src/auth/refusal.ts",
  "src/auth/revocation/revocation.ts",
  "src/auth/session/session.ts",
  "src/auth/token/signature.ts",
];
