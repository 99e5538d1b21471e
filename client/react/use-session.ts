import { useSyncExternalStore } from "react";
import { type SessionView, sessionStoreOf, unknownSession } from "../stores/session-store.js";
import { useRpc } from "./rpc-context.js";

const atFirst = () => unknownSession;

/**
 * Returns state and session of the client, and why it is in this state; draws the component again
 * at each change of state.
 *
 * @throws {Error} if the component stands in no `RpcProvider`
 * @example
 * ```tsx
 * const { state, session, retryIn } = useSession();
 * if (state === "waiting") return <p>connecting again in {Math.ceil((retryIn ?? 0) / 1000)} s</p>;
 * return <p>{session === null ? state : `signed in as ${session.subject}`}</p>;
 * ```
 */
export function useSession(): SessionView {
  const store = sessionStoreOf(useRpc());
  return useSyncExternalStore(store.subscribe, store.view, atFirst);
}
