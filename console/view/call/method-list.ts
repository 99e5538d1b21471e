import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ConsoleModel } from "../../model/console-model.js";
import { groupsOf, type Lock, lockOf, type Method } from "../../model/open-rpc.js";
import { useStore } from "../hooks.js";
import { Icon, type IconName } from "../icon.js";
import { textOf } from "./field-text.js";

interface MethodListProps {
  readonly desk: ConsoleModel;
  readonly chosen: string | undefined;
  readonly onChoose: (name: string) => void;
}

const lockWords: Readonly<Record<Lock, string>> = {
  public: "public",
  open: "allowed",
  locked: "locked",
};
const legend: readonly (readonly [IconName, string])[] = [
  ["public", "public"],
  ["open", "allowed"],
  ["locked", "locked"],
  ["stream", "subscription"],
];

/** All methods; one of them is in the tab order, and the arrow keys lead to the others. */
export function MethodList({ desk, chosen, onChoose }: MethodListProps) {
  const { methods } = useStore(desk.state);
  const session = useStore(desk.session.view);
  const [search, setSearch] = useState("");
  const field = useSlash();
  const list = useRef<HTMLDivElement>(null);
  const isLive = session !== null && session.closesAt === undefined;
  const found = methods.filter(({ name, summary }) =>
    `${name} ${summary}`.toLowerCase().includes(search.trim().toLowerCase()),
  );
  const groups = [...groupsOf(found)];
  const first = groups[0]?.[1][0]?.name;
  const reached = found.some(({ name }) => name === chosen) ? chosen : first;

  const searchKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") moveIn(list.current, event);
    if (event.key === "Escape") setSearch("");
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey || first === undefined) return;
    event.preventDefault();
    onChoose(first);
  };
  return html`
    <nav class="methods" aria-label="Methods">
      <label class="search"><span class="unseen">Find a method</span>
        <input ref=${field} type="search" placeholder="Find a method ( / )" aria-keyshortcuts="/" value=${search}
          onInput=${(event: InputEvent) => setSearch(textOf(event))} onKeyDown=${searchKey} /></label>
      <div class="method-groups" ref=${list} onKeyDown=${(event: KeyboardEvent) => moveIn(list.current, event)}>
        ${groups.map(
          ([group, members]) => html`
            <section key=${group}>
              <h2>${group}</h2>
              <ul>
                ${members.map(
                  (method) => html`
                    <li key=${method.name}>
                      <${MethodButton} method=${method} lock=${lockOf(method, isLive)} isChosen=${method.name === chosen}
                        isReached=${method.name === reached} isFull=${search.trim() !== ""} onChoose=${onChoose} />
                    </li>`,
                )}
              </ul>
            </section>`,
        )}
        <p class="muted" role="status">${found.length === 0 ? `No methods match “${search.trim()}”.` : ""}</p>
      </div>
      <ul class="legend" aria-hidden="true">${legend.map(([icon, word]) => html`<li key=${word}><${Icon} name=${icon} />${word}</li>`)}</ul>
    </nav>
  `;
}

/** A field that "/" focuses, from anywhere but another field. */
function useSlash() {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const listener = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      const { target } = event;
      if (target instanceof HTMLElement && target.closest("input, textarea, select") !== null)
        return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener("keydown", listener);
    return () => removeEventListener("keydown", listener);
  }, []);
  return field;
}

/** Moves the focus among the methods; from elsewhere to the first. */
function moveIn(list: HTMLElement | null, event: KeyboardEvent): void {
  const buttons = [...(list?.querySelectorAll<HTMLElement>(".method") ?? [])];
  const at = buttons.indexOf(document.activeElement as HTMLElement);
  const places: Readonly<Record<string, number>> = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    Home: 0,
    End: buttons.length - 1,
  };
  const place = places[event.key];
  if (place === undefined) return;
  event.preventDefault();
  buttons[place]?.focus();
}

interface MethodButtonProps {
  readonly method: Method;
  readonly lock: Lock;
  readonly isChosen: boolean;
  readonly isReached: boolean;
  /** Shows the whole name, not its last part alone. */
  readonly isFull: boolean;
  readonly onChoose: (name: string) => void;
}

function MethodButton({ method, lock, isChosen, isReached, isFull, onChoose }: MethodButtonProps) {
  const { name, summary, scopes, isSubscription } = method;
  const facts = [
    scopes.length === 0 ? lockWords[lock] : `${lockWords[lock]}; needs ${scopes.join(", ")}`,
    ...(isSubscription ? ["a subscription"] : []),
  ].join("; ");
  return html`
    <button type="button" class="method ${lock}" aria-current=${isChosen ? "true" : undefined} aria-label="${name} (${facts})"
      tabindex=${isReached ? 0 : -1} title=${[name, summary].filter((part) => part !== "").join("\n")} onClick=${() => onChoose(name)}>
      <${Icon} name=${lock} />
      <span class="method-name">${isFull ? name : name.slice(name.lastIndexOf(".") + 1)}</span>
      ${isSubscription && html`<${Icon} name="stream" />`}
    </button>
  `;
}
