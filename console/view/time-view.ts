import { html } from "htm/preact";

interface TimeViewProps {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Shows milliseconds, too. */
  readonly isExact?: boolean;
}

/** A time of day, 00:00:00 to 23:59:59; its title has the date. */
export function TimeView({ at, isExact = false }: TimeViewProps) {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return html`${at}`; // a token may say anything
  const time = timeOf(date, isExact);
  return html`<time datetime=${date.toISOString()} title="${dateOf(date)} ${time}">${time}</time>`;
}

function timeOf(date: Date, isExact: boolean): string {
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => padded(part));
  return `${parts.join(":")}${isExact ? `.${padded(date.getMilliseconds(), 3)}` : ""}`;
}

function dateOf(date: Date): string {
  return [date.getFullYear(), padded(date.getMonth() + 1), padded(date.getDate())].join("-");
}

function padded(number: number, digits = 2): string {
  return String(number).padStart(digits, "0");
}
