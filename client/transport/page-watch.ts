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
  const controller = new AbortController();
  const look = () => {
    if (!page.hidden) woke();
  };
  const handlers = {
    pagehide: (event: Event) => (event as PageTransitionEvent).persisted && stopped("page_cached"),
    visibilitychange: look,
    freeze: () => stopped("page_frozen"),
    resume: () => woke(), // after `freeze`
    pageshow: look, // also out of the back/forward cache
    online: () => woke(true),
  };
  // the window sees the document's events first, those too that don't bubble
  for (const [name, handler] of Object.entries(handlers))
    globalThis.addEventListener(name, handler, { capture: true, signal: controller.signal });
  return () => controller.abort();
}
