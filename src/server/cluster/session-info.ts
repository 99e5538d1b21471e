import type { SessionStateName } from "../../protocol/messages.js";
import type { ConnectionEntry } from "../lifecycle/connection-registry.js";

/** What a connection is doing. */
export interface ConnectionLoad {
  /** Requests and notifications that have come, refused ones too. */
  readonly calls: number;
  /** Requests whose handlers are pending. */
  readonly inFlight: number;
  /** Bytes that wait for the peer to read them. */
  readonly bufferedBytes: number;
  /** Subscriptions that are open. */
  readonly subscriptions: number;
}

/** One connection, as an administrator sees it. */
export interface SessionInfo extends ConnectionLoad {
  /** The connection's id: what `kick` takes. */
  readonly id: string;
  /** The node that holds it. */
  readonly node: string;
  /** What the session is in. */
  readonly state: Exclude<SessionStateName, "closed">;
  /** Null: nobody has authenticated. */
  readonly subject: string | null;
  /** The issuer of the token; null: nobody has authenticated. */
  readonly issuer: string | null;
  /** The token's `sid`, where it has one: what `revoke` takes. */
  readonly sessionId: string | null;
  /** The peer's address, seen through trusted proxies. */
  readonly address: string;
  /** When the connection was opened, milliseconds since 1970. */
  readonly since: number;
  /** Milliseconds until the token expires; null: there is none. */
  readonly expiresIn: number | null;
}

/** Which connections are meant: all that match every member. */
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

/** Is that what {@link describeSession} makes, as far as a reader relies on it? */
export function isSessionInfo(value: unknown): value is SessionInfo {
  const { id, node, address, since } = Object(value) as Partial<Record<keyof SessionInfo, unknown>>;
  return (
    typeof id === "string" &&
    typeof node === "string" &&
    typeof address === "string" &&
    typeof since === "number"
  );
}
