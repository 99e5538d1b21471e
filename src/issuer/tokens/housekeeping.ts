import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { Store } from "../../store/store.js";

const minuteMs = 60_000;
const hourMs = 3_600_000;
const attemptMemory = 86_400; // 24 h, in s: failures older than that are forgotten

interface Chore {
  readonly intervalMs: number;
  /** Monotonic. */
  dueAt: number;
  /** `now` in seconds. */
  readonly do: (now: number) => Promise<unknown> | undefined;
}

/** Forgets what has ended: beside a request, so that an idle issuer has no timer. */
export class Housekeeping {
  readonly #clock: Clock;
  readonly #logger: Pick<Logger, "warn">;
  readonly #chores: readonly Chore[];

  constructor(store: Store, clock: Clock, logger: Pick<Logger, "warn">) {
    const begunAt = clock.monotonic();
    this.#clock = clock;
    this.#logger = logger;
    this.#chores = [
      { intervalMs: minuteMs, dueAt: begunAt + minuteMs, do: (now) => store.families.sweep(now) },
      {
        intervalMs: minuteMs,
        dueAt: begunAt + minuteMs,
        do: (now) => store.revocations.sweep?.(now),
      },
      {
        intervalMs: hourMs,
        dueAt: begunAt + hourMs,
        do: (now) => store.attempts.sweep(now - attemptMemory),
      }, // of those there is a bound
    ];
  }

  tidyIfDue(): void {
    const at = this.#clock.monotonic();
    const due = this.#chores.filter(({ dueAt }) => at >= dueAt);
    if (due.length === 0) return;
    for (const chore of due) chore.dueAt = at + chore.intervalMs;
    this.#do(due).catch((error: unknown) =>
      this.#logger.warn(
        { event: "issuer.untidy", err: error },
        "ended sessions could not be removed",
      ),
    );
  }

  async #do(chores: readonly Chore[]): Promise<void> {
    const now = this.#clock.now() / 1_000;
    for (const chore of chores) await chore.do(now);
  }
}
