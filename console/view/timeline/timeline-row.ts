import { html } from "htm/preact";
import { previewOf } from "../../model/timeline/preview.js";
import type { Row } from "../../model/timeline/timeline-reader.js";
import { Icon } from "../icon.js";
import { sizeOf } from "../rows/size-of.js";
import { TimeView } from "../time-view.js";

interface TimelineRowProps {
  readonly row: Row;
  /** Its place in the whole list, from 1. */
  readonly place: number;
  readonly isOpen: boolean;
  /** Is it the other half of the one that is open? */
  readonly isPair: boolean;
  /** Does Tab reach it? One row of the list, the others by the arrow keys. */
  readonly isCurrent: boolean;
  readonly onOpen: (event: MouseEvent) => void;
}

const directions = { out: "sent", in: "received", note: "note" };
const tones = { warn: ", warning", bad: ", error" };

export function TimelineRow({ row, place, isOpen, isPair, isCurrent, onOpen }: TimelineRowProps) {
  const { entry, count, key } = row;
  const { direction, title, tone, size, took } = entry;
  const isAlarming = tone === "bad" || tone === "warn";
  const words = html`
    ${isAlarming && html`<${Icon} name="alert" />`}
    <b>${title}</b>${count > 1 && html`<span class="times">×${count}</span>`}${isAlarming && html`<span class="unseen">${tones[tone]}</span>`}`;
  const preview = html`<span class="preview" aria-hidden=${direction !== "note"}>${previewOf(entry) || null}</span>`;
  return html`
    <tr data-row class="entry ${direction} ${tone} ${isOpen ? "opened" : ""} ${isPair ? "paired" : ""}" role="row" aria-rowindex=${place + 1}>
      <td class="time" role="cell"><${TimeView} at=${entry.at} isExact /></td>
      <td class="direction" role="cell" title=${directions[direction]}><${Icon} name=${direction} /><span class="unseen">${directions[direction]}</span></td>
      <td class="what" role="cell">${
        isReadable(row)
          ? html`<button type="button" class="quiet" data-key=${key} tabindex=${isCurrent ? 0 : -1} aria-expanded=${isOpen} onClick=${onOpen}>${words} ${preview}</button>`
          : html`<span class="words">${words} ${preview}</span>`
      }</td>
      <td class="took" role="cell">${took !== undefined && tookOf(took)}</td>
      <td class="size" role="cell">${size > 0 && sizeOf(size)}</td>
    </tr>
  `;
}

/** Is there more to read than its line? */
export function isReadable({ entry }: Row): boolean {
  return entry.text !== "" && entry.direction !== "note";
}

export function tookOf(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}
