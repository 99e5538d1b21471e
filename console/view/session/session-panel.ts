import { html } from "htm/preact";
import { useState } from "preact/hooks";
import type { ConsoleModel } from "../../model/console-model.js";
import { textOf } from "../call/field-text.js";
import { useAction, useStore } from "../hooks.js";
import { SubscriptionsPanel } from "../timeline/subscriptions-panel.js";
import { ClaimsView } from "./claims-view.js";
import { ExpiryRing } from "./expiry-ring.js";

interface SessionPanelProps {
  readonly desk: ConsoleModel;
  /** Shows a method. */
  readonly onChoose: (name: string) => void;
}

/** Who speaks on the socket, until when, and what can be done to that. */
export function SessionPanel({ desk, onChoose }: SessionPanelProps) {
  const { isHeld, notices, ended, token } = useStore(desk.state);
  const session = useStore(desk.session.view);
  return html`
    <aside class="side" aria-label="Session">
      <section class="card session">
        <${ExpiryRing} session=${session} />
        <div class="who">
          <strong>${session?.subject ?? "nobody"}</strong>
          <ul class="scopes" aria-label="Scopes">${session?.scopes.map((scope) => html`<li class="tag" key=${scope}>${scope}</li>`)}</ul>
          ${session !== null && session.scopes.length === 0 && html`<span class="muted">no scopes</span>`}
        </div>
        ${ended === undefined ? html`<${Actions} desk=${desk} isHeld=${isHeld} />` : html`<${Ended} desk=${desk} why=${ended} />`}
        <div aria-live="polite">
          ${notices && html`<div class="news ${notices.tone}"><strong>${notices.title}</strong><p>${notices.text}</p></div>`}
        </div>
      </section>
      <${SubscriptionsPanel} desk=${desk} onChoose=${onChoose} />
      ${token && html`<${ClaimsView} token=${token} connectionId=${session?.connectionId} />`}
    </aside>
  `;
}

function Ended({ desk, why }: { readonly desk: ConsoleModel; readonly why: string }) {
  return html`
    <div class="news bad" role="alert"><strong>Signed out</strong><p>${why}</p></div>
    <button type="button" class="primary wide" onClick=${() => desk.logOut().catch(reportError)}>Log in again</button>
  `;
}

function Actions({ desk, isHeld }: { readonly desk: ConsoleModel; readonly isHeld: boolean }) {
  const [isPasting, setPasting] = useState(false);
  const refresh = useAction(() => desk.refresh());
  const revoke = useAction(() => desk.revoke());
  const start = () => (desk.isRenewable ? refresh.run() : setPasting(true));
  return html`
    <div class="actions">
      <button type="button" disabled=${refresh.isBusy} title="A new token, on the same socket" onClick=${start}>Refresh</button>
      ${
        isHeld
          ? html`<button type="button" class="chosen" aria-pressed="true" title="Let the SDK refresh in time again" onClick=${() => desk.release()}>Stop expiring</button>`
          : html`<button type="button" aria-pressed="false" title="Stop refreshing, and see what happens" onClick=${() => desk.letExpire()}>Let it expire</button>`
      }
      <button type="button" disabled=${revoke.isBusy || !desk.isRevocable} onClick=${revoke.run}
        title=${desk.isRevocable ? "End this login on the server" : "The tokens come from another issuer: it would have to revoke them"}>Revoke</button>
      <button type="button" title="Cut the socket, as a bad network would" onClick=${() => desk.drop()}>Drop the network</button>
    </div>
    ${isPasting && html`<${PasteToken} desk=${desk} onDone=${() => setPasting(false)} />`}
    <p class="problem" role="alert">${refresh.problem ?? revoke.problem}</p>
  `;
}

/** Without a refresh token the renewed one comes from a person. */
function PasteToken({
  desk,
  onDone,
}: {
  readonly desk: ConsoleModel;
  readonly onDone: () => void;
}) {
  const [token, setToken] = useState("");
  const { run, isBusy, problem } = useAction(async () => {
    await desk.refresh(token.trim());
    onDone();
  });
  const submit = (event: Event) => {
    event.preventDefault();
    run();
  };
  return html`
    <form class="paste" onSubmit=${submit}>
      <label class="field"><span>A renewed access token of the same user</span>
        <textarea required autofocus rows="3" spellcheck=${false} autocomplete="off" value=${token} onInput=${(event: InputEvent) => setToken(textOf(event))}></textarea></label>
      <p class="problem" role="alert">${problem}</p>
      <div class="row"><button class="primary" disabled=${isBusy}>Refresh with it</button><button type="button" onClick=${onDone}>Never mind</button></div>
    </form>
  `;
}
