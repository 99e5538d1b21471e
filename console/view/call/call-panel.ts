import { html } from "htm/preact";
import { useState } from "preact/hooks";
import type { ConsoleModel } from "../../model/console-model.js";
import { type Method, sampleParams } from "../../model/open-rpc.js";
import { failureOf, type Outcome } from "../../model/outcome.js";
import { paramsIn, textFor } from "../../model/params-text.js";
import { EventsView } from "../timeline/events-view.js";
import { OutcomeView } from "./outcome-view.js";
import { ParamsEditor } from "./params-editor.js";

/** One method: what it is, its params, and how the last call of it ended. */
export function CallPanel({
  desk,
  method,
}: {
  readonly desk: ConsoleModel;
  readonly method: Method;
}) {
  const [text, setText] = useState(() => textFor(sampleParams(method)));
  const [outcome, setOutcome] = useState<Outcome | undefined>(undefined);
  const [isBusy, setBusy] = useState(false);
  const params = paramsIn(text);

  const subscribe = (value: unknown) => {
    setOutcome(undefined);
    try {
      desk.subscribe(method.name, value);
    } catch (error) {
      setOutcome(failureOf(error, 0));
    }
  };
  const call = async () => {
    if (!params.isValid || isBusy) return;
    if (method.isSubscription) return subscribe(params.value);
    setBusy(true);
    setOutcome(await desk.call(method.name, params.value));
    setBusy(false);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    call().catch(reportError);
  };
  const shortcut = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
  };

  return html`
    <section class="card call" aria-labelledby="method-name">
      <form onSubmit=${submit} onKeyDown=${shortcut} novalidate>
        <div class="call-head">
          <div>
            <h2 id="method-name"><code>${method.name}</code></h2>
            <p class="muted">${method.summary || method.description || "No description."}</p>
          </div>
          <button class="primary" disabled=${!params.isValid || isBusy} title="Ctrl + Enter">${isBusy ? "Calling…" : method.isSubscription ? "Subscribe" : "Call"}</button>
        </div>
        <p class="needs">
          ${method.isPublic && html`<span class="tag">public</span>`}
          ${method.scopes.map((scope) => html`<span class="tag" key=${scope}>needs ${scope}</span>`)}
          ${!method.isPublic && method.scopes.length === 0 && html`<span class="tag">any session</span>`}
          ${!method.isListed && html`<span class="tag bad">not for this session any more</span>`}
        </p>
        <${ParamsEditor}
          method=${method}
          text=${text}
          onText=${setText}
          problem=${params.isValid ? undefined : params.problem}
          value=${params.isValid ? params.value : undefined}
        ><${OutcomeView} outcome=${outcome} /><//>
      </form>
      ${method.isSubscription && html`<${EventsView} desk=${desk} name=${method.name} />`}
    </section>
  `;
}
