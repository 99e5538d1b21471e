import { html } from "htm/preact";
import { useRef } from "preact/hooks";
import type { ConsoleModel } from "../../model/console-model.js";
import type { SubscriptionView } from "../../model/timeline/subscriptions.js";
import { useStore } from "../hooks.js";

interface SubscriptionsPanelProps {
  readonly desk: ConsoleModel;
  /** Opens the page of a method. */
  readonly onChoose: (name: string) => void;
}

/** Lists the live subscriptions. Renders nothing without one. */
export function SubscriptionsPanel({ desk, onChoose }: SubscriptionsPanelProps) {
  const live = useStore(desk.subscriptions.list).filter(({ isLive }) => isLive);
  const list = useRef<HTMLUListElement>(null);
  if (live.length === 0) return null;
  const end = (number: number) => {
    // its button goes: the focus moves to a neighbor's
    const buttons = [...(list.current?.querySelectorAll<HTMLElement>(".small") ?? [])];
    const index = buttons.indexOf(document.activeElement as HTMLElement);
    (buttons[index + 1] ?? buttons[index - 1])?.focus();
    desk.subscriptions.end(number);
  };
  const line = ({ number, name, params, count }: SubscriptionView) => {
    const text = params === undefined ? "" : JSON.stringify(params);
    const what = `${name} ${text}`.trim();
    return html`
      <li key=${number}>
        <button type="button" class="quiet" title=${what} onClick=${() => onChoose(name)}><b>${name}</b> <small>${text}</small></button>
        <span class="count" title="events">${count}</span>
        <button type="button" class="small" onClick=${() => end(number)}>Unsubscribe<span class="unseen"> ${what}</span></button>
      </li>`;
  };
  return html`
    <section class="card subscriptions" aria-labelledby="subscriptions-title">
      <h2 id="subscriptions-title">Subscriptions</h2>
      <ul ref=${list}>${live.map(line)}</ul>
    </section>
  `;
}
