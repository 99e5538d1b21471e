import { html } from "htm/preact";
import { useState } from "preact/hooks";
import type { ConsoleModel } from "../model/console-model.js";
import { Header } from "./header.js";
import { useStore } from "./hooks.js";
import { LogIn } from "./session/log-in.js";
import { Workspace } from "./workspace.js";

export function App({ desk }: { readonly desk: ConsoleModel }) {
  const state = useStore(desk.state);
  const [page, setPage] = useState<"calls" | "sessions">("calls");
  if (state.view === "log-in") return html`<${LogIn} desk=${desk} />`;
  return html`
    <${Header} desk=${desk} page=${page} onPage=${setPage} />
    <${Workspace} desk=${desk} page=${page} onCalls=${() => setPage("calls")} />
  `;
}
