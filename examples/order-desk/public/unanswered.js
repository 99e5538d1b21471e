/**
 * Orders that were sent and have no answer yet, with their keys: a reload must not order twice.
 * They belong to this tab and its user.
 */
const place = "order-desk unanswered";

export function keptOrder(subject, sku) {
  return all().find((entry) => entry.subject === subject && entry.order.sku === sku)?.order;
}

export function keepOrder(subject, order) {
  write([...all(), { subject, order }]);
}

export function forgetOrder(subject, { key }) {
  write(all().filter((entry) => entry.subject !== subject || entry.order.key !== key));
}

let entries; // where the user blocks storage, too

function all() {
  try {
    entries ??= JSON.parse(sessionStorage.getItem(place) ?? "[]");
  } catch {}
  entries ??= [];
  return entries;
}

function write(changed) {
  entries = changed;
  try {
    sessionStorage.setItem(place, JSON.stringify(changed));
  } catch {}
}
