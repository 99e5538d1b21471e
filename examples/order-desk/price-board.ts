export interface Quote {
  readonly sku: string;
  /** Cents. */
  readonly price: number;
  /** ISO 8601, UTC. */
  readonly at: string;
}

const kept = 60; // quotes of each item
const stride = 0.012; // of the price, at most, with each move
const pull = 0.05; // how much of the way back to the list price

/** What the items cost on the market: prices that wander about the list price, made up here. */
export class PriceBoard {
  readonly #list: readonly { readonly sku: string; readonly price: number }[];
  readonly #quotes = new Map<string, Quote[]>(); // by sku, the newest last
  readonly #random: () => number;

  /** It begins with a minute behind it. `random` is in [0, 1). */
  constructor(
    list: readonly { readonly sku: string; readonly price: number }[],
    random: () => number = Math.random,
  ) {
    this.#list = list;
    this.#random = random;
    for (let past = kept; past > 0; past--) this.move(Date.now() - past * 1_000);
  }

  get recent(): readonly Quote[] {
    return [...this.#quotes.values()].flat();
  }

  /** A new price for each item. */
  move(now = Date.now()): readonly Quote[] {
    return this.#list.map(({ sku, price: listed }) => {
      const quotes = this.#quotes.get(sku) ?? [];
      const last = quotes.at(-1)?.price ?? listed;
      const step = (this.#random() * 2 - 1) * stride * listed + (listed - last) * pull;
      const quote = { sku, price: Math.round(last + step), at: new Date(now).toISOString() };
      this.#quotes.set(sku, [...quotes, quote].slice(-kept));
      return quote;
    });
  }
}
