import { html } from "htm/preact";
import type { ConsoleModel } from "../../model/console-model.js";
import { Store } from "../../model/store.js";
import type { Filter } from "../../model/timeline/timeline-reader.js";
import { textOf } from "../call/field-text.js";
import { useStore } from "../hooks.js";
import { TimelineList } from "./timeline-list.js";

const filters: readonly (readonly [Filter, string])[] = [
  ["all", "All"],
  ["call", "Calls"],
  ["event", "Pushes"],
  ["auth", "Auth"],
  ["note", "Notes"],
  ["bad", "Errors"],
];
const still = new Store(0); // what a paused timeline listens to

/** What goes over the wire, the newest last. */
export function TimelinePanel({ desk }: { readonly desk: ConsoleModel }) {
  const { reader } = desk;
  const { filter, search, pausedBy } = useStore(reader.state);
  useStore(pausedBy === undefined ? desk.timeline.version : still);
  const toggle = () => (pausedBy === undefined ? reader.pause("button") : reader.resume());
  return html`
    <section class="card timeline" aria-labelledby="timeline-title">
      <div class="timeline-head">
        <h2 id="timeline-title">Timeline</h2>
        <div class="segments small" role="group" aria-label="Show">
          ${filters.map(([name, label]) => html`<button type="button" key=${name} aria-pressed=${filter === name} onClick=${() => reader.show({ filter: name })}>${label}</button>`)}
        </div>
        <label class="search"><span class="unseen">Find in the timeline</span>
          <input type="search" placeholder="Find" value=${search} onInput=${(event: InputEvent) => reader.show({ search: textOf(event) })} /></label>
        <span class="space"></span>
        <button type="button" class="small" onClick=${toggle}>${pausedBy === undefined ? "Pause" : "Resume"}</button>
        <button type="button" class="small" onClick=${() => save(desk.timeline.export())}>Export</button>
        <button type="button" class="small" onClick=${() => reader.clear()}>Clear</button>
      </div>
      <${TimelineList} reader=${reader} rows=${reader.rows} />
      ${pausedBy !== undefined && html`<${Waiting} desk=${desk} />`}
    </section>
  `;
}

/** How much has come since the timeline paused. Alone in listening for that. */
function Waiting({ desk }: { readonly desk: ConsoleModel }) {
  useStore(desk.timeline.version);
  const count = desk.reader.waiting;
  if (count === 0) return null;
  return html`<button type="button" class="waiting" onClick=${() => desk.reader.resume()}><span class="unseen">Resume (</span>${count} new<span class="unseen">)</span><span aria-hidden="true"> ↓</span></button>`;
}

function save(text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `jotwire-timeline-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000); // 10 s: the download has begun by then
}
