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
    "Refreshing is held back",
    `In ${seconds(left)} the session expires. The server warns first (auth.expiring), then says auth.expired.`,
  );

export const released = () =>
  notices("plain", "Refreshing goes on", "The SDK renews the session in time again.");

export const expiring = ({ expiresIn }: Members) =>
  notices(
    "warn",
    "auth.expiring",
    `${numberIn(expiresIn) ?? "A few"} s are left. The SDK would refresh now; it is held back.`,
  );

export const expired = ({ closeIn }: Members) =>
  notices(
    "bad",
    "Expired, and still connected",
    `Call something: it is refused with -32002 before any of its code runs. Refresh within ${numberIn(closeIn) ?? 30} s, and the session lives on.`,
  );

export const refreshed = () =>
  notices("good", "Refreshed in place", "A new token, the same socket. Nothing was interrupted.");

export const revived = () =>
  notices(
    "good",
    "Revived",
    "The same socket, the same connection: calls run again, and what was held back for it has come.",
  );

export const graceOver = () =>
  notices(
    "bad",
    "The grace is over",
    "The server closed the socket (4401). The SDK comes back only with a new token: Refresh gets one.",
  );

export const dropped = () =>
  notices(
    "warn",
    "The network is gone",
    "The socket was cut without a goodbye. The SDK comes back by itself.",
  );

export const back = (after: number, attempts: number) =>
  notices(
    "good",
    `Back after ${seconds(after)}`,
    `${attempts > 1 ? `${attempts} attempts, a` : "A"} new socket, the same session; subscriptions go on where they were.`,
  );

export const revoked = () =>
  notices(
    "bad",
    "Revoked",
    "The server closed the socket (4401). The SDK may come back with a new token only, and asks for one.",
  );

export const revoking = () =>
  notices(
    "warn",
    "Revoking",
    "The server forgets this login and closes every socket that lives by it.",
  );

/** Why there is no session any more, by the reason that the SDK gives. */
export function ended(reason: string): string {
  const known = new Map([
    [
      "token_revoked",
      "This login was revoked: the server closed the socket (4401), and none of its tokens is accepted again.",
    ],
    ["signed_out", "There is no token any more that the server would accept."],
    ["token_refused", "The server refused the token, and there was no other."],
    ["kicked", "An administrator closed this connection (4403). Logging in again is allowed."],
    ["replaced", "Another connection of the same user took this one's place (4409)."],
    ["bye", "You logged out."],
  ]);
  return known.get(reason) ?? `The connection ended: ${reason}.`;
}
