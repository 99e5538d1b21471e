/** Calls `woke` whenever time may have passed unseen by the page, or its network may have changed. The returned function ends it. */
export function watchPage(woke: () => void): () => void {
  const { document: page } = globalThis as Partial<typeof globalThis>;
  if (!page) return () => {}; // Node, or a worker: its timers are all there is
  const look = () => {
    if (!page.hidden) woke();
  };
  const watched: [EventTarget, string, () => void][] = [
    [page, "visibilitychange", look],
    [page, "resume", woke], // after `freeze`
    [globalThis, "pageshow", look], // also out of the back/forward cache
    [globalThis, "online", woke],
  ];
  for (const [target, name, handler] of watched) target.addEventListener(name, handler);
  return () => {
    for (const [target, name, handler] of watched) target.removeEventListener(name, handler);
  };
}
