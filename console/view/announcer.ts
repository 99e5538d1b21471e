import { html } from "htm/preact";
import type { ConsoleModel } from "../model/console-model.js";
import { useStore } from "./hooks.js";

/** Says what has happened to people who don't see the page change. */
export function Announcer({ desk }: { readonly desk: ConsoleModel }) {
  const { text } = useStore(desk.announcement);
  return html`<p class="unseen" role="status" aria-label="Announcement">${text}</p>`;
}
