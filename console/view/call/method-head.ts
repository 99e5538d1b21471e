import { html } from "htm/preact";
import type { Ref } from "preact";
import type { DeclaredError, Method } from "../../model/open-rpc.js";
import { JsonView } from "../json-view.js";

interface MethodHeadProps {
  readonly method: Method;
  readonly title: Ref<HTMLHeadingElement>;
}

/** What the server says about a method. */
export function MethodHead({ method, title }: MethodHeadProps) {
  const { name, summary, description, isPublic, scopes, isListed, isBuiltIn } = method;
  return html`
    <div class="call-head">
      <h2 id="method-name" tabindex="-1" ref=${title}><code>${name}</code></h2>
      <div class="needs">
        ${isPublic && html`<span class="tag">public</span>`}
        ${scopes.map((scope) => html`<span class="tag" key=${scope}>needs ${scope}</span>`)}
        ${!isPublic && scopes.length === 0 && html`<span class="tag">any logged-in user</span>`}
        ${!isListed && html`<span class="tag bad">no longer available to this session</span>`}
      </div>
      <p class="muted">${summary || description || "No description."}</p>
      ${summary !== "" && description !== "" && html`<p class="muted">${description}</p>`}
    </div>
    ${!isBuiltIn && html`<${Contract} method=${method} />`}
  `;
}

/** The schema of the result, and the errors that the method declares. */
function Contract({ method: { result, errors, isSubscription } }: { readonly method: Method }) {
  if (result === undefined && errors.length === 0) return null;
  const what = [
    ...(result === undefined ? [] : [isSubscription ? "Events" : "Result"]),
    ...(errors.length === 0
      ? []
      : [`${errors.length} declared ${errors.length === 1 ? "error" : "errors"}`]),
  ].join(" and ");
  return html`
    <details class="contract">
      <summary>${what}</summary>
      ${
        errors.length > 0 &&
        html`<ul aria-label="Declared errors">${errors.map(
          ({ code, message }: DeclaredError) =>
            html`<li key=${message}>${code !== undefined && html`<code class="bad">${code}</code> `}${message}</li>`,
        )}</ul>`
      }
      ${result !== undefined && html`<${JsonView} value=${result} label=${isSubscription ? "Schema of the events" : "Schema of the result"} />`}
    </details>
  `;
}
