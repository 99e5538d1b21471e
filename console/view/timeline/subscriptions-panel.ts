import { html } from "htm/preact";
import type { ConsoleModel } from "../../model/console-model.js";
import { useStore } from "../hooks.js";

interface SubscriptionsPanelProps {
  readonly desk: ConsoleModel;
  /** Opens the page of a method. */
  readonly onChoose: (name: string) => void;
}

/** Lists the live subscriptions. Renders nothing without one. */
export function SubscriptionsPanel({ desk, onChoose }: SubscriptionsPanelProps) {
  const live = useStore(desk.subscriptions.list).filter(({ isLive }) => isLive);
  if (live.length === 0) return null;
  return html`
    <section class="card subscriptions" aria-labelledby="subscriptions-title">
      <h2 id="subscriptions-title">Subscriptions</h2>
      <ul>
        ${live.map(
          ({ number, name, params, count }) => html`
            <li key=${number}>
              <button type="button" class="quiet" onClick=${() => onChoose(name)}><b>${name}</b> <small>${params === undefined ? "" : JSON.stringify(params)}</small></button>
              <span class="count" title="events">${count}</span>
              <button type="button" class="small" onClick=${() => desk.subscriptions.end(number)}>End<span class="unseen"> ${name}</span></button>
            </li>`,
        )}
      </ul>
    </section>
  `;
}
