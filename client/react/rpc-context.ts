import { createContext, createElement, type ReactElement, type ReactNode, useContext } from "react";
import type { Client, Untyped } from "../index.js";

const RpcContext = createContext<Client | null>(null);

/**
 * Gives a client to the components below. It neither connects nor closes it: a client outlives
 * components.
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

/** The client of the nearest `RpcProvider`. Throws when there is none. */
export function useRpc<App = Untyped>(): Client<App> {
  const client = useContext(RpcContext);
  if (client === null)
    throw new Error("useRpc: put <RpcProvider client={…}> around the components that use jotwire");
  return client as unknown as Client<App>;
}
