/** Files with such phrases today: none may join them. Remove a file once it reads plainly. */
export const filesWithPhrases: readonly string[] = [
  "client/calls/call-manager.ts",
  "client/session/session-renewal.ts",
  "client/subscriptions/subscription.ts",
  "client/transport/frame.ts",
];
