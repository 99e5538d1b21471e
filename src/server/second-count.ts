const second = 1_000;

/** Counts what happens in one second; the next one begins with what comes after it. */
export class SecondCount {
  #since = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** How many there were in the second of `now` (monotonic, ms). */
  at(now: number): number {
    return now - this.#since < second ? this.#count : 0;
  }

  add(now: number): void {
    if (now - this.#since >= second) {
      this.#since = now;
      this.#count = 0;
    }
    this.#count++;
  }
}
