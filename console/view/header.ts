import { html } from "htm/preact";
import type { ClientState } from "../../client/index.js";
import type { ConsoleModel } from "../model/console-model.js";
import type { Tone } from "../model/timeline/timeline.js";
import { useStore } from "./hooks.js";
import { Mark } from "./mark.js";
import { ThemeButton } from "./theme-button.js";

export type Page = "calls" | "sessions";

interface HeaderProps {
  readonly desk: ConsoleModel;
  readonly page: Page;
  /** Undefined: there is one page only. */
  readonly onPage: ((page: Page) => void) | undefined;
}

const words: Readonly<Record<ClientState, readonly [string, Tone]>> = {
  idle: ["not connected", "plain"],
  connecting: ["connecting", "warn"],
  authenticating: ["authenticating", "warn"],
  ready: ["connected", "good"],
  refreshing: ["session expired", "bad"],
  waiting: ["waiting to reconnect", "warn"],
  closed: ["logged out", "bad"],
};

export function Header({ desk, page, onPage }: HeaderProps) {
  const { client } = useStore(desk.state);
  const [word, tone] = words[client];
  const tab = (name: Page, label: string) =>
    html`<button type="button" aria-current=${page === name ? "page" : undefined} onClick=${() => onPage?.(name)}>${label}</button>`;
  return html`
    <header class="bar">
      <div class="brand"><${Mark} /><h1>jotwire console</h1></div>
      <code class="address" title=${desk.place.socket}>${desk.place.socket}</code>
      <span class="pill ${tone}" role="status"><i></i>${word}</span>
      ${onPage && html`<nav class="segments" aria-label="Pages">${tab("calls", "Calls")}${tab("sessions", "Sessions")}</nav>`}
      <span class="space"></span>
      <${ThemeButton} />
      <button type="button" onClick=${() => desk.logOut().catch(reportError)}>Log out</button>
    </header>
  `;
}
