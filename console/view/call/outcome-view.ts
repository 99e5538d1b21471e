import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { membersOf, stringIn } from "../../model/message.js";
import type { Outcome } from "../../model/outcome.js";
import { CopyButton } from "../copy-button.js";
import { JsonView } from "../json-view.js";

/** How a call ended. Screen readers announce the heading alone: the JSON may be long. */
export function OutcomeView({ outcome }: { readonly outcome: Outcome | undefined }) {
  const [isCollapsed, setCollapsed] = useState(false);
  const value = jsonOf(outcome);
  return html`
    <section class="outcome ${outcome === undefined ? "empty" : ""}" aria-label="Outcome">
      <div class="outcome-head">
        <div role="status">${outcome && html`<${Heading} outcome=${outcome} />`}</div>
        ${
          value &&
          html`<div class="row">
            <${CopyButton} label="Copy" text=${() => JSON.stringify(value.json, null, 2) ?? ""} />
            <button type="button" class="small" aria-expanded=${!isCollapsed} onClick=${() => setCollapsed(!isCollapsed)}>${isCollapsed ? "Expand" : "Collapse"}</button>
          </div>`
        }
      </div>
      ${outcome && html`<${Remarks} outcome=${outcome} />`}
      ${value && !isCollapsed && html`<${JsonView} value=${value.json} label="Outcome, JSON" />`}
    </section>
  `;
}

function Heading({ outcome }: { readonly outcome: Outcome }) {
  const { took } = outcome;
  const time = html`<span class="muted">${took < 10 ? took.toFixed(1) : Math.round(took)} ms</span>`;
  if (outcome.is === "result") return html`<h3 class="good">Result ${time}</h3>`;
  if (outcome.is === "cancelled") return html`<h3 class="warn">Cancelled ${time}</h3>`;
  const { rpcCode, code, message } = outcome;
  return html`
    <h3 class="bad">Error ${rpcCode !== undefined && html`<code>${rpcCode}</code>`} <code>${code}</code> ${time}</h3>
    ${message !== code && html`<p>${message}</p>`}
  `;
}

function Remarks({ outcome }: { readonly outcome: Outcome }) {
  const raw =
    outcome.isRaw &&
    html`<p class="muted">Sent directly to the server; the SDK would have waited for a refresh.</p>`;
  if (outcome.is === "cancelled")
    return html`<p class="muted">The server was asked to stop ($/cancelRequest).</p>${raw}`;
  if (outcome.is === "result") return raw;
  const { hint, action, executed } = membersOf(outcome.data);
  return html`
    ${
      (executed === false || stringIn(action) !== undefined) &&
      html`<p class="tags">${executed === false && html`<span class="tag">nothing was executed</span>`}${stringIn(action) !== undefined && html`<span class="tag">action: ${action}</span>`}</p>`
    }
    ${stringIn(hint) !== undefined && html`<p class="muted">${hint}</p>`}
    ${raw}
  `;
}

function jsonOf(outcome: Outcome | undefined): { readonly json: unknown } | undefined {
  if (outcome?.is === "result") return { json: outcome.value };
  return outcome?.is === "error" && outcome.data !== undefined ? { json: outcome.data } : undefined;
}
