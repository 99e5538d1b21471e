/** The price list: what an item costs here and on the market, and the form that orders it. */
import { safe } from "/jotwire.min.js";
import { $, element, isBusy, money, say, setBusy } from "./dom.js";
import { follow, read } from "./feed.js";
import { forgetOrder, keepOrder, keptOrder } from "./unanswered.js";

const quotes = 60; // a minute of them
const noAnswerMs = 2_000;
/** The order was not placed; after any other failure nobody knows. */
const refusals = new Set(["OUT_OF_STOCK", "NO_SUCH_ITEM", "KEY_TAKEN", "invalid_params"]);

const board = new Map(); // sku → item

export const nameOf = (sku) => board.get(sku)?.name ?? sku;

/** Shows the list, and follows the market until `signal` is aborted. */
export async function openBoard(client, subject, signal) {
  const load = async () => {
    const items = await client.api.stock.list();
    board.clear();
    for (const item of items) board.set(item.sku, new Item(client, subject, item));
    $("items").replaceChildren(...[...board.values()].map(({ row }) => row));
  };
  await read(load, signal);
  const loadPrices = async () => {
    const recent = await client.api.prices.recent();
    for (const item of board.values()) item.prices.length = 0;
    for (const quote of recent) board.get(quote.sku)?.quoted(quote.price);
  };
  await read(loadPrices, signal);
  if (signal.aborted) return; // an unanswered order would be placed for who is here now
  for (const [sku, item] of board) {
    const events = client.subscribe("prices.watch", { sku }, { gaps: true, signal });
    void follow(events, signal, ({ price }) => item.quoted(price), loadPrices);
    item.goOn();
  }
}

/** Shows how much there is of everything. */
export async function loadStock(client) {
  for (const { sku, left } of await client.api.stock.list()) board.get(sku)?.stocked(left);
}

class Item {
  constructor(client, subject, { sku, name, price, left }) {
    Object.assign(this, { client, subject, sku, name, prices: [] });
    this.stock = element("span");
    this.line = element("polyline");
    this.area = element("polygon");
    const picture = { class: "spark", viewBox: "0 0 128 40", role: "img" };
    this.spark = element("svg", { ...picture, preserveAspectRatio: "none" }, this.area, this.line);
    this.market = element("span", { class: "num" });
    this.change = element("span", { class: "change num" });
    const number = { type: "number", name: "qty", min: 1, max: 1000, value: 1, required: "" };
    this.quantity = element("input", { ...number, "aria-label": `How many: ${name}` });
    this.word = element("span", {}, "Order");
    const whose = element("span", { class: "unseen" }, ` ${name}`);
    this.button = element("button", { class: "main" }, this.word, whose);
    this.note = element("p", { class: "note", role: "status" });
    this.row = element(
      "li",
      { class: "item" },
      element(
        "div",
        { class: "what" },
        element("h3", {}, name),
        element("p", { class: "soft" }, `${sku} · `, this.stock),
      ),
      element(
        "div",
        { class: "market" },
        this.spark,
        element("p", { class: "soft" }, "Market ", this.market, " ", this.change, " in 1 min"),
      ),
      element(
        "form",
        { onsubmit: (event) => this.submitted(event) },
        element("strong", { class: "price num" }, money(price)),
        this.quantity,
        this.button,
      ),
      this.note,
    );
    this.stocked(left);
  }

  stocked(left) {
    this.stock.textContent = `${left} in stock`;
  }

  quoted(price) {
    const { prices } = this;
    prices.push(price);
    if (prices.length > quotes) prices.shift();
    const low = Math.min(...prices);
    const range = Math.max(...prices) - low || 1;
    const step = 128 / Math.max(prices.length - 1, 1);
    const heightOf = (value) => (37 - ((value - low) / range) * 34).toFixed(1);
    const points = prices.map((value, index) => `${(index * step).toFixed(1)},${heightOf(value)}`);
    const percent = (price / prices[0] - 1) * 100;
    const isDown = percent < 0;
    this.line.setAttribute("points", points.join(" "));
    this.area.setAttribute("points", `0,40 ${points.join(" ")} 128,40`);
    for (const shown of [this.spark, this.change]) shown.classList.toggle("down", isDown);
    this.spark.setAttribute(
      "aria-label",
      `${this.name}: from ${money(low)} to ${money(low + range)} on the market in the last minute`,
    );
    this.market.textContent = money(price);
    this.change.textContent = `${isDown ? "▼" : "▲"} ${Math.abs(percent).toFixed(2)} %`;
  }

  submitted(event) {
    event.preventDefault();
    if (isBusy(this.button)) return;
    const { subject, sku } = this;
    const known = keptOrder(subject, sku);
    const order = known ?? { sku, qty: Number(this.quantity.value), key: crypto.randomUUID() };
    if (known === undefined) keepOrder(subject, order);
    void this.place(order);
  }

  /** An order that had no answer when the page was reloaded is asked for again. */
  goOn() {
    const order = keptOrder(this.subject, this.sku);
    if (order !== undefined) void this.place(order);
  }

  /** By its key, an order is placed once, however often it is sent. */
  async place(order) {
    this.quantity.value = String(order.qty);
    this.showBusy(true, "Ordering…", "");
    const late = setTimeout(() => {
      this.note.textContent = "No answer yet. Your order counts once, however long it takes.";
    }, noAnswerMs);
    const placed = await safe(this.client.api.orders.create(order, { idempotent: true }));
    clearTimeout(late);
    const { code, sent, data, message } = placed.error ?? {};
    const isAnswered = placed.ok || sent === "no" || refusals.has(code);
    if (isAnswered) forgetOrder(this.subject, order);
    if (!isAnswered)
      return this.showBusy(false, "Try again", "No answer. If you try again, it is one order.");
    if (placed.ok) say(`Ordered: ${order.qty} × ${this.name}`);
    const why = code === "OUT_OF_STOCK" ? `Only ${data.left} left of ${this.name}.` : message;
    this.showBusy(false, "Order", placed.ok ? "" : why);
  }

  showBusy(isBusyNow, word, note) {
    setBusy(this.button, isBusyNow);
    this.word.textContent = word;
    this.note.textContent = note;
    this.quantity.readOnly = word !== "Order"; // its key stands for this order
  }
}
