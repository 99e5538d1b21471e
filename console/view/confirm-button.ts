import { html } from "htm/preact";
import { useState } from "preact/hooks";

interface ConfirmButtonProps {
  readonly label: string;
  /** What it asks when it was pressed once. */
  readonly question: string;
  /** What it is about, for people who can't see the row; the same before and after. */
  readonly about: string;
  readonly onSure: (event: Event) => void;
  /** Hears the question: a change of the button under the focus is not read out. */
  readonly onAsk: (question: string) => void;
}

/** Acts at the second press; leaving it, or Escape, takes the first one back. */
export function ConfirmButton({ label, question, about, onSure, onAsk }: ConfirmButtonProps) {
  const [isArmed, setArmed] = useState(false);
  const press = (event: Event) => {
    if (isArmed) onSure(event);
    else onAsk(`${question} Press again to confirm, Escape to cancel.`);
    setArmed(!isArmed);
  };
  const disarm = (event: KeyboardEvent) => {
    if (event.key === "Escape") setArmed(false);
  };
  return html`<button type="button" class="small ${isArmed ? "danger" : ""}" title=${isArmed ? question : undefined}
    onClick=${press} onKeyDown=${disarm} onBlur=${() => setArmed(false)}>${isArmed ? question : label}<span class="unseen"> ${about}</span></button>`;
}
