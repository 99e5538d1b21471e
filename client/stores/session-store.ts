import type { Client, ClientState, Session, StateChange } from "../browser.js";
import type { ViewStore } from "./view-store.js";

/** The client's state and session, as a component sees them. */
export interface SessionView {
  /** The client's state. */
  readonly state: ClientState;
  /** The session of the connection; `null` while nobody is signed in. */
  readonly session: Session | null;
  /** Why the client came to this state, for programs; `undefined` where that needs no reason. */
  readonly reason: string | undefined;
  /** Milliseconds from the change of state to the next attempt, in `waiting`. */
  readonly retryIn: number | undefined;
  /** The error behind the reason, where one is known. */
  readonly cause: unknown;
}

/**
 * The view on a server, and while a page that came from one is hydrated: both must be the same,
 * whatever the client has done meanwhile.
 */
export const unknownSession: SessionView = {
  state: "idle",
  session: null,
  reason: undefined,
  retryIn: undefined,
  cause: undefined,
};

const known = new WeakMap<object, SessionStore>();

/** The one store of a client: it remembers why the client came to its state. */
export function sessionStoreOf(client: Client): ViewStore<SessionView> {
  let store = known.get(client);
  if (store === undefined) {
    store = new SessionStore(client);
    known.set(client, store);
  }
  return store;
}

class SessionStore implements ViewStore<SessionView> {
  readonly #client: Client;
  #change: StateChange | undefined;
  #view = unknownSession;

  constructor(client: Client) {
    this.#client = client;
    client.on("state", (change) => {
      this.#change = change;
    });
  }

  readonly view = (): SessionView => {
    const { state, session } = this.#client;
    const change = this.#change?.to === state ? this.#change : undefined;
    const { reason, retryIn, cause } = change ?? unknownSession;
    const next = { state, session, reason, retryIn, cause };
    if (!isSame(this.#view, next)) this.#view = next;
    return this.#view;
  };

  readonly subscribe = (run: (view: SessionView) => void): (() => void) => {
    run(this.view());
    return this.#client.on("state", () => run(this.view()));
  };
}

function isSame(one: SessionView, other: SessionView): boolean {
  return (Object.keys(one) as (keyof SessionView)[]).every((name) => one[name] === other[name]);
}
