import { type CloseReason, closeTable, type Reconnect } from "../../protocol/close-codes.js";
import type { ConnectionNotifications } from "../../protocol/messages.js";
import type { Limits } from "../limits.js";

/** More about a close than its code says. */
export interface CloseDetails {
  /** Seconds: the client comes back at a random moment between the two. */
  readonly reconnectAfter?: readonly [number, number];
  /** What to change, for people. */
  readonly hint?: string;
  /** The limit that is to blame, where the reason alone does not tell. */
  readonly limit?: keyof Limits;
}

export interface Closing extends CloseDetails {
  readonly reason: CloseReason;
}

/** Seconds after which to come back, where the reason alone decides. */
const usualReconnectAfter: Partial<Record<CloseReason, readonly [number, number]>> = {
  internal: [1, 10],
  overloaded: [5, 30],
  frame_timeout: [1, 10],
  auth_timeout: [1, 10],
  too_many_attempts: [30, 60],
  too_many_requests: [30, 60],
};

/**
 * What is told where the code alone says something else: a network that was away for a while is
 * nobody's violation.
 */
const toldReconnect: Partial<Record<CloseReason, Reconnect>> = { frame_timeout: "yes" };

/** Params of `connection.closing`. */
export function closingParams({
  reason,
  reconnectAfter,
  hint,
}: Closing): ConnectionNotifications["connection.closing"] {
  const { code, reconnect: byCode } = closeTable[reason];
  const reconnect = toldReconnect[reason] ?? byCode;
  const after = reconnectAfter ?? usualReconnectAfter[reason] ?? [0, 1];
  return {
    code,
    reason,
    reconnect,
    reconnectAfter: after,
    ...(hint === undefined ? {} : { hint }),
  };
}
