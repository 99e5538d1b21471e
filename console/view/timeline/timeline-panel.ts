import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ConsoleModel } from "../../model/console-model.js";
import type { Entry, Topic } from "../../model/timeline/timeline.js";
import { textOf } from "../call/field-text.js";
import { useStore } from "../hooks.js";
import { TimelineRow } from "./timeline-row.js";

type Filter = "all" | Topic | "bad";

const filters: readonly (readonly [Filter, string])[] = [
  ["all", "All"],
  ["call", "Calls"],
  ["event", "Pushes"],
  ["auth", "Auth"],
  ["note", "Notes"],
  ["bad", "Errors"],
];
const shown = 300; // rows: older ones are in the export

/** What goes over the wire, the newest last. */
export function TimelinePanel({ desk }: { readonly desk: ConsoleModel }) {
  useStore(desk.timeline.version);
  const [filter, setFilter] = useState<Filter>("all");
  const [search, setSearch] = useState("");
  const [frozen, setFrozen] = useState<readonly Entry[] | undefined>(undefined);
  const [opened, setOpened] = useState<number | undefined>(undefined);
  const entries = (frozen ?? desk.timeline.entries)
    .filter((entry) => isWanted(entry, filter, search.toLowerCase()))
    .slice(-shown);
  const pair = pairOf(opened, entries);
  const list = useFollow();
  const waiting =
    frozen === undefined
      ? 0
      : (desk.timeline.entries.at(-1)?.number ?? 0) - (frozen.at(-1)?.number ?? 0);

  return html`
    <section class="card timeline" aria-labelledby="timeline-title">
      <div class="timeline-head">
        <h2 id="timeline-title">Timeline</h2>
        <div class="segments small" role="group" aria-label="Show">
          ${filters.map(([name, label]) => html`<button type="button" key=${name} aria-pressed=${filter === name} onClick=${() => setFilter(name)}>${label}</button>`)}
        </div>
        <label class="search"><span class="unseen">Find in the timeline</span>
          <input type="search" placeholder="Find" value=${search} onInput=${(event: InputEvent) => setSearch(textOf(event))} /></label>
        <span class="space"></span>
        <button type="button" class="small" aria-pressed=${frozen !== undefined} onClick=${() => setFrozen(frozen === undefined ? [...desk.timeline.entries] : undefined)}>
          ${frozen === undefined ? "Pause" : `Go on${waiting > 0 ? ` (${waiting})` : ""}`}</button>
        <button type="button" class="small" onClick=${() => save(desk.timeline.export())}>Export</button>
        <button type="button" class="small" onClick=${() => desk.timeline.clear()}>Clear</button>
      </div>
      <div class="rows" ref=${list} tabindex="0" role="region" aria-label="Frames">
        <table>
          <colgroup><col class="time" /><col class="direction" /><col /><col class="took" /><col class="size" /></colgroup>
          <thead class="unseen"><tr><th>Time</th><th>Direction</th><th>What</th><th>Milliseconds</th><th>Bytes</th></tr></thead>
          <tbody>
            ${entries.map(
              (
                entry,
              ) => html`<${TimelineRow} key=${entry.number} entry=${entry} isOpen=${entry.number === opened} isPair=${entry.number === pair}
                onOpen=${() => setOpened(entry.number === opened ? undefined : entry.number)} />`,
            )}
          </tbody>
        </table>
        ${entries.length === 0 && html`<p class="muted">Nothing yet.</p>`}
      </div>
    </section>
  `;
}

/** The other half of a request and its response. */
function pairOf(number: number | undefined, entries: readonly Entry[]): number | undefined {
  if (number === undefined) return undefined;
  const entry = entries.find((candidate) => candidate.number === number);
  return entry?.answers ?? entries.find((candidate) => candidate.answers === number)?.number;
}

function isWanted(entry: Entry, filter: Filter, search: string): boolean {
  if (filter === "bad" ? entry.tone !== "bad" : filter !== "all" && entry.topic !== filter)
    return false;
  return search === "" || `${entry.title} ${entry.text}`.toLowerCase().includes(search);
}

/** Keeps the newest row in view, unless somebody has scrolled up to read. */
function useFollow() {
  const list = useRef<HTMLDivElement>(null);
  const isFollowing = useRef(true);
  useEffect(() => {
    const element = list.current;
    if (element === null) return;
    let last = 0;
    const look = () => {
      if (element.scrollHeight - element.scrollTop - element.clientHeight < 40)
        isFollowing.current = true;
      // rows that are added never scroll up
      else if (element.scrollTop < last) isFollowing.current = false;
      last = element.scrollTop;
    };
    const resized = new ResizeObserver(() => {
      if (isFollowing.current) element.scrollTop = element.scrollHeight;
    });
    resized.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      resized.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  useEffect(() => {
    if (isFollowing.current && list.current) list.current.scrollTop = list.current.scrollHeight;
  });
  return list;
}

function save(text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `jotwire-timeline-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000); // 10 s: the download has begun by then
}
