import { html } from "htm/preact";
import { membersOf, stringIn } from "../../model/message.js";
import type { Outcome } from "../../model/outcome.js";
import { JsonView } from "../json-view.js";

/** How a call ended. */
export function OutcomeView({ outcome }: { readonly outcome: Outcome | undefined }) {
  return html`<div class="outcome" role="status" aria-label="Outcome">${outcome && html`<${Told} outcome=${outcome} />`}</div>`;
}

function Told({ outcome }: { readonly outcome: Outcome }) {
  const time = `${outcome.took < 10 ? outcome.took.toFixed(1) : Math.round(outcome.took)} ms`;
  const raw =
    outcome.isRaw &&
    html`<p class="muted">Sent past the SDK, which would have waited for a refresh.</p>`;
  if (outcome.is === "result") {
    return html`<h3 class="good">Result <span class="muted">${time}</span></h3>${raw}<${JsonView} value=${outcome.value} />`;
  }
  const { rpcCode, code, message, data } = outcome;
  const { hint, action, executed } = membersOf(data);
  return html`
    <h3 class="bad">Error ${rpcCode !== undefined && html`<code>${rpcCode}</code>`} <code>${code}</code> <span class="muted">${time}</span></h3>
    <p>${message}${executed === false && html` <span class="tag">nothing was executed</span>`}${stringIn(action) !== undefined && html` <span class="tag">action: ${action}</span>`}</p>
    ${stringIn(hint) !== undefined && html`<p class="muted">${hint}</p>`}
    ${raw}
    ${data !== undefined && html`<${JsonView} value=${data} />`}
  `;
}
