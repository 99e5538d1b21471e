import { Store } from "../store.js";
import type { Entry, Timeline, Topic } from "./timeline.js";

export type Filter = "all" | Topic | "bad";

/** What holds the timeline still; a later one in this list replaces an earlier one. */
const causes = ["focus", "scroll", "row", "button"] as const;
export type PauseCause = (typeof causes)[number];

/** One line: an entry, or all pushes of one run that have the same title. */
export interface Row {
  readonly key: string;
  /** The newest. */
  readonly entry: Entry;
  /** Those of the line that are kept, the newest last. */
  readonly entries: readonly Entry[];
  readonly count: number;
}

interface ReaderState {
  readonly filter: Filter;
  readonly search: string;
  /** Key of the row that is open. */
  readonly opened: string | undefined;
  /** What holds the timeline still; undefined: it follows the newest entry. */
  readonly pausedBy: PauseCause | undefined;
}

/** How somebody reads the timeline: what is shown of it, which row is open, and whether it moves. */
export class TimelineReader {
  readonly state = new Store<ReaderState>({
    filter: "all",
    search: "",
    opened: undefined,
    pausedBy: undefined,
  });
  readonly #timeline: Timeline;
  #frozen: readonly Entry[] | undefined; // what was there when it paused

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  /** The newest last. */
  get rows(): readonly Row[] {
    const { search } = this.state.value;
    const groups = new Map<string, Entry[]>();
    for (const entry of this.#frozen ?? this.#timeline.entries) {
      if (!this.#isShown(entry)) continue;
      const key = keyOf(entry);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [entry]);
      else group.push(entry);
    }
    return [...groups].map(([key, entries]) => {
      const entry = entries.at(-1) as Entry;
      return { key, entry, entries, count: search === "" ? entry.repeat : entries.length };
    });
  }

  /** Entries that came since it paused, and that the filter shows. */
  get waiting(): number {
    const { filter, search } = this.state.value;
    if (this.#frozen === undefined) return 0;
    const seen = this.#frozen.at(-1)?.number ?? 0;
    const { entries } = this.#timeline;
    if (filter === "all" && search === "") return Math.max(0, (entries.at(-1)?.number ?? 0) - seen);
    return entries.filter((entry) => entry.number > seen && this.#isShown(entry)).length;
  }

  /** The other half of a request and its response. */
  pairOf({ number, answers }: Entry): Entry | undefined {
    return (this.#frozen ?? this.#timeline.entries).find((entry) =>
      answers === undefined ? entry.answers === number : entry.number === answers,
    );
  }

  show(change: { readonly filter?: Filter; readonly search?: string }): void {
    this.state.patch(change);
  }

  /** Holds still what is shown. */
  pause(cause: PauseCause): void {
    const { pausedBy } = this.state.value;
    this.#frozen ??= [...this.#timeline.entries];
    if (pausedBy === undefined || causes.indexOf(cause) > causes.indexOf(pausedBy))
      this.state.patch({ pausedBy: cause });
  }

  /** Shows what has come meanwhile, and moves on. */
  resume(): void {
    this.#frozen = undefined;
    this.state.patch({ pausedBy: undefined, opened: undefined });
  }

  /** The reader scrolled down to the newest row, or left the list. */
  release(how: "scroll" | "focus"): void {
    const { pausedBy, opened } = this.state.value;
    if (pausedBy === undefined || pausedBy === "button" || opened !== undefined) return;
    if (how === "scroll" || pausedBy === "focus") this.resume();
  }

  open(key: string): void {
    this.pause("row");
    this.state.patch({ opened: key });
  }

  close(): void {
    this.state.patch({ opened: undefined });
  }

  /** Opens the row of an entry, even if the filter hides it; gives its key. */
  reveal(entry: Entry): string {
    if (!this.#isShown(entry)) this.state.patch({ filter: "all", search: "" });
    this.open(keyOf(entry));
    return keyOf(entry);
  }

  clear(): void {
    this.#timeline.clear();
    this.resume();
  }

  /** Leaves nothing of what was read, and how. */
  forget(): void {
    this.show({ filter: "all", search: "" });
    this.clear();
  }

  #isShown({ topic, tone, title, text }: Entry): boolean {
    const { filter, search } = this.state.value;
    if (filter === "bad" ? tone !== "bad" : filter !== "all" && topic !== filter) return false;
    return search === "" || `${title} ${text}`.toLowerCase().includes(search.toLowerCase());
  }
}

function keyOf({ topic, run, direction, title, number }: Entry): string {
  return topic === "event" ? `${run} ${direction} ${title}` : String(number);
}
