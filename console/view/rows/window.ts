/** Which rows of a long list are drawn. */
export interface RowWindow {
  /** Index of the first row, and of the one behind the last. */
  readonly first: number;
  readonly end: number;
  /** Pixels of the rows before and after. */
  readonly before: number;
  readonly after: number;
}

/** A list in its scroller; lengths in pixels. */
export interface RowLayout {
  readonly count: number;
  /** Height of a row: all have the same. */
  readonly rowHeight: number;
  /** Where the scroller stands, and its height. */
  readonly top: number;
  readonly height: number;
  /** The row that is open, and the height of what stands below it. */
  readonly open?: { readonly index: number; readonly extra: number } | undefined;
}

/** Rows more on each side, so that scrolling shows no hole. */
export const spare = 8;

/** The rows in sight, and a few more. */
export function rowWindow({ count, rowHeight, top, height, open }: RowLayout): RowWindow {
  const extraBefore = (index: number) =>
    open !== undefined && open.index < index ? open.extra : 0;
  const indexAt = (offset: number) => {
    const index = Math.floor(offset / rowHeight);
    if (open === undefined || index <= open.index) return index;
    return Math.max(open.index, Math.floor((offset - open.extra) / rowHeight));
  };
  const first = Math.max(0, Math.min(indexAt(top), count - Math.ceil(height / rowHeight)) - spare);
  const end = Math.min(count, indexAt(top + height) + 1 + spare);
  const before = first * rowHeight + extraBefore(first);
  const whole = count * rowHeight + extraBefore(count);
  return {
    first,
    end: Math.max(first, end),
    before,
    after: whole - end * rowHeight - extraBefore(end),
  };
}

/** Where a row begins. */
export function rowTop(index: number, { rowHeight, open }: RowLayout): number {
  return index * rowHeight + (open !== undefined && open.index < index ? open.extra : 0);
}
