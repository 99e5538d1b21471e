import { html } from "htm/preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import type { Entry } from "../../model/timeline/timeline.js";
import type { Row, TimelineReader } from "../../model/timeline/timeline-reader.js";
import { useVirtualRows } from "../rows/virtual-rows.js";
import { TimelineDetail } from "./timeline-detail.js";
import { TimelineRow } from "./timeline-row.js";
import { useCurrentRow } from "./use-current-row.js";

interface TimelineListProps {
  readonly reader: TimelineReader;
  readonly rows: readonly Row[];
}

const nearEnd = 24; // pixels: so close to the end is there

/** The rows in sight. Opening one, getting to one by keyboard, or scrolling up pauses the list. */
export function TimelineList({ reader, rows }: TimelineListProps) {
  const { opened, pausedBy, search, filter } = reader.state.value;
  const openIndex = rows.findIndex(({ key }) => key === opened);
  const { list, range, show } = useVirtualRows({
    count: rows.length,
    open: openIndex,
    isFollowing: pausedBy === undefined,
  });
  useScrollPause(list, reader);
  useOpenInSight(list, opened);
  const { current, choose, go, press } = useCurrentRow({ list, reader, rows, range, show });
  const openRow = rows[openIndex];
  const pair = openRow && reader.pairOf(openRow.entry);
  const toggle = (row: Row, event: MouseEvent) => {
    choose(row.key);
    if (row.key !== opened) return reader.open(row.key);
    const wasAtEnd = isAtEnd(list.current, list.current?.querySelector(".detail")?.clientHeight);
    reader.close();
    // by mouse; the keyboard goes on from this row
    if (event.detail > 0 && wasAtEnd) reader.release("scroll");
  };

  return html`
    <div class="rows" ref=${list} role="region" aria-label="Frames" tabindex=${current === undefined ? 0 : -1} onKeyDown=${press}
      onPointerDown=${(event: Event) => isRow(event.target) && reader.pause("focus")}
      onFocusIn=${(event: Event) => isRow(event.target) && reader.pause("focus")}
      onFocusOut=${(event: FocusEvent) => !isWithin(event.relatedTarget, list.current) && reader.release("focus")}>
      <table role="table" aria-rowcount=${rows.length + 1} aria-labelledby="timeline-title">
        <thead role="rowgroup"><tr role="row" aria-rowindex="1">
          <th class="time" role="columnheader">Time</th><th class="direction" role="columnheader"><span class="unseen">Direction</span></th>
          <th class="what" role="columnheader">Message</th><th class="took" role="columnheader">Took</th><th class="size" role="columnheader">Size</th>
        </tr></thead>
        <tbody role="rowgroup">
          <tr key="before" class="gap" role="presentation" style=${{ height: `${range.before}px` }}></tr>
          ${rows.slice(range.first, range.end).flatMap((row, index) => [
            html`<${TimelineRow} key=${row.key} row=${row} place=${range.first + index + 1} isOpen=${row.key === opened}
              isPair=${row.entry === pair} isCurrent=${row.key === current} onOpen=${(event: MouseEvent) => toggle(row, event)} />`,
            ...(row.key === opened
              ? [
                  html`<${TimelineDetail} key="detail" row=${row} pair=${pair} onPair=${(other: Entry) => go(reader.reveal(other))} />`,
                ]
              : []),
          ])}
          <tr key="after" class="gap" role="presentation" style=${{ height: `${range.after}px` }}></tr>
        </tbody>
      </table>
      ${rows.length === 0 && html`<p class="muted">${search === "" && filter === "all" ? "No traffic yet." : "Nothing matches."}</p>`}
    </div>
  `;
}

function isRow(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("[data-key], .detail") !== null;
}

function isWithin(target: EventTarget | null, list: Element | null): boolean {
  return target instanceof Node && list?.contains(target) === true;
}

function isAtEnd(list: HTMLElement | null, without = 0): boolean {
  if (list === null) return false;
  return list.scrollHeight - without - list.scrollTop - list.clientHeight < nearEnd;
}

/** Scrolling up pauses; scrolling down to the end goes on. */
function useScrollPause(list: { readonly current: HTMLElement | null }, reader: TimelineReader) {
  useEffect(() => {
    const element = list.current;
    if (element === null) return;
    let last = 0;
    const look = () => {
      const { scrollTop } = element;
      if (scrollTop < last && !isAtEnd(element)) reader.pause("scroll");
      if (scrollTop > last && isAtEnd(element)) reader.release("scroll");
      last = scrollTop; // rows that are added never scroll up
    };
    element.addEventListener("scroll", look, { passive: true });
    return () => element.removeEventListener("scroll", look);
  }, [list, reader]);
}

/** Scrolls down to the end of what was opened, but keeps its row in sight. */
function useOpenInSight(
  list: { readonly current: HTMLElement | null },
  opened: string | undefined,
): void {
  useLayoutEffect(() => {
    const detail = list.current?.querySelector(".detail");
    const row = detail?.previousElementSibling;
    if (opened === undefined || !list.current || !detail || !row) return;
    const frame = list.current.getBoundingClientRect();
    const head = list.current.querySelector("thead")?.clientHeight ?? 0;
    const below = detail.getBoundingClientRect().bottom - frame.bottom;
    const above = row.getBoundingClientRect().top - frame.top - head;
    if (below > 0) list.current.scrollTop += Math.max(0, Math.min(below, above));
  }, [list, opened]);
}
