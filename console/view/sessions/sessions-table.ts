import { html } from "htm/preact";
import type { ConsoleModel } from "../../model/console-model.js";
import { type SortColumn, type Sorting, sortedBy } from "../../model/session/session-table.js";
import type { ListedSession } from "../../model/session/sessions.js";
import { useVirtualRows } from "../rows/virtual-rows.js";
import { SessionRow } from "./session-row.js";

interface SessionsTableProps {
  readonly desk: ConsoleModel;
  readonly sessions: readonly ListedSession[];
  readonly sorting: Sorting;
  readonly onSort: (sorting: Sorting) => void;
  /** Id of this page's own connection. */
  readonly own: string | undefined;
  readonly now: number;
  readonly onKick: (session: ListedSession, event: Event) => void;
  readonly onRevoke: (session: ListedSession, event: Event) => void;
}

const columns: readonly (readonly [SortColumn, string, string])[] = [
  ["subject", "User", "who"],
  ["since", "Since", "since"],
  ["endsAt", "Expires in", "expires"],
  ["calls", "Calls", "number calls"],
  ["subscriptions", "Subs", "number subs"],
  ["bufferedBytes", "Buffered", "number buffered"],
  ["address", "Address", "address-of"],
  ["node", "Node", "node"],
  ["id", "Connection", "connection"],
];

/** One row for each connection; only those in sight are drawn. */
export function SessionsTable(props: SessionsTableProps) {
  const { desk, sessions, sorting, onSort, own, now, onKick, onRevoke } = props;
  const { list, range } = useVirtualRows({ count: sessions.length });
  return html`
    <div class="table-frame" ref=${list} role="region" aria-label="Connections" tabindex="0">
      <table role="table" aria-rowcount=${sessions.length + 1} aria-labelledby="sessions-title">
        <thead role="rowgroup"><tr role="row" aria-rowindex="1">
          ${columns.map(
            ([column, label, name]) => html`
              <th class=${name} role="columnheader" aria-sort=${sortOf(sorting, column)} key=${column}>
                <button type="button" class="quiet" onClick=${() => onSort(sortedBy(sorting, column))}>${label}<span aria-hidden="true">${markOf(sorting, column)}</span></button></th>`,
          )}
          <th class="ends" role="columnheader"><span class="unseen">Actions</span></th>
        </tr></thead>
        <tbody role="rowgroup">
          <tr key="before" class="gap" role="presentation" style=${{ height: `${range.before}px` }}></tr>
          ${sessions.slice(range.first, range.end).map(
            (session, index) =>
              html`<${SessionRow} key=${session.id} session=${session} place=${range.first + index + 1} now=${now} isOwn=${session.id === own}
                onAsk=${(question: string) => desk.announce(question)}
                onKick=${(event: Event) => onKick(session, event)} onRevoke=${(event: Event) => onRevoke(session, event)} />`,
          )}
          <tr key="after" class="gap" role="presentation" style=${{ height: `${range.after}px` }}></tr>
        </tbody>
      </table>
    </div>
  `;
}

function sortOf({ column, isDescending }: Sorting, own: SortColumn): string | undefined {
  if (column !== own) return undefined;
  return isDescending ? "descending" : "ascending";
}

function markOf({ column, isDescending }: Sorting, own: SortColumn): string {
  if (column !== own) return "";
  return isDescending ? " ↓" : " ↑";
}
