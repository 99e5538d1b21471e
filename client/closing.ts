import type { Reconnect } from "../src/protocol/close-codes.js";
import type { ConnectionNotifications } from "../src/protocol/messages.js";

/** What the server has told about the close that is to come. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
  readonly reconnect: Reconnect | undefined;
  /** Seconds: come back at a random moment between the two. */
  readonly after: readonly [number, number] | undefined;
}

/** Reads the params of `connection.closing`; `undefined` when they make no sense. */
export function closingFrom(params: unknown): Closing | undefined {
  const { code, reason, reconnect, reconnectAfter } = Object(params) as Partial<ConnectionNotifications["connection.closing"]>;
  if (typeof code !== "number") return undefined;
  const [min, max] = Array.isArray(reconnectAfter) ? reconnectAfter : [];
  return {
    code,
    reason: String(reason),
    reconnect: reconnect === "yes" || reconnect === "new_token" || reconnect === "no" ? reconnect : undefined,
    after: typeof min === "number" && typeof max === "number" ? [min, max] : undefined,
  };
}
