import { html } from "htm/preact";

const longest = 200_000; // characters: more is no reading matter
const parts =
  /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON, indented and colored. Every piece is a text node. */
export function JsonView({ value }: { readonly value: unknown }) {
  const whole = JSON.stringify(value, null, 2) ?? "undefined";
  const text =
    whole.length > longest
      ? `${whole.slice(0, longest)}\n… ${whole.length - longest} characters more`
      : whole;
  return html`<pre class="json" tabindex="0">${piecesOf(text)}</pre>`;
}

function piecesOf(text: string): readonly unknown[] {
  const pieces: unknown[] = [];
  let end = 0;
  for (const match of text.matchAll(parts)) {
    const [token, quoted, colon] = match;
    pieces.push(text.slice(end, match.index));
    if (quoted !== undefined && colon !== undefined)
      pieces.push(html`<span class="json-name">${quoted}</span>`, colon);
    else
      pieces.push(
        html`<span class=${quoted === undefined ? "json-literal" : "json-string"}>${token}</span>`,
      );
    end = match.index + token.length;
  }
  pieces.push(text.slice(end));
  return pieces;
}
