/**
 * What stands for every value that is not among the known ones: no label has a value that a peer
 * has made up.
 */
export const otherLabel = "_OTHER";

/**
 * Counts by label values, of which there are never more than `most`; the rest are counted together.
 */
export class CounterMap {
  readonly #counts = new Map<string, number>();
  readonly #most: number;

  constructor(most = 200) {
    this.#most = most;
  }

  add(label: string, count = 1): void {
    const key = this.#counts.has(label) || this.#counts.size < this.#most ? label : otherLabel;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + count);
  }

  [Symbol.iterator](): Iterator<[string, number]> {
    return this.#counts[Symbol.iterator]();
  }
}
