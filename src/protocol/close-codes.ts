/** The close codes (RFC 6455 §7.4) that the server uses, and what a client does about any code. */

export type Reconnect = "yes" | "new_token" | "no";

export interface CloseRow {
  readonly code: number;
  readonly reconnect: Reconnect;
}

/** By the reason that is sent with the code. */
export const closeTable = {
  bye: { code: 1000, reconnect: "no" },
  going_away: { code: 1001, reconnect: "yes" },
  unsupported_data: { code: 1003, reconnect: "no" },
  // by the code alone, which others use, too; with `connection.closing`: "yes"
  frame_timeout: { code: 1008, reconnect: "no" },
  too_big: { code: 1009, reconnect: "yes" }, // without the frame that was too large
  internal: { code: 1011, reconnect: "yes" },
  server_restart: { code: 1012, reconnect: "yes" },
  overloaded: { code: 1013, reconnect: "yes" },
  protocol_error: { code: 4400, reconnect: "no" },
  token_expired: { code: 4401, reconnect: "new_token" },
  token_revoked: { code: 4401, reconnect: "new_token" },
  kicked: { code: 4403, reconnect: "no" },
  auth_timeout: { code: 4408, reconnect: "yes" },
  replaced: { code: 4409, reconnect: "no" },
  too_many_attempts: { code: 4429, reconnect: "yes" },
  too_many_requests: { code: 4429, reconnect: "yes" },
} as const satisfies Record<string, CloseRow>;

/** Why a server closes a connection: the `reason` beside its close code. */
export type CloseReason = keyof typeof closeTable;

/**
 * The codes after which the next attempt would end in the same way: 1000, 1002, 1003, 1007, 1008,
 * 1010, 4400, 4403, 4409, 4500–4999. A lost connection, 1005 and 1006 (RFC 6455 §7.4.1), is come
 * back from.
 */
const final = /^(10(0[02378]|10)|44(00|03|09)|4[5-9]..)$/;

/**
 * Whether to come back after a close with `code`: what the table says, without bringing it to
 * browsers. Unknown codes: 4000–4499 yes, 4500–4999 no.
 */
export function reconnectAfterClose(code: number): Reconnect {
  if (code === 4401) return "new_token";
  return final.test(String(code)) ? "no" : "yes";
}
