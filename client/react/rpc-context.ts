import { createContext, createElement, type ReactElement, type ReactNode, useContext } from "react";
import type { Client, Untyped } from "../browser.js";

const RpcContext = createContext<Client | null>(null);

/**
 * Gives a client to the components below. It neither connects nor closes the client, which outlives
 * components.
 *
 * @example
 * ```tsx
 * const client = createClient<App>({ url: "wss://api.example.com/rpc", token }); // outside
 * createRoot(document.body).render(<RpcProvider client={client}><Orders /></RpcProvider>);
 * ```
 */
export function RpcProvider<App = Untyped>({
  client,
  children,
}: {
  readonly client: Client<App>;
  readonly children?: ReactNode;
}): ReactElement {
  return createElement(RpcContext.Provider, { value: client as unknown as Client }, children);
}

/**
 * Returns the client of the nearest `RpcProvider`.
 *
 * @throws {Error} if the component stands in no `RpcProvider`
 * @example
 * ```tsx
 * const rpc = useRpc<App>();
 * return <button onClick={() => safe(rpc.api.orders.create({ sku: "A1" }))}>Order</button>;
 * ```
 */
export function useRpc<App = Untyped>(): Client<App> {
  const client = useContext(RpcContext);
  if (client === null)
    throw new Error("useRpc: put <RpcProvider client={…}> around the components that use jotwire");
  return client as unknown as Client<App>;
}
