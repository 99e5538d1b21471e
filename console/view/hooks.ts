import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
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

/** Does a media query match? */
export function useMedia(query: string): boolean {
  const [isMatching, set] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const look = () => set(list.matches);
    look();
    list.addEventListener("change", look);
    return () => list.removeEventListener("change", look);
  }, [query]);
  return isMatching;
}

/** Focuses an element when it appears; `autofocus` does that with the first page only. */
export function useFocusAtFirst<T extends HTMLElement>(): { current: T | null } {
  const element = useRef<T>(null);
  useLayoutEffect(() => element.current?.focus(), []);
  return element;
}

/**
 * Focuses an element when it appears in the place of the one that had the focus; otherwise the
 * keyboard would begin at the top of the page again.
 */
export function useFocusIfLost<T extends HTMLElement>(): { current: T | null } {
  const element = useRef<T>(null);
  useLayoutEffect(() => focusIfLost(element.current), []);
  return element;
}

export function focusIfLost(element: HTMLElement | null): void {
  const { activeElement, body } = document;
  if (activeElement === null || activeElement === body) element?.focus({ preventScroll: true });
}
