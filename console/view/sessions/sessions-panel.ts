import { html } from "htm/preact";
import { useRef, useState } from "preact/hooks";
import type { ConsoleModel } from "../../model/console-model.js";
import { arranged, type Sorting } from "../../model/session/session-table.js";
import { kickSession, type ListedSession, revokeSession } from "../../model/session/sessions.js";
import { textOf } from "../call/field-text.js";
import { useNow, useStore } from "../hooks.js";
import { nameOf } from "./session-row.js";
import { SessionsTable } from "./sessions-table.js";
import { useSessions } from "./use-sessions.js";

interface SessionsPanelProps {
  readonly desk: ConsoleModel;
  /** Leads back to the calls. */
  readonly onCalls: () => void;
}

/** For administrators: who is connected, and how to end that. */
export function SessionsPanel({ desk, onCalls }: SessionsPanelProps) {
  const { ended } = useStore(desk.state);
  const own = useStore(desk.session.view)?.connectionId;
  const { listed, problem, subject, isBusy, load, reload, end } = useSessions(desk);
  const [text, setText] = useState("");
  const [sorting, sort] = useState<Sorting>({ column: "since", isDescending: true });
  const now = useNow(1_000);
  const title = useRef<HTMLHeadingElement>(null);
  const sessions = arranged(listed?.sessions ?? [], text, sorting);
  const find = (event: Event) => {
    event.preventDefault();
    load(text.trim() || undefined).catch(reportError);
  };
  const showAll = () => {
    setText("");
    load(undefined).catch(reportError);
  };
  /** The row goes, and the focus with it: it moves to the next row. */
  const act = (event: Event, action: () => Promise<void>, said: string) => {
    const next = nextTo(event.target);
    end(action, said, () => {
      if (document.activeElement === document.body)
        (next?.isConnected ? next : title.current)?.focus();
    }).catch(reportError);
  };

  return html`
    <section class="card sessions" aria-labelledby="sessions-title">
      <div class="call-head">
        <div>
          <h2 id="sessions-title" tabindex="-1" ref=${title}>Sessions <small>${listed === undefined ? "" : `${number(listed.total)} connected`}</small></h2>
          <p class="muted">Everyone connected. Disconnect closes one connection; its user may log in again. Revoke login ends every connection of that login.</p>
        </div>
      </div>
      ${ended !== undefined && html`<p class="problem">Your own session has ended. <button type="button" class="link" onClick=${onCalls}>Show why</button></p>`}
      <form class="sessions-tools" onSubmit=${find}>
        <label class="search"><span class="unseen">Filter the sessions</span>
          <input type="search" placeholder="Filter: user, address, node, connection" value=${text} onInput=${(event: InputEvent) => setText(textOf(event))} /></label>
        <button type="button" aria-disabled=${isBusy} onClick=${() => isBusy || reload().catch(reportError)}>Reload</button>
        <span class="muted age">${listed === undefined ? "Loading…" : `As of ${ageOf(now - listed.at)}`}</span>
      </form>
      <p class="problem" role="alert">${problem}</p>
      ${listed?.isComplete === false && html`<p class="warn">Incomplete: a node did not answer.</p>`}
      ${
        subject !== undefined &&
        html`<p>Only the connections of <b>${subject}</b>. <button type="button" class="link" onClick=${showAll}>Show everyone</button></p>`
      }
      ${
        listed !== undefined &&
        listed.total > listed.sessions.length &&
        html`<p class="warn">Shows the newest ${number(listed.sessions.length)} of ${number(listed.total)}. To find another user, type the exact name and press Enter.</p>`
      }
      <${SessionsTable} desk=${desk} sessions=${sessions} sorting=${sorting} onSort=${sort} own=${own} now=${now}
        onKick=${(session: ListedSession, event: Event) => act(event, () => kickSession(desk.ask, session), `Disconnected ${nameOf(session)}`)}
        onRevoke=${(session: ListedSession, event: Event) => act(event, () => revokeSession(desk.ask, session), `Revoked the login of ${nameOf(session)}`)} />
      ${listed !== undefined && sessions.length === 0 && html`<p class="muted">${text.trim() === "" ? "Nobody is connected." : `No sessions match “${text.trim()}”.`}</p>`}
    </section>
  `;
}

/** The same button of the next row, or of the one before. */
function nextTo(target: EventTarget | null): HTMLElement | undefined {
  const row = target instanceof Element ? target.closest("[data-row]") : null;
  const rows = [row?.nextElementSibling, row?.previousElementSibling];
  return (
    rows
      .map((neighbor) => neighbor?.querySelector<HTMLElement>("td button"))
      .find((button) => button != null) ?? undefined
  );
}

function number(value: number): string {
  return value.toLocaleString("en");
}

function ageOf(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1_000));
  if (seconds < 2) return "now";
  return seconds < 60 ? `${seconds} s ago` : `${Math.floor(seconds / 60)} min ago`;
}
