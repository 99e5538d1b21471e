import { html } from "htm/preact";
import { useState } from "preact/hooks";
import type { ConsoleModel } from "../model/console-model.js";
import { CallPanel } from "./call/call-panel.js";
import { MethodList } from "./call/method-list.js";
import { useStore } from "./hooks.js";
import { SessionPanel } from "./session/session-panel.js";
import { SessionsPanel } from "./session/sessions-panel.js";
import { TimelinePanel } from "./timeline/timeline-panel.js";

interface WorkspaceProps {
  readonly desk: ConsoleModel;
  readonly page: "calls" | "sessions";
  readonly onCalls: () => void;
}

/** Methods, the chosen one, the session, and below them what goes over the wire. */
export function Workspace({ desk, page, onCalls }: WorkspaceProps) {
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
