const mostMessages = 256;
const mostBytes = 262_144; // 256 KiB

/** Pushes for an expired session, kept in order until a refresh. When there are too many all are dropped, and the gap is told. */
export class HeldPushes {
  #texts: string[] = [];
  #bytes = 0;
  #isOverflown = false;

  /** Something was held, or dropped, that a refresh must release first. */
  get isHolding(): boolean {
    return this.#texts.length > 0 || this.#isOverflown;
  }

  hold(text: string): void {
    if (this.#isOverflown) return;
    this.#texts.push(text);
    this.#bytes += Buffer.byteLength(text);
    if (this.#texts.length <= mostMessages && this.#bytes <= mostBytes) return;
    this.drop();
    this.#isOverflown = true;
  }

  /** Hands over what was held, and starts anew. */
  release(): { readonly texts: readonly string[]; readonly gap: boolean } {
    const released = { texts: this.#texts, gap: this.#isOverflown };
    this.drop();
    return released;
  }

  drop(): void {
    this.#texts = [];
    this.#bytes = 0;
    this.#isOverflown = false;
  }
}
