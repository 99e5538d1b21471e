import { useCallback, useRef, useSyncExternalStore } from "react";
import type { Client, ClientState, Session } from "../index.js";
import { useRpc } from "./rpc-context.js";

/** The client's state and session, as a component sees them. */
export interface SessionView {
  /** The client's state. */
  readonly state: ClientState;
  /** The session of the connection; `null` while nobody is signed in. */
  readonly session: Session | null;
}

/**
 * The view on a server, and while a page that came from one is hydrated: both must be the same,
 * whatever the client has done meanwhile.
 */
const beginning: SessionView = { state: "idle", session: null };
const atFirst = () => beginning;

/**
 * Returns state and session of the client, as of its last change of state; draws the component
 * again at each change.
 *
 * @throws {Error} if the component stands in no `RpcProvider`
 * @example
 * ```tsx
 * const { state, session } = useSession();
 * return <p>{session === null ? state : `signed in as ${session.subject}`}</p>;
 * ```
 */
export function useSession(): SessionView {
  const client = useRpc();
  const seen = useRef<SessionView>(undefined);
  const subscribe = useCallback((changed: () => void) => client.on("state", changed), [client]);
  const snapshot = () => {
    if (!isCurrent(seen.current, client))
      seen.current = { state: client.state, session: client.session };
    return seen.current as SessionView;
  };
  return useSyncExternalStore(subscribe, snapshot, atFirst);
}

function isCurrent(view: SessionView | undefined, client: Client): boolean {
  return view?.state === client.state && view.session === client.session;
}
