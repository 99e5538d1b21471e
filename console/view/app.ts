import { html } from "htm/preact";
import { useState } from "preact/hooks";
import type { ConsoleModel } from "../model/console-model.js";
import { CallPanel } from "./call/call-panel.js";
import { MethodList } from "./call/method-list.js";
import { Header } from "./header.js";
import { useStore } from "./hooks.js";
import { LogIn } from "./session/log-in.js";
import { SessionPanel } from "./session/session-panel.js";
import { SessionsPanel } from "./session/sessions-panel.js";
import { TimelinePanel } from "./timeline/timeline-panel.js";

export function App({ desk }: { readonly desk: ConsoleModel }) {
  const state = useStore(desk.state);
  const [page, setPage] = useState<"calls" | "sessions">("calls");
  if (state.view === "log-in") return html`<${LogIn} desk=${desk} />`;
  return html`
    <${Header} desk=${desk} page=${page} onPage=${setPage} />
    <${Workspace} desk=${desk} page=${page} onCalls=${() => setPage("calls")} />
  `;
}

interface WorkspaceProps {
  readonly desk: ConsoleModel;
  readonly page: "calls" | "sessions";
  readonly onCalls: () => void;
}

/** Methods, the chosen one, the session, and below them what goes over the wire. */
function Workspace({ desk, page, onCalls }: WorkspaceProps) {
  const { methods } = useStore(desk.state);
  const [chosen, choose] = useState("whoami");
  const method = methods.find(({ name }) => name === chosen) ?? methods[0];
  const open = (name: string) => {
    choose(name);
    onCalls();
  };
  return html`
    <main class="desk">
      <${MethodList} desk=${desk} chosen=${page === "calls" ? method?.name : undefined} onChoose=${open} />
      <div class="middle">
        ${page === "sessions" ? html`<${SessionsPanel} desk=${desk} />` : method && html`<${CallPanel} key=${method.name} desk=${desk} method=${method} />`}
        <${TimelinePanel} desk=${desk} />
      </div>
      <${SessionPanel} desk=${desk} onChoose=${open} />
    </main>
  `;
}
