import { html } from "htm/preact";
import type { Entry } from "../../model/timeline/timeline.js";
import { Icon } from "../icon.js";
import { JsonView } from "../json-view.js";
import { TimeView } from "../time-view.js";

interface TimelineRowProps {
  readonly entry: Entry;
  readonly isOpen: boolean;
  /** Is it the other half of the one that is open? */
  readonly isPair: boolean;
  readonly onOpen: () => void;
}

const directions = { out: "sent", in: "received", note: "note" };

export function TimelineRow({ entry, isOpen, isPair, onOpen }: TimelineRowProps) {
  const { at, direction, title, tone, text, size, took, answers } = entry;
  const isReadable = text !== "";
  return html`
    <tr class="entry ${direction} ${tone} ${isOpen ? "opened" : ""} ${isPair ? "paired" : ""}">
      <td class="time"><${TimeView} at=${at} isExact /></td>
      <td class="direction"><${Icon} name=${direction} /><span class="unseen">${directions[direction]}</span></td>
      <td class="what">
        ${
          isReadable && direction !== "note"
            ? html`<button type="button" class="quiet" aria-expanded=${isOpen} onClick=${onOpen}><b>${title}</b> <span class="preview">${previewOf(text)}</span></button>`
            : html`<b>${title}</b> <span class="preview">${text}</span>`
        }
      </td>
      <td class="took">${took === undefined ? "" : `${took < 10 ? took.toFixed(1) : Math.round(took)} ms`}</td>
      <td class="size">${size === 0 ? "" : sizeOf(size)}</td>
    </tr>
    ${
      isOpen &&
      html`<tr class="detail"><td colspan="5">
        ${answers !== undefined && html`<p class="muted">Answers line ${answers}, ${took?.toFixed(1)} ms later.</p>`}
        <${JsonView} value=${frameIn(text)} />
      </td></tr>`
    }
  `;
}

export function sizeOf(bytes: number): string {
  return bytes < 1_024 ? `${bytes} B` : `${(bytes / 1_024).toFixed(1)} kB`;
}

const longestPreview = 400; // characters; more doesn't fit in a line

/** The params, result or error of a frame; the whole frame where it has another shape. */
function previewOf(text: string): string {
  const head =
    /^\{"jsonrpc":"2\.0"(,"id":("[^"]*"|[\d.]+|null))?(,"method":"[^"]*")?(,"(params|result|error)":|\}$)/.exec(
      text,
    )?.[0];
  if (head === undefined) return text.slice(0, longestPreview);
  return text.slice(head.length, text.endsWith("}") ? -1 : undefined).slice(0, longestPreview);
}

function frameIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // cut, or no JSON
  }
}
