import { createHash } from "node:crypto";
import type { AttemptCounters } from "../store.js";
import { KeyMutex } from "./key-mutex.js";
import { RecordFolder } from "./record-folder.js";

/** Counters by key: failures, and when the last one was (seconds). */
interface Bucket {
  readonly counters: Readonly<Record<string, readonly [failures: number, lastAt: number]>>;
}

// counters; with 256 buckets at most 262_144, some 20 MiB, whatever names an attacker tries
const longestBucket = 1_024;

/** Attempt counters in at most 256 files, so that guessing at many names can't fill the disk. */
export class AttemptBuckets implements AttemptCounters {
  readonly #folder: RecordFolder<Bucket>;
  readonly #ready: () => Promise<void>;
  readonly #mutex = new KeyMutex();

  constructor(path: string, ready: () => Promise<void>) {
    this.#folder = new RecordFolder<Bucket>(path, { counters: "object" });
    this.#ready = ready;
  }

  async get(key: string): Promise<{ readonly failures: number; readonly lastAt: number }> {
    await this.#ready();
    const [failures, lastAt] = (await this.#read(bucketOf(key))).get(hashed(key)) ?? [0, 0];
    return { failures, lastAt };
  }

  async fail(key: string, now: number): Promise<number> {
    return this.#change(bucketOf(key), (counters) => {
      const failures = (counters.get(hashed(key))?.[0] ?? 0) + 1;
      counters.delete(hashed(key));
      if (counters.size >= longestBucket) counters.delete(leastOf(counters));
      counters.set(hashed(key), [failures, now]);
      return failures;
    });
  }

  async clear(key: string): Promise<void> {
    await this.#change(bucketOf(key), (counters) => {
      counters.delete(hashed(key));
    });
  }

  async sweep(before: number): Promise<number> {
    let forgotten = 0;
    for (let number = 0; number < 256; number += 1) {
      const bucket = number.toString(16).padStart(2, "0");
      const old = [...(await this.#read(bucket))].filter(([, [, lastAt]]) => lastAt < before);
      if (old.length === 0) continue;
      forgotten += await this.#change(bucket, (counters) => {
        const still = old.filter(([key, [, lastAt]]) => counters.get(key)?.[1] === lastAt);
        for (const [key] of still) counters.delete(key);
        return still.length;
      });
    }
    return forgotten;
  }

  async #read(bucket: string): Promise<Map<string, readonly [number, number]>> {
    return new Map(Object.entries((await this.#folder.read(bucket))?.counters ?? {}));
  }

  async #change<T>(
    bucket: string,
    change: (counters: Map<string, readonly [number, number]>) => T,
  ): Promise<T> {
    await this.#ready();
    return this.#mutex.run(bucket, async () => {
      const counters = await this.#read(bucket);
      const result = change(counters);
      await this.#folder.write(bucket, { counters: Object.fromEntries(counters) });
      return result;
    });
  }
}

function hashed(key: string): string {
  return createHash("sha256").update(key).digest("base64url");
}

function bucketOf(key: string): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 2);
}

/** The counter that is missed least: fewest failures, then the oldest. */
function leastOf(counters: ReadonlyMap<string, readonly [number, number]>): string {
  let least: readonly [string, readonly [number, number]] | undefined;
  for (const entry of counters) {
    if (
      least === undefined ||
      entry[1][0] < least[1][0] ||
      (entry[1][0] === least[1][0] && entry[1][1] < least[1][1])
    )
      least = entry;
  }
  return least?.[0] ?? "";
}
