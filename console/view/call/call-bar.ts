import { html } from "htm/preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { sdkCodeOf, wscatOf } from "../../model/call/snippets.js";
import type { ConsoleModel } from "../../model/console-model.js";
import type { Method } from "../../model/open-rpc.js";
import type { ParamsText } from "../../model/params-text.js";
import { CopyButton } from "../copy-button.js";
import { focusIfLost } from "../hooks.js";

interface CallBarProps {
  readonly desk: ConsoleModel;
  readonly method: Method;
  readonly params: ParamsText;
  /** Why nothing can be sent. */
  readonly obstacle: string | undefined;
  readonly isRunning: boolean;
  /** Required params are empty, and nothing was sent. */
  readonly isUnsent: boolean;
  readonly onAnyway: () => void;
}

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

/** Sends, cancels, and copies; it stays in view below a long form. */
export function CallBar(props: CallBarProps) {
  const { desk, method, params, obstacle, isRunning, isUnsent, onAnyway } = props;
  const button = useRef<HTMLButtonElement>(null);
  const wasRunning = useRef(false);
  useLayoutEffect(() => {
    if (wasRunning.current && !isRunning) focusIfLost(button.current); // "Cancel" may have had it
    wasRunning.current = isRunning;
  }, [isRunning]);
  const value = params.isValid ? params.value : undefined;
  const verb = method.isSubscription ? "Subscribe" : "Call";
  return html`
    <div class="call-bar">
      <button ref=${button} class="primary" aria-disabled=${obstacle !== undefined || isRunning} aria-describedby="call-reason"
        aria-keyshortcuts=${isMac ? "Meta+Enter" : "Control+Enter"}>${isRunning ? "Calling…" : verb}</button>
      ${isRunning && html`<button type="button" onClick=${() => desk.calls.cancel(method)}>Cancel</button>`}
      <kbd aria-hidden="true">${isMac ? "⌘ Enter" : "Ctrl Enter"}</kbd>
      <span id="call-reason" role="status">${obstacle ?? (isUnsent ? "Not sent: required params are empty." : "")}</span>
      ${isUnsent && html`<button type="button" class="small" onClick=${onAnyway}>Send anyway</button>`}
      <span class="space"></span>
      <${CopyButton} label="Copy for wscat" text=${() => wscatOf(desk.place.socket, method, value)} />
      <${CopyButton} label="Copy SDK code" text=${() => sdkCodeOf(desk.place.socket, method, value)} />
    </div>
  `;
}
