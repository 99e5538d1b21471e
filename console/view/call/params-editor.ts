import { html } from "htm/preact";
import type { ComponentChildren } from "preact";
import { type Issues, issuesAt, textOfIssues } from "../../model/call/issues.js";
import { membersOf, ownMember } from "../../model/message.js";
import type { Method } from "../../model/open-rpc.js";
import { textFor } from "../../model/params-text.js";
import { textOf } from "./field-text.js";
import { SchemaField } from "./schema-field.js";

interface ParamsEditorProps {
  readonly method: Method;
  readonly text: string;
  readonly onText: (text: string) => void;
  /** Why the text is no params. */
  readonly problem: string | undefined;
  readonly value: unknown;
  readonly issues: Issues;
  /** What stands below the JSON. */
  readonly children: ComponentChildren;
}

/** The same params twice: a form from the schema, and the JSON. */
export function ParamsEditor(props: ParamsEditorProps) {
  const { method, text, onText, problem, value, issues, children } = props;
  const { parameters } = method;
  const isFormless = parameters.length === 0;
  const members = membersOf(value);
  const change = (name: string, member: unknown) => {
    const { [name]: _, ...rest } = members;
    onText(textFor(member === undefined ? rest : { ...members, [name]: member }));
  };
  const rows = Math.min(16, Math.max(isFormless ? 3 : 5, text.split("\n").length + 1));
  const named = new Set(parameters.map(({ name }) => name));
  const told = problem ?? textOfIssues(issues.filter(({ path }) => !named.has(path[0] ?? "")));
  return html`
    <div class="params ${isFormless ? "formless" : ""}">
      ${
        !isFormless &&
        html`<fieldset disabled=${problem !== undefined || Array.isArray(value)}>
          <legend>Form</legend>
          ${parameters.map(
            ({ name, isRequired, schema }) =>
              html`<${SchemaField} key=${name} name=${name} isRequired=${isRequired} schema=${schema} value=${ownMember(members, name)}
                issues=${issuesAt(issues, name)} onValue=${(member: unknown) => change(name, member)} />`,
          )}
        </fieldset>`
      }
      <div>
        <label class="raw-label" for="params-json">Params (JSON)</label>
        <textarea id="params-json" rows=${rows} spellcheck=${false} autocomplete="off" placeholder="No params" aria-invalid=${told !== undefined}
          aria-describedby="params-problem" value=${text} onInput=${(event: InputEvent) => onText(textOf(event))}></textarea>
        <p class="problem" id="params-problem" role="alert">${told}</p>
        ${children}
      </div>
    </div>
  `;
}
