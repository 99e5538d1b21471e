import type { Reconnect } from "../../src/protocol/close-codes.js";
import type { ConnectionNotifications } from "../../src/protocol/messages.js";
import { textOf } from "../errors.js";

/** The close that the server has announced. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
  readonly reconnect: Reconnect | undefined;
  /** Milliseconds: come back at a random moment between the two. */
  readonly after: readonly [number, number] | undefined;
  /** Milliseconds until the close. */
  readonly closeIn: number;
}

const longestAdvice = 600; // seconds, 10 min: no server sends its clients away for good

/**
 * Returns the milliseconds of a time that a server has advised, in seconds; `NaN` if it makes no
 * sense.
 */
export function adviceOf(value: unknown): number {
  return typeof value === "number" && value >= 0
    ? Math.min(value, longestAdvice) * 1_000
    : Number.NaN;
}

/** Reads the params of `connection.closing`; `undefined` when they make no sense. */
export function closingFrom(params: unknown): Closing | undefined {
  const { code, reason, reconnect, reconnectAfter, closeIn } = Object(params) as Partial<
    ConnectionNotifications["connection.closing"]
  >;
  if (typeof code !== "number") return undefined;
  // anything else than two numbers makes no sum
  const [min, max] = [reconnectAfter].flat().map(adviceOf) as [number, number];
  return {
    code,
    reason: textOf(reason) ?? "",
    reconnect: /^(yes|new_token|no)$/.test(String(reconnect)) ? reconnect : undefined,
    after: min + max >= 0 ? [min, max] : undefined,
    closeIn: adviceOf(closeIn) || 0,
  };
}
