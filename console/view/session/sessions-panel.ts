import { html } from "htm/preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import type { ConsoleModel } from "../../model/console-model.js";
import {
  kickSession,
  type ListedSession,
  type ListedSessions,
  listSessions,
  revokeSession,
} from "../../model/session/sessions.js";
import { ConfirmButton } from "../confirm-button.js";
import { useNow, useStore } from "../hooks.js";
import { TimeView } from "../time-view.js";
import { sizeOf } from "../timeline/timeline-row.js";
import { clockOf } from "./expiry-ring.js";

/** For administrators: who is connected, and how to end that. */
export function SessionsPanel({ desk }: { readonly desk: ConsoleModel }) {
  const [listed, setListed] = useState<ListedSessions | undefined>(undefined);
  const own = useStore(desk.session.view)?.connectionId;
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const now = useNow(1_000);
  const load = useCallback(async () => {
    setProblem(undefined);
    setListed(await listSessions(desk.ask));
  }, [desk]);
  const tell = useCallback(
    (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
    [],
  );
  useEffect(() => {
    load().catch(tell);
  }, [load, tell]);
  const end = (action: Promise<void>) => action.then(load).catch(tell);
  const sessions = listed?.sessions ?? [];

  return html`
    <section class="card sessions" aria-labelledby="sessions-title">
      <div class="call-head">
        <div>
          <h2 id="sessions-title">Sessions <small>${listed === undefined ? "" : `${listed.total} connected`}</small></h2>
          <p class="muted">Everybody who is connected to this server. Kick closes one connection; revoke ends the login behind it.</p>
        </div>
        <button type="button" onClick=${() => load().catch(tell)}>Reload</button>
      </div>
      <p class="problem" role="alert">${problem}</p>
      ${listed?.isComplete === false && html`<p class="warn">Another node did not answer: its sessions are missing.</p>`}
      <div class="table-frame">
        <table>
          <thead><tr><th>Subject</th><th>Since</th><th>Expires in</th><th class="number">Calls</th><th class="number">Buffered</th><th>Address</th><th><span class="unseen">Actions</span></th></tr></thead>
          <tbody>
            ${sessions.map(
              (
                session,
              ) => html`<${Row} key=${session.id} session=${session} now=${now} isOwn=${session.id === own}
                onKick=${() => end(kickSession(desk.ask, session))} onRevoke=${() => end(revokeSession(desk.ask, session))} />`,
            )}
          </tbody>
        </table>
      </div>
    </section>
  `;
}

interface RowProps {
  readonly session: ListedSession;
  readonly now: number;
  readonly isOwn: boolean;
  readonly onKick: () => void;
  readonly onRevoke: () => void;
}

function Row({ session, now, isOwn, onKick, onRevoke }: RowProps) {
  const { subject, state, since, endsAt, calls, bufferedBytes, address, id } = session;
  const who = subject ?? "nobody yet";
  return html`
    <tr>
      <td title=${id}><b>${who}</b>${isOwn && html` <span class="tag">you</span>`}${state !== "active" && html` <span class="tag">${state}</span>`}</td>
      <td><${TimeView} at=${since} /></td>
      <td class="number-left">${endsAt === null ? "–" : clockOf(Math.max(0, endsAt - now))}</td>
      <td class="number">${calls}</td>
      <td class="number">${sizeOf(bufferedBytes)}</td>
      <td>${address}</td>
      <td class="row">
        <${ConfirmButton} label="Kick" sure="Really kick" who=${who} onSure=${onKick} />
        ${subject !== null && html`<${ConfirmButton} label="Revoke" sure="Really revoke" who=${who} onSure=${onRevoke} />`}
      </td>
    </tr>
  `;
}
