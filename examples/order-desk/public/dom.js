/** What the page's modules share: elements, texts, and what the user is told. */

export const $ = (id) => document.getElementById(id);

const euros = new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" });
export const money = (cents) => euros.format(cents / 100);

const svg = "http://www.w3.org/2000/svg";
const html = "http://www.w3.org/1999/xhtml";

/**
 * An element with attributes, and what is in it. Text stays text: nothing that came over the wire
 * is read as HTML.
 */
export function element(name, attributes = {}, ...inside) {
  const made = document.createElementNS(/^(svg|poly)/.test(name) ? svg : html, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...inside);
  return made;
}

/** A busy button keeps the focus, which `disabled` would take away. */
export function setBusy(button, isBusy) {
  if (isBusy) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
}

export const isBusy = (button) => button.hasAttribute("aria-disabled");

let saidUntil;

/** Tells the user something for 5 s. */
export function say(text) {
  $("said").textContent = text;
  clearTimeout(saidUntil);
  saidUntil = setTimeout(() => say(""), 5_000);
}
