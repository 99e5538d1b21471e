import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { missingIn } from "../../model/call/issues.js";
import type { ConsoleModel } from "../../model/console-model.js";
import type { Method } from "../../model/open-rpc.js";
import { type ParamsText, paramsIn } from "../../model/params-text.js";
import { useFocusIfLost, useStore } from "../hooks.js";
import { EventsView } from "../timeline/events-view.js";
import { CallBar } from "./call-bar.js";
import { MethodHead } from "./method-head.js";
import { OutcomeView } from "./outcome-view.js";
import { ParamsEditor } from "./params-editor.js";

interface CallPanelProps {
  readonly desk: ConsoleModel;
  readonly method: Method;
}

/** One method: what it is, its params, and how the last call of it ended. */
export function CallPanel({ desk, method }: CallPanelProps) {
  const { text, outcome, issues, isRunning, isUnsent } = useStore(desk.calls.of(method));
  const { ended } = useStore(desk.state);
  const params = paramsIn(text);
  const obstacle = obstacleOf(params, ended);
  const title = useFocusIfLost<HTMLHeadingElement>();
  const form = useRef<HTMLFormElement>(null);
  const isFocusDue = useRef(false);

  const send = (isAnyway = false) => {
    if (obstacle !== undefined || isRunning || !params.isValid) return;
    const missing = isAnyway ? [] : missingIn(method, params.value);
    isFocusDue.current = missing.length > 0;
    if (missing.length > 0) desk.calls.complain(method, missing);
    else if (method.isSubscription) subscribe(desk, method, params.value);
    else desk.calls.run(method, params.value).catch(reportError);
  };
  useLayoutEffect(() => {
    if (!isFocusDue.current) return;
    isFocusDue.current = false;
    form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  });
  useCallShortcut(form, send);

  return html`
    <section class="card call" aria-labelledby="method-name">
      <form ref=${form} novalidate onSubmit=${(event: Event) => {
        event.preventDefault();
        send();
      }}>
        <${MethodHead} method=${method} title=${title} />
        <${ParamsEditor}
          method=${method}
          text=${text}
          onText=${(changed: string) => desk.calls.type(method, changed)}
          problem=${params.isValid ? undefined : params.problem}
          value=${params.isValid ? params.value : undefined}
          issues=${issues}
        ><${OutcomeView} outcome=${outcome} /><//>
        <${CallBar} desk=${desk} method=${method} params=${params} obstacle=${obstacle} isRunning=${isRunning}
          isUnsent=${isUnsent} onAnyway=${() => send(true)} />
      </form>
      ${method.isSubscription && html`<${EventsView} desk=${desk} name=${method.name} />`}
    </section>
  `;
}

/** Why nothing can be sent. */
function obstacleOf(params: ParamsText, ended: string | undefined): string | undefined {
  if (ended !== undefined) return "You are logged out. Log in again to send this.";
  return params.isValid ? undefined : "Correct the JSON first.";
}

function subscribe(desk: ConsoleModel, method: Method, params: unknown): void {
  desk.calls.clearOutcome(method);
  try {
    desk.subscribe(method.name, params);
  } catch (error) {
    desk.calls.fail(method, error);
  }
}

/** Ctrl+Enter calls from everywhere on the page, except from another form. */
function useCallShortcut(form: { readonly current: HTMLFormElement | null }, send: () => void) {
  const newest = useRef(send);
  newest.current = send;
  useEffect(() => {
    const listener = (event: KeyboardEvent) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      const place = event.target instanceof Element ? event.target.closest("form") : null;
      if (place !== null && place !== form.current) return;
      event.preventDefault();
      newest.current();
    };
    addEventListener("keydown", listener);
    return () => removeEventListener("keydown", listener);
  }, [form]);
}
