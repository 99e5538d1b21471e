/** Runs jobs of one key one after the other, and those of different keys side by side. */
export class KeyMutex {
  readonly #last = new Map<string, Promise<unknown>>();

  run<T>(key: string, job: () => Promise<T>): Promise<T> {
    const result = (this.#last.get(key) ?? Promise.resolve()).then(job);
    const settled: Promise<void> = result.then(
      () => this.#forget(key, settled),
      // whoever called run() hears of the failure; the next job runs all the same
      () => this.#forget(key, settled),
    );
    this.#last.set(key, settled);
    return result;
  }

  #forget(key: string, settled: Promise<unknown>): void {
    if (this.#last.get(key) === settled) this.#last.delete(key);
  }
}
