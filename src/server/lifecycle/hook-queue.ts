import { isThenable, toPromise } from "../../runtime/application-code.js";

/** How long a hook waits for those before it, and may take without a line in the log. */
export const maxHookWait = 10_000; // 10 s

/** Something that has a deadline: a hook that waits for its turn, or one that runs. */
export interface HookDeadline {
  expired(): void;
}

/** What the queues of a server share. */
export interface HookQueueServices {
  /** Each deadline is {@link maxHookWait} away. */
  readonly deadlines: {
    add(deadline: HookDeadline, duration: number): void;
    delete(deadline: HookDeadline, duration: number): void;
  };
  /** Receives what a hook threw or rejected with, and the error of one that does not settle. */
  readonly failed: (hook: string, error: unknown) => void;
}

interface WaitingHook extends HookDeadline {
  readonly hook: string;
  readonly call: () => unknown;
}

/**
 * The hooks of one connection, which run one after the other in the order of their events. A hook
 * waits for those before it for at most {@link maxHookWait}, then it overtakes them: what waits is
 * never older, even if no hook settles.
 */
export class HookQueue {
  readonly #services: HookQueueServices;
  readonly #onIdle: () => void;
  readonly #waiting: WaitingHook[] = [];
  /** Number of hooks that have neither settled nor reached their deadline. */
  #running = 0;

  /** @param onIdle called whenever nothing runs or waits any more */
  constructor(services: HookQueueServices, onIdle: () => void) {
    this.#services = services;
    this.#onIdle = onIdle;
  }

  /** Number of hooks that wait for their turn. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Calls a hook: at once if nothing runs, else in its turn. */
  add(hook: string, call: () => unknown): void {
    if (this.#running > 0) {
      const waiting = { hook, call, expired: () => this.#overtake(waiting) };
      this.#waiting.push(waiting);
      this.#services.deadlines.add(waiting, maxHookWait);
      return;
    }
    this.#run(hook, call);
    this.#proceed();
  }

  #proceed(): void {
    while (this.#running === 0) {
      const next = this.#waiting.shift();
      if (next === undefined) return this.#onIdle();
      this.#services.deadlines.delete(next, maxHookWait);
      this.#run(next.hook, next.call);
    }
  }

  /** Runs the hook that has waited longest beside those that have not settled. */
  #overtake(overdue: WaitingHook): void {
    if (this.#waiting[0] !== overdue) return;
    this.#waiting.shift();
    this.#run(overdue.hook, overdue.call);
    this.#proceed();
  }

  #run(hook: string, call: () => unknown): void {
    this.#running++;
    try {
      const result = call();
      if (isThenable(result)) return this.#follow(hook, toPromise(result));
    } catch (error) {
      this.#services.failed(hook, error);
    }
    this.#running--;
  }

  /** The next hook may begin when this one has settled, or has taken too long. */
  #follow(hook: string, work: Promise<unknown>): void {
    const { deadlines, failed } = this.#services;
    let isOver = false;
    const end = (report: () => void) => {
      if (isOver) return;
      isOver = true;
      deadlines.delete(deadline, maxHookWait);
      report();
      this.#running--;
      this.#proceed();
    };
    const expired = () =>
      failed(hook, new Error(`the hook ${hook} has not settled within ${maxHookWait / 1000} s`));
    const deadline = { expired: () => end(expired) };
    deadlines.add(deadline, maxHookWait);
    work.then(
      () => end(() => {}),
      (error: unknown) => end(() => failed(hook, error)),
    );
  }
}
