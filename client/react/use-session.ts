import { useCallback, useRef, useSyncExternalStore } from "react";
import type { Client, ClientState, Session } from "../index.js";
import { useRpc } from "./rpc-context.js";

export interface SessionView {
  readonly state: ClientState;
  /** Who is signed in on the connection; `null` while nobody is. */
  readonly session: Session | null;
}

/**
 * On a server, and while a page that came from one is hydrated: the same there and here, whatever
 * the client has done meanwhile.
 */
const beginning: SessionView = { state: "idle", session: null };
const atFirst = () => beginning;

/** State and session of the client, as of its last change of state. */
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
