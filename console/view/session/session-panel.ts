import { html } from "htm/preact";
import { useState } from "preact/hooks";
import type { ConsoleModel } from "../../model/console-model.js";
import type { Notices } from "../../model/notices.js";
import { useFocusIfLost, useStore } from "../hooks.js";
import { TimeView } from "../time-view.js";
import { SubscriptionsPanel } from "../timeline/subscriptions-panel.js";
import { ClaimsView } from "./claims-view.js";
import { ExpiryRing } from "./expiry-ring.js";
import { SessionActions } from "./session-actions.js";

/** Who speaks on the socket, until when, and what can be done to that. */
export function SessionCard({ desk }: { readonly desk: ConsoleModel }) {
  const { isHeld, notices, ended } = useStore(desk.state);
  const session = useStore(desk.session.view);
  const subject = session?.subject ?? "Not logged in";
  return html`
    <section class="card session" aria-labelledby="session-title">
      <h2 class="unseen" id="session-title">Session</h2>
      <${ExpiryRing} session=${session} />
      <div class="who">
        <strong title=${subject}>${subject}</strong>
        ${session && html`<${Scopes} scopes=${session.scopes} />`}
      </div>
      ${ended === undefined ? html`<${SessionActions} desk=${desk} isHeld=${isHeld} />` : html`<${Ended} desk=${desk} why=${ended} />`}
      <div class="notices" aria-live="polite">
        ${notices && html`<${Notice} key=${notices.title} notices=${notices} onDismiss=${() => desk.state.patch({ notices: undefined })} />`}
      </div>
    </section>
  `;
}

interface SessionDetailsProps {
  readonly desk: ConsoleModel;
  /** Shows a method. */
  readonly onChoose: (name: string) => void;
}

/** What the session has: its subscriptions and its token. */
export function SessionDetails({ desk, onChoose }: SessionDetailsProps) {
  const { token } = useStore(desk.state);
  const session = useStore(desk.session.view);
  return html`
    <${SubscriptionsPanel} desk=${desk} onChoose=${onChoose} />
    <${ClaimsView} token=${token} connectionId=${session?.connectionId} />
  `;
}

const maxScopes = 6; // more are folded

function Scopes({ scopes }: { readonly scopes: readonly string[] }) {
  const [isOpen, setOpen] = useState(false);
  const shown = isOpen ? scopes : scopes.slice(0, maxScopes);
  if (scopes.length === 0) return html`<span class="muted">no scopes</span>`;
  return html`
    <ul class="scopes" aria-label="Scopes">${shown.map((scope) => html`<li class="tag" key=${scope}>${scope}</li>`)}</ul>
    ${
      scopes.length > maxScopes &&
      html`<button type="button" class="small quiet" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${isOpen ? "Fewer scopes" : `${scopes.length - maxScopes} more scopes`}</button>`
    }
  `;
}

function Notice({
  notices,
  onDismiss,
}: {
  readonly notices: Notices;
  readonly onDismiss: () => void;
}) {
  const [since] = useState(() => Date.now());
  return html`
    <div class="news ${notices.tone}">
      <strong>${notices.title}</strong> <small><${TimeView} at=${since} /></small>
      <p>${notices.text}</p>
      <button type="button" class="quiet dismiss" aria-label="Dismiss" onClick=${onDismiss}>×</button>
    </div>
  `;
}

function Ended({ desk, why }: { readonly desk: ConsoleModel; readonly why: string }) {
  const title = useFocusIfLost<HTMLHeadingElement>();
  return html`
    <div class="news bad" role="alert"><h3 tabindex="-1" ref=${title}>Logged out</h3><p>${why}</p></div>
    <button type="button" class="primary wide" onClick=${() => desk.logInAgain()}>Log in again</button>
  `;
}
