import { authMethods } from "./messages.js";

/** Names that an application can't register, beside everything that starts with `rpc.` or `$/`. */
export const reservedNames: ReadonlySet<string> = new Set([
  ...authMethods,
  "whoami",
  "ping",
  "unsubscribe",
  "subscription.event",
  "subscription.ended",
  "auth.required",
  "auth.expiring",
  "auth.expired",
  "auth.refreshRequired",
  "auth.notice",
  "connection.closing",
]);
