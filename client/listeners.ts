type Handler = (event: unknown) => void;

export interface Listeners {
  on(name: string, handler: Handler): () => void;
  emit(name: string, event: unknown): void;
}

/**
 * Handlers by name. They run in a microtask of their own and from a copy, so that a handler may do
 * anything: close the client, listen, stop listening. What a handler throws goes to `onError`, and
 * breaks neither the client nor the next handler.
 */
export function createListeners(onError: (error: unknown) => void): Listeners {
  const byName = new Map<string, Set<Handler>>();
  return {
    on(name, handler) {
      const handlers = byName.get(name) ?? new Set();
      byName.set(name, handlers);
      const own: Handler = (event) => handler(event); // the same function may listen twice
      handlers.add(own);
      return () => {
        handlers.delete(own);
      };
    },
    emit(name, event) {
      const handlers = byName.get(name);
      if (!handlers) return;
      queueMicrotask(() => {
        for (const handler of [...handlers]) {
          try {
            if (handlers.has(handler)) handler(event); // one before it may have stopped it
          } catch (error) {
            queueMicrotask(() => onError(error)); // which may throw as well
          }
        }
      });
    },
  };
}
