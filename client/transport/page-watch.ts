/**
 * Calls `woke` whenever time may have passed unseen by the page, and when its network is back
 * (`isOnline`). Calls `stopped` when the page is about to stand still: in the back/forward cache,
 * which an open socket would keep the page out of, or frozen (Page Lifecycle), after which a
 * browser may cut the page's sockets without telling the server. The returned function ends it.
 */
export function watchPage(
  woke: (isOnline?: boolean) => void,
  stopped: (reason: string) => void,
): () => void {
  const { document: page } = globalThis as Partial<typeof globalThis>;
  if (!page) return () => {}; // Node, or a worker: its timers are all there is
  const look = () => {
    if (!page.hidden) woke();
  };
  const watched: [EventTarget, string, (event: Event) => void][] = [
    [
      globalThis,
      "pagehide",
      (event) => (event as PageTransitionEvent).persisted && stopped("page_cached"),
    ],
    [page, "visibilitychange", look],
    [page, "freeze", () => stopped("page_frozen")],
    [page, "resume", () => woke()], // after `freeze`
    [globalThis, "pageshow", look], // also out of the back/forward cache
    [globalThis, "online", () => woke(true)],
  ];
  const controller = new AbortController();
  for (const [target, name, handler] of watched)
    target.addEventListener(name, handler, { signal: controller.signal });
  return () => controller.abort();
}
