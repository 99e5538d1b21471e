import { html } from "htm/preact";
import { useEffect, useId, useState } from "preact/hooks";
import { type Issues, issuesAt, textOfIssues } from "../../model/call/issues.js";
import { type Members, membersOf, ownMember, stringIn, stringsIn } from "../../model/message.js";
import { textOf } from "./field-text.js";

interface SchemaFieldProps {
  readonly name: string;
  readonly isRequired: boolean;
  readonly schema: Members;
  readonly value: unknown;
  /** What is wrong with the value; paths begin below this member. */
  readonly issues: Issues;
  /** `undefined`: leave the member out. */
  readonly onValue: (value: unknown) => void;
}

/** Attributes that tie a field to its label, its note and its problem. */
interface Ties {
  readonly id: string;
  readonly "aria-required": boolean;
  readonly "aria-invalid": boolean;
  readonly "aria-describedby": string;
}

/**
 * A field for one member of a JSON Schema (draft 7): by its type; as JSON where the schema is more
 * than a simple type.
 */
export function SchemaField(props: SchemaFieldProps) {
  const { name, isRequired, schema, issues } = props;
  const id = useId();
  if (schema.type === "object" && schema.properties !== undefined)
    return html`<${ObjectField} ...${props} />`;
  const note = [stringIn(schema.description), rangeOf(schema)]
    .filter((part) => part !== undefined)
    .join(" · ");
  const problem = textOfIssues(issues);
  const ties: Ties = {
    id,
    "aria-required": isRequired,
    "aria-invalid": problem !== undefined,
    "aria-describedby": `${id}-note ${id}-problem`,
  };
  return html`
    <div class="field">
      <div class="field-head"><label for=${id}><b>${name}</b></label>${isRequired && html`<em aria-hidden="true" title="required">*</em>`}<small id="${id}-note">${note}</small></div>
      <${Input} ...${props} ties=${ties} />
      <p class="problem" id="${id}-problem">${problem}</p>
    </div>
  `;
}

function Input({
  isRequired,
  schema,
  value,
  onValue,
  ties,
}: SchemaFieldProps & { readonly ties: Ties }) {
  const placeholder =
    schema.default === undefined
      ? isRequired
        ? ""
        : "optional"
      : `default: ${JSON.stringify(schema.default)}`;
  const choices: readonly unknown[] | undefined =
    schema.type === "boolean"
      ? [true, false]
      : Array.isArray(schema.enum)
        ? (schema.enum as readonly unknown[])
        : undefined;
  if (choices !== undefined) {
    const index = choices.indexOf(value);
    return html`
      <select ...${ties} value=${String(index)} onChange=${(event: Event) => onValue(choices[Number(textOf(event))])}>
        <option value="-1" disabled=${isRequired}>${isRequired ? "choose" : placeholder}</option>
        ${choices.map((choice, at) => html`<option key=${at} value=${String(at)}>${String(choice)}</option>`)}
      </select>`;
  }
  if (schema.type === "integer" || schema.type === "number") {
    return html`<input ...${ties} type="number" step=${schema.type === "integer" ? 1 : "any"} min=${schema.minimum} max=${schema.maximum} placeholder=${placeholder}
      value=${typeof value === "number" ? value : ""} onInput=${(event: InputEvent) => onValue(textOf(event) === "" ? undefined : Number(textOf(event)))} />`;
  }
  if (schema.type === "string") {
    return html`<input ...${ties} type="text" spellcheck=${false} autocomplete="off" placeholder=${placeholder} value=${typeof value === "string" ? value : ""}
      onInput=${(event: InputEvent) => onValue(textOf(event) === "" && !isRequired ? undefined : textOf(event))} />`;
  }
  return html`<${JsonInput} ties=${ties} value=${value} placeholder=${placeholder || "JSON"} onValue=${onValue} />`;
}

/** Text that counts as soon as it is JSON. */
function JsonInput({
  ties,
  value,
  placeholder,
  onValue,
}: {
  readonly ties: Ties;
  readonly value: unknown;
  readonly placeholder: string;
  readonly onValue: (value: unknown) => void;
}) {
  const outside = value === undefined ? "" : JSON.stringify(value);
  const [draft, setDraft] = useState(outside);
  useEffect(() => {
    // it may have been changed elsewhere
    setDraft((own) => (isJsonOf(own, outside) ? own : outside));
  }, [outside]);
  const take = (text: string) => {
    setDraft(text);
    if (text.trim() === "") return onValue(undefined);
    const parsed = jsonIn(text);
    if (parsed !== undefined) onValue(parsed.value);
  };
  const isInvalid = draft.trim() !== "" && jsonIn(draft) === undefined;
  return html`<textarea ...${ties} rows="2" spellcheck=${false} placeholder=${placeholder} value=${draft}
    aria-invalid=${isInvalid || ties["aria-invalid"]} onInput=${(event: InputEvent) => take(textOf(event))}></textarea>`;
}

function ObjectField({ name, isRequired, schema, value, issues, onValue }: SchemaFieldProps) {
  const required = stringsIn(schema.required);
  const members = membersOf(value);
  const change = (member: string, changed: unknown) => {
    const { [member]: _, ...rest } = members;
    onValue(changed === undefined ? rest : { ...members, [member]: changed });
  };
  return html`
    <fieldset class="nested">
      <legend>${name}${isRequired && html`<em aria-hidden="true" title="required"> *</em>`}</legend>
      ${Object.entries(membersOf(schema.properties)).map(
        ([member, memberSchema]) =>
          html`<${SchemaField} key=${member} name=${member} isRequired=${required.includes(member)} schema=${membersOf(memberSchema)} value=${ownMember(members, member)}
            issues=${issuesAt(issues, member)} onValue=${(changed: unknown) => change(member, changed)} />`,
      )}
      <p class="problem">${textOfIssues(issues.filter(({ path }) => path.length === 0))}</p>
    </fieldset>
  `;
}

function rangeOf({
  minimum,
  maximum,
  minLength,
  maxLength,
  format,
  type,
}: Members): string | undefined {
  if (typeof format === "string") return format;
  if (minimum !== undefined && maximum !== undefined && Number(maximum) < Number.MAX_SAFE_INTEGER)
    return `${minimum} to ${maximum}`;
  if (minLength !== undefined && maxLength !== undefined)
    return `${minLength} to ${maxLength} characters`;
  return type === "array" ? "list" : undefined;
}

function jsonIn(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined; // not yet
  }
}

function isJsonOf(draft: string, outside: string): boolean {
  if (outside === "" || draft.trim() === "") return outside === draft.trim();
  return JSON.stringify(jsonIn(draft)?.value) === outside;
}
