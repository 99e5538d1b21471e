import { type CloseReason, closeTable, type Reconnect } from "../../protocol/close-codes.js";
import type { ConnectionNotifications } from "../../protocol/messages.js";
import type { Limits } from "../limits.js";

/** Details of a close beyond its code. */
export interface CloseDetails {
  /** Seconds: the client reconnects at a random moment between the two. */
  readonly reconnectAfter?: readonly [number, number];
  /** Advice for people. */
  readonly hint?: string;
  /** The limit that caused the close, unless the reason implies it. */
  readonly limit?: keyof Limits;
}

export interface Closing extends CloseDetails {
  readonly reason: CloseReason;
}

/** Defaults of `reconnectAfter` by reason, in seconds. */
const usualReconnectAfter: Partial<Record<CloseReason, readonly [number, number]>> = {
  internal: [1, 10],
  overloaded: [5, 30],
  frame_timeout: [1, 10],
  auth_timeout: [1, 10],
  too_many_attempts: [30, 60],
  too_many_requests: [30, 60],
};

/**
 * Overrides the `reconnect` of a code. Code 1008 means a violation, but a network outage also
 * causes a frame timeout.
 */
const overriddenReconnect: Partial<Record<CloseReason, Reconnect>> = { frame_timeout: "yes" };

/** Params of `connection.closing`. */
export function closingParams({
  reason,
  reconnectAfter,
  hint,
}: Closing): ConnectionNotifications["connection.closing"] {
  const { code, reconnect: byCode } = closeTable[reason];
  const reconnect = overriddenReconnect[reason] ?? byCode;
  const after = reconnectAfter ?? usualReconnectAfter[reason] ?? [0, 1];
  return {
    code,
    reason,
    reconnect,
    reconnectAfter: after,
    ...(hint === undefined ? {} : { hint }),
  };
}
