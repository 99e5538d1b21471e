import { html } from "htm/preact";
import type { ConsoleModel } from "../../model/console-model.js";
import type { EventView, SubscriptionView } from "../../model/timeline/subscriptions.js";
import { useStore } from "../hooks.js";
import { TimeView } from "../time-view.js";

/** The subscriptions of one method, with their events. */
export function EventsView({ desk, name }: { readonly desk: ConsoleModel; readonly name: string }) {
  const own = useStore(desk.subscriptions.list).filter(
    (subscription) => subscription.name === name,
  );
  return html`${own.map((subscription) => html`<${Events} key=${subscription.number} desk=${desk} subscription=${subscription} />`)}`;
}

function Events({
  desk,
  subscription,
}: {
  readonly desk: ConsoleModel;
  readonly subscription: SubscriptionView;
}) {
  const { number, name, params, isLive, isAccepted, why, count, events } = subscription;
  const state = isLive ? (isAccepted ? "live" : "subscribing") : why;
  return html`
    <section class="events" aria-label="Events of ${name}">
      <div class="events-head">
        <span class="pill ${isLive && isAccepted ? "good" : "plain"}"><i></i>${state}</span>
        <span>${count} ${count === 1 ? "event" : "events"}</span>
        ${params !== undefined && html`<code class="muted">${JSON.stringify(params)}</code>`}
        <span class="space"></span>
        ${isLive && html`<button type="button" class="small" onClick=${() => desk.subscriptions.end(number)}>Unsubscribe</button>`}
      </div>
      <ol tabindex="0" aria-label="The newest events of ${name}">
        ${events.map(
          ({ number: event, at, text }: EventView) => html`
            <li key=${event}><${TimeView} at=${at} isExact /> ${text === null ? html`<b class="warn">Gap: events were missed</b>` : html`<code>${text}</code>`}</li>`,
        )}
      </ol>
    </section>
  `;
}
