import { html } from "htm/preact";
import type { ListedSession } from "../../model/session/sessions.js";
import { ConfirmButton } from "../confirm-button.js";
import { sizeOf } from "../rows/size-of.js";
import { clockOf } from "../session/expiry-ring.js";
import { TimeView } from "../time-view.js";

interface SessionRowProps {
  readonly session: ListedSession;
  /** Its place in the whole list, from 1. */
  readonly place: number;
  readonly now: number;
  readonly isOwn: boolean;
  readonly onAsk: (question: string) => void;
  readonly onKick: (event: Event) => void;
  readonly onRevoke: (event: Event) => void;
}

export function SessionRow(props: SessionRowProps) {
  const { session, place, now, isOwn, onAsk, onKick, onRevoke } = props;
  const { subject, state, since, endsAt, calls, subscriptions, address, node, id } = session;
  const who = nameOf(session);
  const about = `${who}, connection ${id}`;
  const login = session.sessionId === null ? "every login" : "the login";
  return html`
    <tr data-row role="row" aria-rowindex=${place + 1}>
      <td class="who" role="cell" title=${who}><b>${who}</b>${isOwn && html` <span class="tag">you</span>`}${state !== "active" && html` <span class="tag">${state}</span>`}</td>
      <td class="since" role="cell"><${TimeView} at=${since} /></td>
      <td class="expires" role="cell">${endsAt !== null && endsAt > now && html`<span class="narrow">expires in </span>`}${expiryOf(endsAt, now)}</td>
      <td class="number calls" role="cell">${calls}</td>
      <td class="number subs" role="cell">${subscriptions}</td>
      <td class="number buffered" role="cell">${sizeOf(session.bufferedBytes)}</td>
      <td class="address-of" role="cell" title=${address}>${address}</td>
      <td class="node" role="cell" title=${node}>${node}</td>
      <td class="connection" role="cell" title=${id}><code>${id}</code></td>
      <td class="ends" role="cell">
        <${ConfirmButton} label="Disconnect" question="Disconnect ${shortened(who)}?" about=${about} onSure=${onKick} onAsk=${onAsk} />
        ${subject !== null && html`<${ConfirmButton} label="Revoke login" question="Revoke ${login} of ${shortened(who)}?" about=${about} onSure=${onRevoke} onAsk=${onAsk} />`}
      </td>
    </tr>
  `;
}

export function nameOf({ subject }: ListedSession): string {
  return subject ?? "not signed in";
}

function expiryOf(endsAt: number | null, now: number): string {
  if (endsAt === null) return "–";
  return endsAt > now ? clockOf(endsAt - now) : "expired";
}

const longestName = 32; // characters, in a question

function shortened(name: string): string {
  return name.length > longestName ? `${name.slice(0, longestName)}…` : name;
}
