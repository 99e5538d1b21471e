/** The orders, live: everybody's for an admin, else one's own. */
import { safe } from "/jotwire.min.js";
import { loadStock, nameOf } from "./board.js";
import { $, element, isBusy, money, say, setBusy } from "./dom.js";
import { follow, read } from "./feed.js";

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const idOf = (row) => Number(row.dataset.order.slice(1));

/** Shows the orders, and follows them until `signal` is aborted. */
export async function openOrders(client, { subject, isAdmin }, signal) {
  $("whose").textContent = isAdmin ? "All customers, live" : "Yours, live";
  const list = { client, isAdmin };
  const load = async () => {
    const { orders } = await client.api.orders.list({ limit: 50 });
    $("rows").replaceChildren(...orders.map((order) => rowOf(list, order)));
    showTable();
  };
  // who listens first and reads then misses nothing
  const watched = isAdmin ? {} : { customer: subject };
  const events = client.subscribe("orders.watch", watched, { gaps: true, signal });
  void follow(events, signal, (order) => show(list, order), load);
  await read(load, signal);
}

function show(list, order) {
  const row = rowOf(list, order);
  const old = document.querySelector(`[data-order="${CSS.escape(order.id)}"]`);
  const hadFocus = old?.contains(document.activeElement);
  row.classList.add("fresh");
  if (old) old.replaceWith(row);
  else {
    // an event of before the list was read may come after it
    const after = [...$("rows").children].find((other) => idOf(other) < idOf(row));
    $("rows").insertBefore(row, after ?? null);
  }
  if (hadFocus) row.focus(); // its buttons have gone
  showTable();
  void safe(loadStock(list.client));
}

function showTable() {
  const isEmpty = $("rows").childElementCount === 0;
  $("table").hidden = isEmpty;
  $("none").hidden = !isEmpty;
}

function rowOf({ client, isAdmin }, { id, customer, sku, qty, total, status, placedAt }) {
  const what = `${qty} × ${nameOf(sku)}`;
  const act = async (button, method) => {
    if (isBusy(button)) return;
    setBusy(button, true);
    const changed = await safe(method({ id }));
    setBusy(button, false);
    if (!changed.ok) say(`${id}: ${changed.error.message}`);
  };
  const button = (word, onclick) =>
    element("button", { class: "small", onclick, "aria-label": `${word} ${id}` }, word);
  const ship = button("Ship", () => act(ship, client.api.admin.ship));
  const cancel = button("Cancel", async () => {
    if (await isSure(`Cancel order ${id}?`, `${what}, ${money(total)}`))
      await act(cancel, client.api.orders.cancel);
  });
  const placed = new Date(placedAt);
  const cell = (className, ...inside) =>
    element("td", { role: "cell", class: className }, ...inside);
  return element(
    "tr",
    { role: "row", "data-order": id, tabindex: -1 },
    cell("id", id, " ", element("span", { class: "soft" }, customer)),
    cell("item-name", what),
    cell("num", money(total)),
    cell(
      "time soft",
      element("time", { datetime: placedAt, title: day.format(placed) }, clock.format(placed)),
    ),
    cell("status", element("span", { class: `pill ${status}` }, status)),
    cell("actions", ...(status !== "placed" ? [] : isAdmin ? [ship, cancel] : [cancel])),
  );
}

/** Asks the user. Escape keeps the order. */
function isSure(title, what) {
  const dialog = $("sure");
  $("sure-title").textContent = title;
  $("sure-what").textContent = what;
  $("keep").onclick = () => dialog.close("keep");
  $("cancel").onclick = () => dialog.close("cancel");
  dialog.returnValue = "keep";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === "cancel");
  });
}
