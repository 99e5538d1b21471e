import type { SessionStateName } from "../../protocol/messages.js";
import type { ConnectionEntry } from "../lifecycle/connection-registry.js";

/** Load of one connection. */
export interface ConnectionLoad {
  /** Requests and notifications received, including refused ones. */
  readonly calls: number;
  /** Requests whose handlers are pending. */
  readonly inFlight: number;
  /** Bytes waiting for the peer to read them. */
  readonly bufferedBytes: number;
  /** Open subscriptions. */
  readonly subscriptions: number;
}

/** One connection, as an administrator sees it. */
export interface SessionInfo extends ConnectionLoad {
  /** The connection's id, which `kick` takes. */
  readonly id: string;
  /** The node that holds it. */
  readonly node: string;
  /** State of the session. */
  readonly state: Exclude<SessionStateName, "closed">;
  /** Subject of the token; null without a session. */
  readonly subject: string | null;
  /** Issuer of the token; null without a session. */
  readonly issuer: string | null;
  /** The token's `sid`, which `revoke` takes; null if the token has none. */
  readonly sessionId: string | null;
  /** The peer's address, seen through trusted proxies. */
  readonly address: string;
  /** Time at which the connection opened, milliseconds since 1970. */
  readonly since: number;
  /** Milliseconds until the token expires; null without a session. */
  readonly expiresIn: number | null;
}

/** Selects the connections that match every member. */
export interface SessionFilter {
  /** The connection with this id. */
  readonly connection?: string;
  /** Connections of this subject. */
  readonly subject?: string;
  /** Connections whose token is from this issuer. */
  readonly issuer?: string;
}

export function matches(
  { connection, token }: Readonly<ConnectionEntry>,
  filter: SessionFilter,
): boolean {
  return (
    (filter.connection === undefined || filter.connection === connection.id) &&
    (filter.subject === undefined || filter.subject === token?.subject) &&
    (filter.issuer === undefined || filter.issuer === token?.issuer)
  );
}

export function describeSession(
  { connection, since, token }: Readonly<ConnectionEntry>,
  node: string,
): SessionInfo {
  const { state, expiresIn } = connection.whoami();
  return {
    id: connection.id,
    node,
    state,
    subject: token?.subject ?? null,
    issuer: token?.issuer ?? null,
    sessionId: token?.sessionId ?? null,
    address: connection.remoteAddress,
    since,
    expiresIn: expiresIn === null ? null : expiresIn * 1_000,
    ...connection.load,
  };
}

/** Returns whether a value has the members of a session that readers rely on. */
export function isSessionInfo(value: unknown): value is SessionInfo {
  const { id, node, address, since } = Object(value) as Partial<Record<keyof SessionInfo, unknown>>;
  return (
    typeof id === "string" &&
    typeof node === "string" &&
    typeof address === "string" &&
    typeof since === "number"
  );
}
