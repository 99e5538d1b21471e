import { Journal } from "./journal.ts";

export interface Item {
  readonly sku: string;
  readonly name: string;
  /** Cents. */
  readonly price: number;
  readonly left: number;
}

export interface Order {
  readonly id: string;
  /** The customer's subject. */
  readonly customer: string;
  readonly sku: string;
  readonly qty: number;
  /** Cents, for all of them. */
  readonly total: number;
  readonly status: "placed" | "shipped" | "cancelled";
  /** ISO 8601, UTC. */
  readonly placedAt: string;
}

export interface Placing {
  readonly customer: string;
  readonly sku: string;
  readonly qty: number;
  /** The same key from the same customer is the same order. */
  readonly key?: string | undefined;
}

export interface Page {
  readonly orders: readonly Order[];
  /** Give it as `cursor` to go on; null: that was all. */
  readonly next: string | null;
}

/** What happened, as it stands in the journal. */
type Happening =
  | { readonly what: "placed"; readonly order: Order; readonly key?: string | undefined }
  | { readonly what: "cancelled" | "shipped"; readonly id: string }
  | { readonly what: "restocked"; readonly sku: string; readonly qty: number };

export type PlacingOutcome =
  | { readonly is: "placed"; readonly order: Order }
  /** The order was placed before, under the same key. */
  | { readonly is: "repeated"; readonly order: Order }
  | { readonly is: "out_of_stock"; readonly left: number }
  | { readonly is: "no_such_item" }
  | { readonly is: "key_taken" };

export type ChangeOutcome =
  | { readonly is: "changed"; readonly order: Order }
  | { readonly is: "not_found" }
  | { readonly is: "already_shipped" }
  | { readonly is: "already_cancelled" };

const assortment: readonly Item[] = [
  { sku: "A1", name: "Desk lamp", price: 3_900, left: 12 },
  { sku: "B2", name: "Fountain pen", price: 2_450, left: 40 },
  { sku: "C3", name: "Typewriter, restored", price: 31_000, left: 3 },
];

/**
 * Orders and stock, held in memory and kept in a journal. Each change is decided, written and
 * applied before the next one is looked at.
 */
export class OrderDesk {
  readonly #stock = new Map(assortment.map((item) => [item.sku, item]));
  readonly #orders = new Map<string, Order>(); // by id, the oldest first
  readonly #keys = new Map<string, string>(); // customer and key → order id
  #journal: Journal<Happening> | undefined;
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor() {}

  /** Replays the journal at `path`; makes it if it is absent. */
  static async open(path: string): Promise<OrderDesk> {
    const desk = new OrderDesk();
    desk.#journal = await Journal.open<Happening>(path, (happening) => desk.#apply(happening));
    return desk;
  }

  get stock(): readonly Item[] {
    return [...this.#stock.values()];
  }

  /** All orders, the oldest first. */
  get orders(): readonly Order[] {
    return [...this.#orders.values()];
  }

  order(id: string): Order | undefined {
    return this.#orders.get(id);
  }

  /** The newest orders first, from `cursor` on; of one customer, or of all. */
  page({
    customer,
    cursor,
    limit,
  }: {
    customer?: string | undefined;
    cursor?: string | undefined;
    limit: number;
  }): Page {
    const isBefore =
      cursor === undefined ? () => true : (order: Order) => numberOf(order.id) < numberOf(cursor);
    const matching = this.orders
      .filter((order) => (customer === undefined || order.customer === customer) && isBefore(order))
      .reverse();
    const orders = matching.slice(0, limit);
    return { orders, next: matching.length > limit ? (orders.at(-1)?.id ?? null) : null };
  }

  place({ customer, sku, qty, key }: Placing): Promise<PlacingOutcome> {
    return this.#inTurn(async () => {
      const earlier =
        key === undefined
          ? undefined
          : this.#orders.get(this.#keys.get(keyOf(customer, key)) ?? "");
      if (earlier !== undefined) {
        const isSame = earlier.sku === sku && earlier.qty === qty;
        return isSame ? { is: "repeated", order: earlier } : { is: "key_taken" };
      }
      const item = this.#stock.get(sku);
      if (item === undefined) return { is: "no_such_item" };
      if (item.left < qty) return { is: "out_of_stock", left: item.left };
      const id = `o${this.#orders.size + 1}`;
      const placedAt = new Date().toISOString();
      const order: Order = {
        id,
        customer,
        sku,
        qty,
        total: item.price * qty,
        status: "placed",
        placedAt,
      };
      await this.#record({ what: "placed", order, key });
      return { is: "placed", order };
    });
  }

  /** `customer`: only if it is theirs; of others' orders one learns nothing. */
  cancel(id: string, customer?: string): Promise<ChangeOutcome> {
    return this.#change("cancelled", id, customer);
  }

  ship(id: string): Promise<ChangeOutcome> {
    return this.#change("shipped", id);
  }

  /** Undefined: no such item. */
  restock(sku: string, qty: number): Promise<Item | undefined> {
    return this.#inTurn(async () => {
      if (!this.#stock.has(sku)) return undefined;
      await this.#record({ what: "restocked", sku, qty });
      return this.#stock.get(sku);
    });
  }

  #change(what: "cancelled" | "shipped", id: string, customer?: string): Promise<ChangeOutcome> {
    return this.#inTurn(async () => {
      const order = this.#orders.get(id);
      if (order === undefined || (customer !== undefined && order.customer !== customer))
        return { is: "not_found" };
      if (order.status !== "placed")
        return { is: order.status === "shipped" ? "already_shipped" : "already_cancelled" };
      await this.#record({ what, id });
      return { is: "changed", order: { ...order, status: what } };
    });
  }

  /** Runs changes one after the other. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#lastChange.then(change);
    // its caller hears of it; the next change doesn't depend on it
    this.#lastChange = result.catch(() => undefined);
    return result;
  }

  async #record(happening: Happening): Promise<void> {
    if (this.#journal === undefined) throw new Error("the journal is still being replayed");
    await this.#journal.append(happening);
    this.#apply(happening);
  }

  /**
   * The only writer of what is in memory, for what is read from the journal and what was just
   * written to it alike.
   */
  #apply(happening: Happening): void {
    if (happening.what === "restocked") return this.#addToStock(happening.sku, happening.qty);
    if (happening.what === "placed") {
      const { order, key } = happening;
      this.#orders.set(order.id, order);
      if (key !== undefined) this.#keys.set(keyOf(order.customer, key), order.id);
      return this.#addToStock(order.sku, -order.qty);
    }
    const order = this.#orders.get(happening.id);
    if (order === undefined)
      throw new Error(
        `the journal speaks of an unknown order ${happening.id}: restore it from a backup`,
      );
    this.#orders.set(order.id, { ...order, status: happening.what });
    if (happening.what === "cancelled") this.#addToStock(order.sku, order.qty);
  }

  #addToStock(sku: string, qty: number): void {
    const item = this.#stock.get(sku);
    if (item !== undefined) this.#stock.set(sku, { ...item, left: item.left + qty });
  }
}

function numberOf(id: string): number {
  return Number(id.slice(1));
}

function keyOf(customer: string, key: string): string {
  return JSON.stringify([customer, key]);
}
