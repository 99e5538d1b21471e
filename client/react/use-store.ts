import { useMemo, useSyncExternalStore } from "react";
import type { Client } from "../browser.js";
import type { ViewStore } from "../stores/view-store.js";
import { useRpc } from "./rpc-context.js";

/** How a hook makes its store, and what it shows without one. */
interface StoreKind<View, Store extends ViewStore<View>> {
  readonly make: new (client: Client, name: string, params: unknown) => Store;
  /** The view before anything has come, also on a server. */
  readonly first: View;
  /** In the place of a store that isn't enabled. */
  readonly off: Store;
}

/**
 * Returns the store of a route for as long as the client, the name and the params (compared as JSON)
 * are the same, and its view.
 */
export function useStore<View, Store extends ViewStore<View>>(
  { make: Kind, first, off }: StoreKind<View, Store>,
  name: string,
  params: unknown,
  enabled: boolean,
): readonly [store: Store, view: View] {
  const client = useRpc() as Client;
  const key = JSON.stringify(params);
  const store = useMemo(
    () => (enabled ? new Kind(client, name, key === undefined ? undefined : JSON.parse(key)) : off),
    [Kind, off, client, name, key, enabled],
  );
  const atFirst = enabled ? first : off.view();
  const view = useSyncExternalStore(store.subscribe, store.view, () => atFirst);
  return [store, view];
}
