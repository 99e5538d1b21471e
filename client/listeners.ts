type Handler = (event: unknown) => void;

export interface Listeners {
  on(name: string, handler: Handler): () => void;
  emit(name: string, event: unknown): void;
}

/** Handlers by name. What a handler throws goes to `onError`, so that it breaks neither the client nor the next handler. */
export function createListeners(onError: (error: unknown) => void): Listeners {
  const byName = new Map<string, Set<Handler>>();
  return {
    on(name, handler) {
      const handlers = byName.get(name) ?? new Set();
      byName.set(name, handlers);
      const own: Handler = (event) => handler(event); // the same function may listen twice
      handlers.add(own);
      return () => void handlers.delete(own);
    },
    emit(name, event) {
      for (const handler of byName.get(name) ?? []) {
        try {
          handler(event);
        } catch (error) {
          onError(error);
        }
      }
    },
  };
}
