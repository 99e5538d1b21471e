import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ConsoleModel } from "../../model/console-model.js";
import { type Lock, lockOf, type Method } from "../../model/open-rpc.js";
import { useStore } from "../hooks.js";
import { Icon } from "../icon.js";
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

export function MethodList({ desk, chosen, onChoose }: MethodListProps) {
  const { methods } = useStore(desk.state);
  const session = useStore(desk.session.view);
  const [search, setSearch] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const listener = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (
        event.target instanceof HTMLElement &&
        event.target.closest("input, textarea, select") !== null
      )
        return;
      event.preventDefault(); // "/" anywhere but in a field
      field.current?.focus();
    };
    addEventListener("keydown", listener);
    return () => removeEventListener("keydown", listener);
  }, []);
  const isLive = session !== null && session.closesAt === undefined;
  const found = methods.filter(({ name, summary }) =>
    `${name} ${summary}`.toLowerCase().includes(search.toLowerCase()),
  );
  const groups = groupsOf(found);
  return html`
    <nav class="methods" aria-label="Methods">
      <label class="search"><span class="unseen">Find a method</span>
        <input ref=${field} type="search" placeholder="Find a method  /" value=${search} onInput=${(event: InputEvent) => setSearch(textOf(event))} /></label>
      ${[...groups].map(
        ([group, members]) => html`
          <section key=${group}>
            <h2>${group}</h2>
            <ul>
              ${members.map(
                (method) => html`
                  <li key=${method.name}>
                    <${MethodButton} method=${method} lock=${lockOf(method, isLive)} isChosen=${method.name === chosen} onChoose=${onChoose} />
                  </li>`,
              )}
            </ul>
          </section>`,
      )}
      ${found.length === 0 && html`<p class="muted">No method has this in its name.</p>`}
    </nav>
  `;
}

interface MethodButtonProps {
  readonly method: Method;
  readonly lock: Lock;
  readonly isChosen: boolean;
  readonly onChoose: (name: string) => void;
}

function MethodButton({
  method: { name, summary, scopes, isSubscription },
  lock,
  isChosen,
  onChoose,
}: MethodButtonProps) {
  const needs =
    scopes.length === 0 ? lockWords[lock] : `${lockWords[lock]}; needs ${scopes.join(", ")}`;
  return html`
    <button type="button" class="method ${lock}" aria-current=${isChosen ? "true" : undefined} title=${summary || name} onClick=${() => onChoose(name)}>
      <${Icon} name=${lock} />
      <span class="method-name">${name.slice(name.lastIndexOf(".") + 1)}</span>
      ${isSubscription && html`<${Icon} name="stream" />`}
      <span class="unseen">${name} (${needs}${isSubscription ? "; a subscription" : ""})</span>
    </button>
  `;
}

/**
 * Methods by what stands before the last dot in their names; the application's first, those that
 * every server has last.
 */
function groupsOf(methods: readonly Method[]): ReadonlyMap<string, readonly Method[]> {
  const groups = new Map<string, Method[]>();
  // stable: otherwise in the order of the document
  const sorted = [...methods].sort((one, other) => rankOf(one) - rankOf(other));
  for (const method of sorted) {
    const group = groupOf(method);
    groups.set(group, [...(groups.get(group) ?? []), method]);
  }
  return groups;
}

function groupOf({ name, isBuiltIn }: Method): string {
  if (isBuiltIn) return "built in";
  return name.includes(".") ? name.slice(0, name.lastIndexOf(".")) : "methods";
}

function rankOf({ name, isBuiltIn }: Method): number {
  if (isBuiltIn) return 2;
  return name.startsWith("rpc.") ? 1 : 0;
}
