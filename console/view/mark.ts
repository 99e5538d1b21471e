import { html } from "htm/preact";

/** The console's sign: a ring that is not full. */
export function Mark() {
  return html`<svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
    <circle cx="16" cy="16" r="11" class="mark-track" /><circle cx="16" cy="16" r="11" class="mark-arc" />
  </svg>`;
}
