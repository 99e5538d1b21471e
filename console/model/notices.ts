import { type Members, numberIn } from "./message.js";
import type { Tone } from "./timeline/timeline.js";

/** One sentence or two about what has just happened to the session, and what to try next. */
export interface Notices {
  readonly tone: Tone;
  readonly title: string;
  readonly text: string;
}

const notices = (tone: Tone, title: string, text: string): Notices => ({ tone, title, text });
const seconds = (milliseconds: number) =>
  milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${Math.round(milliseconds / 1_000)} s`;

export const held = (left: number) =>
  notices(
    "warn",
    "Auto-refresh paused",
    `In ${seconds(left)} the session expires. The server warns first (auth.expiring), then says auth.expired.`,
  );

export const released = () =>
  notices("plain", "Auto-refresh resumed", "The SDK renews the session in time again.");

export const expiring = ({ expiresIn }: Members) =>
  notices(
    "warn",
    "auth.expiring",
    `The session expires in ${numberIn(expiresIn) ?? "a few"} s. The SDK would refresh now; auto-refresh is paused.`,
  );

export const expired = ({ closeIn }: Members) =>
  notices(
    "bad",
    "Session expired, still connected",
    `Call something: it is refused with -32002 before any of its code runs. Refresh within ${numberIn(closeIn) ?? 30} s to restore the session.`,
  );

export const refreshed = () =>
  notices(
    "good",
    "Session refreshed",
    "A new token, the same connection. Nothing was interrupted.",
  );

export const revived = () =>
  notices(
    "good",
    "Session restored",
    "The same connection: calls run again, and events that the server held back have arrived.",
  );

export const graceOver = () =>
  notices(
    "bad",
    "Grace period over",
    "The server closed the connection (4401). The SDK reconnects only with a new token: Refresh gets one.",
  );

export const dropped = () =>
  notices(
    "warn",
    "Network lost",
    "The connection was cut without a close frame. The SDK will reconnect.",
  );

export const back = (after: number) =>
  notices(
    "good",
    `Back after ${seconds(after)}`,
    "A new connection, the same session; subscriptions resume where they were.",
  );

export const revoked = () =>
  notices(
    "bad",
    "Login revoked",
    "The server closed the connection (4401). The SDK asks for a new token before it reconnects.",
  );

export const revoking = () =>
  notices(
    "warn",
    "Revoking the login",
    "The server ends this login and closes every connection that uses it.",
  );

/** Why there is no session any more, by the reason that the SDK gives. */
export function ended(reason: string, refusal?: string): string {
  const known = new Map([
    [
      "token_revoked",
      "This login was revoked: the server closed the connection (4401), and its tokens no longer work.",
    ],
    ["signed_out", refused(refusal)],
    ["token_refused", refused(refusal)],
    ["kicked", "An administrator closed this connection (4403). You may log in again."],
    ["replaced", "Another connection of the same user replaced this one (4409)."],
    ["bye", "You logged out."],
  ]);
  return known.get(reason) ?? `The connection ended: ${reason}.`;
}

/** What the server said to a token; `reason` for programs, as in `data.reason`. */
export function refused(reason: string | undefined): string {
  return `The server rejected this token${reason === undefined ? "" : ` (${reason})`}.`;
}
