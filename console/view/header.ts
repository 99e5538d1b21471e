import { html } from "htm/preact";
import type { ClientState } from "../../client/index.js";
import type { ConsoleModel } from "../model/console-model.js";
import { listMethod } from "../model/session/sessions.js";
import type { Tone } from "../model/timeline/timeline.js";
import { useStore } from "./hooks.js";
import { Mark } from "./mark.js";
import { ThemeButton } from "./theme-button.js";

interface HeaderProps {
  readonly desk: ConsoleModel;
  readonly page: "calls" | "sessions";
  readonly onPage: (page: "calls" | "sessions") => void;
}

const words: Readonly<Record<ClientState, readonly [string, Tone]>> = {
  idle: ["not connected", "plain"],
  connecting: ["connecting", "warn"],
  authenticating: ["authenticating", "warn"],
  ready: ["connected", "good"],
  refreshing: ["session expired", "bad"],
  waiting: ["waiting to reconnect", "warn"],
  closed: ["closed", "bad"],
};

export function Header({ desk, page, onPage }: HeaderProps) {
  const { client, methods } = useStore(desk.state);
  const [word, tone] = words[client];
  const tab = (name: "calls" | "sessions", label: string) =>
    html`<button type="button" aria-current=${page === name ? "page" : undefined} onClick=${() => onPage(name)}>${label}</button>`;
  return html`
    <header class="bar">
      <div class="brand"><${Mark} /><h1>jotwire console</h1></div>
      <code class="address">${desk.place.socket}</code>
      <span class="pill ${tone}" role="status"><i></i>${word}</span>
      ${
        methods.some(({ name, isListed }) => isListed && name === listMethod) &&
        html`<nav class="segments" aria-label="Pages">${tab("calls", "Calls")}${tab("sessions", "Sessions")}</nav>`
      }
      <span class="space"></span>
      <${ThemeButton} />
      <button type="button" onClick=${() => desk.logOut().catch(reportError)}>Log out</button>
    </header>
  `;
}
