import { useEffect, useReducer, useState } from "preact/hooks";
import type { Store } from "../model/store.js";

/** Draws again when the store's value changes. */
export function useStore<T>(store: Store<T>): T {
  const [, redraw] = useReducer((count: number, _: undefined) => count + 1, 0);
  useEffect(() => {
    const again = () => redraw(undefined);
    again(); // it may have changed before this was listening
    return store.subscribe(again);
  }, [store]);
  return store.value;
}

/** `performance.now()`, told anew every `interval` milliseconds. */
export function useNow(interval: number): number {
  const [now, set] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => set(performance.now()), interval);
    return () => clearInterval(timer);
  }, [interval]);
  return Math.max(now, performance.now());
}

/** Runs something that may fail; tells whether it is under way, and with what words it failed. */
export function useAction(action: () => Promise<void>): {
  readonly run: () => void;
  readonly isBusy: boolean;
  readonly problem: string | undefined;
} {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const run = () => {
    setBusy(true);
    setProblem(undefined);
    action()
      .catch((error: unknown) => setProblem(error instanceof Error ? error.message : String(error)))
      .finally(() => setBusy(false));
  };
  return { run, isBusy, problem };
}
