import { html } from "htm/preact";

const longest = 200_000; // characters: more is no reading matter
// characters with colors, each piece of which is an element; 200,000 took 345 ms to draw
const colored = 20_000;
const parts =
  /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON, indented and colored. Every piece is a text node. */
export function JsonView({
  value,
  label = "JSON",
}: {
  readonly value: unknown;
  readonly label?: string;
}) {
  const whole = JSON.stringify(value, null, 2) ?? "undefined";
  const text =
    whole.length > longest
      ? `${whole.slice(0, longest)}\n… ${whole.length - longest} characters more`
      : whole;
  const end = text.length > colored ? text.indexOf("\n", colored) : -1;
  const head = end < 0 ? text : text.slice(0, end);
  return html`<pre class="json" tabindex="0" role="group" aria-label=${label}>${piecesOf(head)}${text.slice(head.length)}</pre>`;
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
