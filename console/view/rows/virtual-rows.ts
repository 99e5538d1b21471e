import { useCallback, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import { type RowLayout, rowTop, rowWindow, spare } from "./window.js";

interface VirtualRows {
  readonly count: number;
  /** Index of the row that is open; what stands below it has `data-detail`. */
  readonly open?: number | undefined;
  /** Stays at the end. */
  readonly isFollowing?: boolean;
}

const guess = { rowHeight: 28, extra: 200, height: 600 }; // pixels, until they are measured

/**
 * Draws only those rows of a long list that can be seen. The scroller is `list`; a row has
 * `data-row`, and all have the same height.
 */
export function useVirtualRows({ count, open, isFollowing = false }: VirtualRows) {
  const list = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState(guess);
  const [, redraw] = useReducer((turn: number, _: undefined) => turn + 1, 0);
  const drawn = useRef({ top: 0, step: 0, isFollowing });
  const measure = useCallback(() => {
    if (list.current !== null) setSize((known) => measured(list.current as HTMLElement, known));
  }, []);
  useLayoutEffect(() => {
    const scroller = list.current;
    if (scroller === null) return;
    const look = () => {
      const { top, step, isFollowing: isHeld } = drawn.current;
      if (!isHeld && Math.abs(scroller.scrollTop - top) > step) redraw(undefined);
    };
    const resized = new ResizeObserver(measure);
    resized.observe(scroller);
    scroller.addEventListener("scroll", look, { passive: true });
    return () => {
      resized.disconnect();
      scroller.removeEventListener("scroll", look);
    };
  }, [measure]);
  useLayoutEffect(() => {
    measure();
    if (isFollowing && list.current) list.current.scrollTop = list.current.scrollHeight;
  });
  const layout: RowLayout = {
    count,
    rowHeight: size.rowHeight,
    height: size.height,
    top: isFollowing ? count * size.rowHeight : (list.current?.scrollTop ?? 0),
    open: open !== undefined && open >= 0 ? { index: open, extra: size.extra } : undefined,
  };
  drawn.current = { top: layout.top, step: (spare / 2) * layout.rowHeight, isFollowing };
  /** Scrolls as little as needed to bring a row into sight. */
  const show = (index: number) => {
    const scroller = list.current;
    if (scroller === null) return;
    const start = rowTop(index, layout);
    const head = scroller.querySelector("thead")?.clientHeight ?? 0;
    const end = start + layout.rowHeight + head;
    if (start < scroller.scrollTop) scroller.scrollTop = start;
    else if (end > scroller.scrollTop + scroller.clientHeight)
      scroller.scrollTop = end - scroller.clientHeight;
  };
  return { list, range: rowWindow(layout), show };
}

function measured(scroller: HTMLElement, known: typeof guess): typeof guess {
  const heightOf = (part: string) =>
    scroller.querySelector(part)?.getBoundingClientRect().height || undefined;
  const rowHeight = heightOf("[data-row]") ?? known.rowHeight;
  const extra = heightOf("[data-detail]") ?? known.extra;
  const height = scroller.clientHeight || known.height;
  const isSame = rowHeight === known.rowHeight && extra === known.extra && height === known.height;
  return isSame ? known : { rowHeight, extra, height };
}
