import { html } from "htm/preact";
import { useState } from "preact/hooks";

interface ConfirmButtonProps {
  readonly label: string;
  /** What it says when it was pressed once. */
  readonly sure: string;
  /** Whom it is about, for who can't see the row. */
  readonly who: string;
  readonly onSure: () => void;
}

/** Acts at the second press; leaving it takes the first one back. */
export function ConfirmButton({ label, sure, who, onSure }: ConfirmButtonProps) {
  const [isArmed, setArmed] = useState(false);
  const press = () => {
    if (isArmed) onSure();
    setArmed(!isArmed);
  };
  return html`<button type="button" class="small ${isArmed ? "danger" : ""}" onClick=${press} onBlur=${() => setArmed(false)}
    >${isArmed ? sure : label}<span class="unseen"> ${who}</span></button>`;
}
