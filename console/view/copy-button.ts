import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";

interface CopyButtonProps {
  readonly label: string;
  readonly text: () => string;
}

const shownMs = 2_000;

/** Copies a text, and says so. */
export function CopyButton({ label, text }: CopyButtonProps) {
  const [said, say] = useState("");
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => say(""), shownMs);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = () => {
    copyText(text()).then(
      () => say("Copied"),
      () => say("Can't copy here"),
    );
  };
  return html`<button type="button" class="small" onClick=${copy}>${said || label}</button><span class="unseen" role="status">${said}</span>`;
}

async function copyText(text: string): Promise<void> {
  // only a secure context has the clipboard
  const clipboard = navigator.clipboard as Clipboard | undefined;
  if (clipboard !== undefined) return clipboard.writeText(text);
  const field = document.createElement("textarea");
  const focused = document.activeElement;
  field.value = text;
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!isDone) throw new Error("The browser did not copy");
}
