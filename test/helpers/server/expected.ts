/**
 * What the protocol promises of errors and closes, written down a second time so that the server's
 * own tables are tested too.
 */
import { expect } from "chai";
import type { Frame } from "./frames.js";
import type { RawClient } from "./raw-client.js";

const errors = {
  unauthenticated: { code: -32001, temporary: false, executed: false, action: "authenticate" },
  token_expired: { code: -32002, temporary: false, executed: false, action: "refresh" },
  forbidden: { code: -32003, temporary: false, executed: false, action: "stop" },
  token_invalid: { code: -32004, temporary: false, executed: false, action: "newToken" },
  token_revoked: { code: -32005, temporary: false, executed: false, action: "newToken" },
  subject_mismatch: { code: -32006, temporary: false, executed: false, action: "stop" },
  auth_unavailable: { code: -32007, temporary: true, executed: false, action: "retry" },
  timeout: { code: -32008, temporary: true, action: "retry" },
  overloaded: { code: -32009, temporary: true, executed: false, action: "retry" },
  too_large: { code: -32010, temporary: false, action: "stop" },
  cancelled: { code: -32011, temporary: false, action: "stop" },
  step_up_required: { code: -32012, temporary: false, executed: false, action: "newToken" },
  rate_limited: { code: -32029, temporary: true, executed: false, action: "retry" },
} as const;

/** An error of the protocol's own table, with all that its `data` must say; `extra` joins it. */
export function expectError(
  frame: Frame | undefined,
  reason: keyof typeof errors,
  extra: object = {},
): void {
  const { code, ...row } = errors[reason];
  expect(frame?.error, JSON.stringify(frame)).to.include({ code });
  expect(frame?.error?.message).to.be.a("string").and.not.equal("");
  expect(frame).to.have.keys("jsonrpc", "id", "error");
  expect(frame?.error?.data).to.deep.include({ reason, ...row, ...extra });
  if (!("executed" in row)) expect(frame?.error?.data).to.not.have.property("executed");
}

const closes = {
  bye: [1000, "no"],
  going_away: [1001, "yes"],
  unsupported_data: [1003, "no"],
  frame_timeout: [1008, "yes"],
  too_big: [1009, "yes"],
  internal: [1011, "yes"],
  server_restart: [1012, "yes"],
  overloaded: [1013, "yes"],
  protocol_error: [4400, "no"],
  token_expired: [4401, "new_token"],
  token_revoked: [4401, "new_token"],
  kicked: [4403, "no"],
  auth_timeout: [4408, "yes"],
  replaced: [4409, "no"],
  too_many_attempts: [4429, "yes"],
  too_many_requests: [4429, "yes"],
} as const;

export interface Ending {
  /** What came before `connection.closing` and was not read yet. */
  readonly before: readonly Frame[];
  /** Params of `connection.closing`. */
  readonly params: Readonly<Record<string, unknown>>;
}

/**
 * Waits for the close, and checks its code, its reason, and the `connection.closing` immediately
 * before it.
 */
export async function expectClose(client: RawClient, reason: keyof typeof closes): Promise<Ending> {
  const [code, reconnect] = closes[reason];
  expect(await client.closed).to.deep.equal({ code, reason });
  const frames = client.queued.map((text) => JSON.parse(text) as Frame);
  const last = frames.pop();
  expect(last, "the last frame")
    .to.include({ method: "connection.closing" })
    .and.not.have.property("id");
  const params = last?.params ?? {};
  expect(params).to.include({ code, reason, reconnect });
  const [least = Number.NaN, most = Number.NaN] = params.reconnectAfter as number[];
  expect(params.reconnectAfter).to.have.length(2);
  expect(least).to.be.at.least(0).and.at.most(most);
  return { before: frames, params };
}
