import { html } from "htm/preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ConsoleModel } from "../../model/console-model.js";
import { textOf } from "../call/field-text.js";
import { useAction, useFocusAtFirst } from "../hooks.js";

interface SessionActionsProps {
  readonly desk: ConsoleModel;
  /** Auto-refresh is paused. */
  readonly isHeld: boolean;
}

/** What can be done to a session: renew it, play with it, end it. */
export function SessionActions({ desk, isHeld }: SessionActionsProps) {
  const [isPasting, setPasting] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const refresh = useAction(() => desk.refresh());
  const start = () => {
    if (refresh.isBusy) return;
    if (desk.isRenewable) refresh.run();
    else setPasting(true);
  };
  const done = () => {
    setPasting(false);
    opener.current?.focus();
  };
  return html`
    <div class="actions">
      <button ref=${opener} type="button" aria-disabled=${refresh.isBusy} title="A new token, on the same connection" onClick=${start}>Refresh</button>
      <fieldset class="simulate"><legend>Simulate</legend>
        <button type="button" class=${isHeld ? "chosen" : ""} title=${isHeld ? "Let the SDK refresh in time again" : "Pause auto-refresh, and see what happens"}
          onClick=${() => (isHeld ? desk.release() : desk.letExpire())}>${isHeld ? "Resume auto-refresh" : "Let session expire"}</button>
        <button type="button" title="Cut the connection, as a bad network would" onClick=${() => desk.drop()}>Drop the network</button>
      </fieldset>
      <${RevokeLogin} desk=${desk} />
    </div>
    ${isPasting && html`<${PasteToken} desk=${desk} onDone=${done} />`}
    ${refresh.problem !== undefined && html`<p class="problem" role="alert">${refresh.problem}</p>`}
  `;
}

/** Asks before it acts: the user would have to log in again. */
function RevokeLogin({ desk }: { readonly desk: ConsoleModel }) {
  const [isAsking, setAsking] = useState(false);
  const revoke = useAction(() => desk.revoke());
  const opener = useRef<HTMLButtonElement>(null);
  const answer = useRef<HTMLButtonElement>(null);
  const wasAsking = useRef(false);
  useLayoutEffect(() => {
    if (isAsking) answer.current?.focus();
    else if (wasAsking.current) opener.current?.focus();
    wasAsking.current = isAsking;
  }, [isAsking]);
  if (!desk.isRevocable)
    return html`<p class="muted">Issued elsewhere: revoke it at that issuer.</p>`;
  if (!isAsking)
    return html`
      <button ref=${opener} type="button" class="danger-quiet" title="End this login on the server" onClick=${() => setAsking(true)}>Revoke login…</button>
      ${revoke.problem !== undefined && html`<p class="problem" role="alert">${revoke.problem}</p>`}`;
  const cancelByKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") setAsking(false);
  };
  const confirm = () => {
    setAsking(false);
    revoke.run();
  };
  return html`
    <div class="question" role="group" aria-labelledby="revoke-question" onKeyDown=${cancelByKey}>
      <p id="revoke-question">Revoke this login? Every connection of it ends, and its tokens no longer work.</p>
      <div class="row">
        <button ref=${answer} type="button" class="danger" onClick=${confirm}>Revoke login</button>
        <button type="button" onClick=${() => setAsking(false)}>Cancel</button>
      </div>
    </div>
  `;
}

interface PasteTokenProps {
  readonly desk: ConsoleModel;
  readonly onDone: () => void;
}

/** Without a refresh token the renewed one comes from a person. */
function PasteToken({ desk, onDone }: PasteTokenProps) {
  const [token, setToken] = useState("");
  const field = useFocusAtFirst<HTMLTextAreaElement>();
  const { run, isBusy, problem } = useAction(async () => {
    await desk.refresh(token.trim());
    onDone();
  });
  const submit = (event: Event) => {
    event.preventDefault();
    if (!isBusy) run();
  };
  return html`
    <form class="paste" onSubmit=${submit}>
      <label class="field"><span>A renewed access token of the same user</span>
        <textarea ref=${field} required rows="3" spellcheck=${false} autocomplete="off" aria-describedby="paste-problem" aria-invalid=${problem !== undefined}
          value=${token} onInput=${(event: InputEvent) => setToken(textOf(event))}></textarea></label>
      <p class="problem" id="paste-problem" role="alert">${problem}</p>
      <div class="row"><button class="primary" aria-disabled=${isBusy}>Refresh session</button><button type="button" onClick=${onDone}>Cancel</button></div>
    </form>
  `;
}
