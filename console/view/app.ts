import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ConsoleModel } from "../model/console-model.js";
import { firstOf } from "../model/open-rpc.js";
import { listMethod } from "../model/session/sessions.js";
import { Announcer } from "./announcer.js";
import { CallPanel } from "./call/call-panel.js";
import { MethodList } from "./call/method-list.js";
import { NoMethod } from "./call/no-method.js";
import { Header, type Page } from "./header.js";
import { useMedia, useStore } from "./hooks.js";
import { LogIn } from "./session/log-in.js";
import { SessionCard, SessionDetails } from "./session/session-panel.js";
import { SessionsPanel } from "./sessions/sessions-panel.js";
import { Splitter } from "./splitter.js";
import { TimelinePanel } from "./timeline/timeline-panel.js";

export function App({ desk }: { readonly desk: ConsoleModel }) {
  const { view, ended, methods } = useStore(desk.state);
  const session = useStore(desk.session.view);
  const [chosenPage, setPage] = useState<Page>("calls");
  const hasSessions = methods.some(({ name, isListed }) => isListed && name === listMethod);
  const isOver = view === "work" && ended !== undefined;
  const page = hasSessions && !isOver ? chosenPage : "calls"; // which says why it is over
  const isExpired = session?.closesAt !== undefined;
  const title = isOver
    ? "Logged out - jotwire"
    : isExpired
      ? "Expired - jotwire"
      : "jotwire console";
  useEffect(() => {
    document.title = title;
  }, [title]);
  useEffect(() => {
    if (view === "log-in") setPage("calls"); // the next user may have no other page
  }, [view]);
  if (view === "log-in") return html`<${LogIn} desk=${desk} />`;
  return html`
    <button type="button" class="skip" onClick=${toContent}>Skip to content</button>
    <${Header} desk=${desk} page=${page} onPage=${hasSessions ? setPage : undefined} />
    <${Workspace} desk=${desk} page=${page} onCalls=${() => setPage("calls")} />
    <${Announcer} desk=${desk} />
  `;
}

function toContent(): void {
  document.querySelector<HTMLElement>(".middle h2, .sessions h2")?.focus();
}

interface WorkspaceProps {
  readonly desk: ConsoleModel;
  readonly page: Page;
  readonly onCalls: () => void;
}

/**
 * Methods, the chosen one, the session, and below them what goes over the wire. On a narrow screen
 * the session stands first, in the document as well: the focus moves as the eye does.
 */
function Workspace({ desk, page, onCalls }: WorkspaceProps) {
  const isNarrow = useMedia("(max-width: 1080px)");
  const [height, setHeight] = useState<number | undefined>(undefined);
  const isSplit = !isNarrow && height !== undefined;
  const middle = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (isSplit) middle.current?.style.setProperty("--call-height", `${height}px`);
  }, [isSplit, height]);
  const [name, choose] = useChosenMethod();
  const { methods, isDiscovered, ended } = useStore(desk.state);
  const method =
    name === undefined
      ? isDiscovered || ended !== undefined
        ? firstOf(methods)
        : undefined
      : methods.find((candidate) => candidate.name === name);
  if (page === "sessions")
    return html`<main class="sessions-page"><${SessionsPanel} desk=${desk} onCalls=${onCalls} /></main>`;
  const card = html`<${SessionCard} desk=${desk} />`;
  const details = html`<${SessionDetails} desk=${desk} onChoose=${choose} />`;
  const panel =
    method === undefined
      ? html`<${NoMethod} name=${name} isLoading=${!isDiscovered && ended === undefined} />`
      : html`<${CallPanel} key=${method.name} desk=${desk} method=${method} />`;
  return html`
    <main class="desk">
      ${isNarrow && html`<aside class="strip" aria-label="Session">${card}</aside>`}
      <${MethodList} desk=${desk} chosen=${method?.name} onChoose=${choose} />
      <div class=${isSplit ? "middle split" : "middle"} ref=${middle}>
        ${panel}
        ${!isNarrow && html`<${Splitter} label="Height of the call panel" height=${height} onHeight=${setHeight} />`}
        <${TimelinePanel} desk=${desk} />
      </div>
      ${
        isNarrow
          ? html`<aside class="side" aria-label="Session details">${details}</aside>`
          : html`<aside class="side" aria-label="Session">${card}${details}</aside>`
      }
    </main>
  `;
}

/** The method of the URL's fragment, which is a link to it; undefined: none is chosen. */
function useChosenMethod(): readonly [string | undefined, (name: string) => void] {
  const [name, setName] = useState(methodOfUrl);
  useEffect(() => {
    const look = () => setName(methodOfUrl());
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  const choose = (chosen: string) => {
    setName(chosen);
    location.hash = encodeURIComponent(chosen);
  };
  return [name, choose];
}

function methodOfUrl(): string | undefined {
  try {
    return decodeURIComponent(location.hash.slice(1)) || undefined;
  } catch {
    return undefined; // no encoded name
  }
}
