/** One subscriber's events: each acknowledged one once and in order, or a gap told. */
export class EventJudge {
  readonly #isPublished: (n: number) => boolean;
  readonly #seen = new Set<number>();
  readonly faults: string[] = [];
  #last: number | undefined;
  #wasTold = false;
  heard = 0;
  gaps = 0;

  /** `isPublished`: was this event's publication acknowledged? The others may be missing. */
  constructor(isPublished: (n: number) => boolean) {
    this.#isPublished = isPublished;
  }

  get last(): number | undefined {
    return this.#last;
  }

  gap(): void {
    this.gaps++;
    this.#wasTold = true;
  }

  event(n: number): void {
    this.heard++;
    if (this.#seen.has(n)) this.faults.push(`event ${n} came twice`);
    this.#seen.add(n);
    const last = this.#last;
    this.#last = Math.max(n, last ?? n);
    const wasTold = this.#wasTold;
    this.#wasTold = false;
    if (last === undefined) return;
    if (n < last && this.#isPublished(n)) this.faults.push(`event ${n} came after ${last}`);
    for (let missing = last + 1; missing < n && !wasTold; missing++) {
      if (this.#isPublished(missing))
        this.faults.push(`event ${missing} is missing before ${n}, and no gap was told`);
    }
  }
}
