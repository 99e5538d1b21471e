import { html } from "htm/preact";
import { useFocusIfLost } from "../hooks.js";

interface NoMethodProps {
  /** The method that the URL names. */
  readonly name: string | undefined;
  readonly isLoading: boolean;
}

/** Stands in for the call panel while, or because, there is no method to show. */
export function NoMethod({ name, isLoading }: NoMethodProps) {
  const title = useFocusIfLost<HTMLHeadingElement>();
  return html`
    <section class="card call" aria-labelledby="method-name">
      <h2 id="method-name" tabindex="-1" ref=${title}>${isLoading ? "Loading methods…" : html`<code>${name}</code>`}</h2>
      ${!isLoading && html`<p class="muted">There is no such method, or this session may not call it. Choose another one in the list.</p>`}
    </section>
  `;
}
