import { html } from "htm/preact";
import { previewOf } from "../../model/timeline/preview.js";
import type { Entry } from "../../model/timeline/timeline.js";
import type { Row } from "../../model/timeline/timeline-reader.js";
import { JsonView } from "../json-view.js";
import { TimeView } from "../time-view.js";
import { tookOf } from "./timeline-row.js";

interface TimelineDetailProps {
  readonly row: Row;
  readonly pair: Entry | undefined;
  readonly onPair: (pair: Entry) => void;
}

const maxEarlier = 50; // pushes; all that are kept are in the export

/** A frame, the way to its other half, and the pushes before it that stand in the same line. */
export function TimelineDetail({ row, pair, onPair }: TimelineDetailProps) {
  const { entry, entries } = row;
  const earlier = entries.slice(0, -1).slice(-maxEarlier).reverse();
  return html`
    <tr data-detail class="detail" role="row"><td colspan="5" role="cell">
      ${
        pair !== undefined &&
        html`<p class="muted"><button type="button" class="link" onClick=${() => onPair(pair)}>${entry.answers === undefined ? "Go to the response" : "Go to the request"}</button>${" "}<${TimeView} at=${pair.at} isExact />${tookText(entry.took ?? pair.took, entry.answers === undefined)}</p>`
      }
      <${JsonView} value=${frameIn(entry.text)} />
      ${
        earlier.length > 0 &&
        html`<h3>Earlier in this line</h3>
          <ol class="earlier" tabindex="0" aria-label="Earlier pushes of ${entry.title}">
            ${earlier.map((push) => html`<li key=${push.number}><${TimeView} at=${push.at} isExact /> <code>${previewOf(push)}</code></li>`)}
          </ol>`
      }
    </td></tr>
  `;
}

function tookText(took: number | undefined, isLater: boolean): string {
  return took === undefined ? "" : `, ${tookOf(took)} ${isLater ? "later" : "earlier"}`;
}

function frameIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // cut, or no JSON
  }
}
