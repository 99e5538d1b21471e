import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Row, TimelineReader } from "../../model/timeline/timeline-reader.js";
import type { RowWindow } from "../rows/window.js";
import { isReadable } from "./timeline-row.js";

interface CurrentRow {
  readonly list: { readonly current: HTMLElement | null };
  readonly reader: TimelineReader;
  readonly rows: readonly Row[];
  readonly range: RowWindow;
  /** Scrolls to the row with this index. */
  readonly show: (index: number) => void;
}

/** The one row that Tab reaches; the arrow keys, Home and End lead to the others. */
export function useCurrentRow({ list, reader, rows, range, show }: CurrentRow) {
  const [chosen, choose] = useState<string | undefined>(undefined);
  const next = useRef<string | undefined>(undefined); // key of the row that gets the focus
  const focused = useRef<Element | null>(null); // in the list, when it was last drawn
  const readable = rows.filter(isReadable);
  const drawn = rows.slice(range.first, range.end).filter(isReadable);
  const current = (drawn.find(({ key }) => key === chosen) ?? drawn.at(-1))?.key;

  useLayoutEffect(() => {
    const key = next.current;
    const place = rows.findIndex((row) => row.key === key);
    if (key !== undefined && place >= 0) {
      show(place);
      const button = list.current?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`);
      if (!button) return; // the scrolling draws it
      button.focus({ preventScroll: true });
    } else if (focused.current?.isConnected === false && document.activeElement === document.body)
      list.current?.focus({ preventScroll: true }); // its row was scrolled out of sight
    next.current = undefined;
    const { activeElement } = document;
    focused.current = list.current?.contains(activeElement) === true ? activeElement : null;
  });
  const go = (key: string | undefined) => {
    if (key === undefined) return;
    reader.pause("focus");
    next.current = key;
    choose(key);
  };
  const press = (event: KeyboardEvent) => {
    const { target } = event;
    const isOnRow = target instanceof HTMLElement && target.dataset.key !== undefined;
    if (!isOnRow && target !== list.current) return;
    const index = readable.findIndex(({ key }) => key === (chosen ?? current));
    const place = placeFor(event.key, index, readable.length);
    if (place === undefined) return;
    event.preventDefault();
    go(readable[place]?.key);
  };
  return { current, choose, go, press };
}

/** Where a key leads from the row `index`, of `count`. */
function placeFor(key: string, index: number, count: number): number | undefined {
  if (key === "ArrowDown") return Math.min(count - 1, index + 1);
  if (key === "ArrowUp") return Math.max(0, index - 1);
  if (key === "Home") return 0;
  return key === "End" ? count - 1 : undefined;
}
