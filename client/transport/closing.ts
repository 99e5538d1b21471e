import type { Reconnect } from "../../src/protocol/close-codes.js";
import type { ConnectionNotifications } from "../../src/protocol/messages.js";

/** What the server has told about the close that is to come. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
  readonly reconnect: Reconnect | undefined;
  /** Seconds: come back at a random moment between the two. */
  readonly after: readonly [number, number] | undefined;
  /** Seconds until the close. */
  readonly closeIn: number;
}

const longestAdvice = 600; // 10 min: no server sends its clients away for good

/** A time that a server has advised, in seconds; `undefined` when it makes no sense. */
export function secondsOf(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? Math.min(value, longestAdvice) : undefined;
}

/** Reads the params of `connection.closing`; `undefined` when they make no sense. */
export function closingFrom(params: unknown): Closing | undefined {
  const { code, reason, reconnect, reconnectAfter, closeIn } = Object(params) as Partial<
    ConnectionNotifications["connection.closing"]
  >;
  if (typeof code !== "number") return undefined;
  const [min, max] = (Array.isArray(reconnectAfter) ? reconnectAfter : []).map(secondsOf);
  return {
    code,
    reason: typeof reason === "string" ? reason : "",
    reconnect: /^(yes|new_token|no)$/.test(String(reconnect)) ? reconnect : undefined,
    after: min !== undefined && max !== undefined ? [min, max] : undefined,
    closeIn: secondsOf(closeIn) ?? 0,
  };
}
