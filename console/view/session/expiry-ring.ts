import { html } from "htm/preact";
import type { SessionView } from "../../model/session/session-watch.js";
import { useNow } from "../hooks.js";

const radius = 52;
const around = 2 * Math.PI * radius;

/** The seconds to expiry; afterwards those of the grace. */
export function ExpiryRing({ session }: { readonly session: SessionView | null }) {
  const now = useNow(250);
  const isExpired = session?.closesAt !== undefined;
  const left = Math.max(0, (isExpired ? (session?.closesAt ?? 0) : (session?.endsAt ?? 0)) - now);
  const whole = (isExpired ? session?.grace : session?.lifetime) ?? 0;
  const share = whole > 0 ? Math.min(1, left / whole) : 0;
  const tone = session === null ? "none" : isExpired ? "bad" : share < 0.2 ? "warn" : "good";
  const what = session === null ? "no session" : isExpired ? "until disconnect" : "until expiry";
  return html`
    <div class="ring ${tone}" role="img" aria-label=${session === null ? "No session" : `${inWords(left)} ${what}`}>
      <svg viewBox="0 0 120 120" aria-hidden="true">
        <circle cx="60" cy="60" r=${radius} class="ring-track" />
        <circle cx="60" cy="60" r=${radius} class="ring-arc" stroke-dasharray="${around * share} ${around}" />
      </svg>
      <div class="ring-text"><strong>${session === null ? "–" : clockOf(left)}</strong><span>${what}</span></div>
    </div>
  `;
}

/** `4:52`, `1:04:52`, `12`; of milliseconds. */
export function clockOf(left: number): string {
  const seconds = Math.ceil(left / 1_000);
  const two = (number: number) => String(number).padStart(2, "0");
  if (seconds < 60) return String(seconds);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  if (seconds < 86_400)
    return `${Math.floor(seconds / 3_600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return `${Math.floor(seconds / 86_400)} d`;
}

function inWords(left: number): string {
  const seconds = Math.ceil(left / 1_000);
  return seconds < 60
    ? `${seconds} seconds`
    : `${Math.floor(seconds / 60)} minutes and ${seconds % 60} seconds`;
}
