/**
 * A view that changes, without a framework: a store of Svelte as it is, and the two functions that
 * React's `useSyncExternalStore` takes.
 */
export interface ViewStore<View> {
  /** Returns the view as it is now: the same object until it changes. */
  readonly view: () => View;
  /**
   * Calls `run` with the view now, and after each change. Returns the function that stops it. A
   * store works for as long as somebody listens.
   */
  readonly subscribe: (run: (view: View) => void) => () => void;
}

/**
 * A store that works for as long as somebody listens. It begins and ends a microtask late, so that a
 * component which is taken out and put back at once (StrictMode of React) costs one beginning.
 */
export abstract class ObservedStore<View> implements ViewStore<View> {
  readonly #listeners = new Set<() => void>();
  #view: View;
  #running: AbortController | undefined;

  constructor(view: View) {
    this.#view = view;
  }

  readonly view = (): View => this.#view;

  readonly subscribe = (run: (view: View) => void): (() => void) => {
    const listener = () => run(this.#view); // the same function may listen twice
    this.#listeners.add(listener);
    queueMicrotask(() => this.#settle());
    listener();
    return () => {
      this.#listeners.delete(listener);
      queueMicrotask(() => this.#settle());
    };
  };

  /** Whether anybody listens. */
  protected get isObserved(): boolean {
    return this.#listeners.size > 0;
  }

  /** The signal of the work that goes on; undefined while nobody listens. */
  protected get running(): AbortSignal | undefined {
    return this.#running?.signal;
  }

  /** Begins the work, which ends when the signal aborts. */
  protected abstract begin(signal: AbortSignal): void;

  protected show(view: View): void {
    if (this.#view === view) return;
    this.#view = view;
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        throwOutside(error);
      }
    }
  }

  #settle(): void {
    if (!this.isObserved) {
      this.#running?.abort();
      this.#running = undefined;
    } else if (this.#running === undefined) {
      this.#running = new AbortController();
      this.begin(this.#running.signal);
    }
  }
}

/** Throws an error where nobody catches it, so that the platform reports it. */
export function throwOutside(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
