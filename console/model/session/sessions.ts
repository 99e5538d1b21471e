import { membersOf, numberIn, stringIn } from "../message.js";

/** One connection of the server, as `rpc.sessions.list` tells it. */
export interface ListedSession {
  readonly id: string;
  readonly node: string;
  readonly subject: string | null;
  readonly issuer: string | null;
  readonly sessionId: string | null;
  readonly state: string;
  readonly address: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** By `performance.now()`; null: there is no token. */
  readonly endsAt: number | null;
  readonly calls: number;
  readonly subscriptions: number;
  readonly bufferedBytes: number;
}

export interface ListedSessions {
  readonly sessions: readonly ListedSession[];
  readonly total: number;
  /** `false`: a node did not answer, and its sessions are missing. */
  readonly isComplete: boolean;
  /** When it was so, by `performance.now()`. */
  readonly at: number;
}

/** How the console calls the administrator's methods; rejects with what the server said. */
export type Ask = (method: string, params: object) => Promise<unknown>;

export const listMethod = "rpc.sessions.list";

/** Everybody who is connected, or all connections of a subject; the newest 1_000 of them. */
export async function listSessions(ask: Ask, subject?: string): Promise<ListedSessions> {
  const params = subject === undefined ? {} : { subject };
  const { sessions, total, complete } = membersOf(await ask(listMethod, params));
  const listed = (Array.isArray(sessions) ? sessions : []).flatMap(sessionIn);
  return {
    sessions: listed,
    total: numberIn(total) ?? listed.length,
    isComplete: complete !== false,
    at: performance.now(),
  };
}

export async function kickSession(ask: Ask, { id }: ListedSession): Promise<void> {
  await ask("rpc.sessions.kick", { connection: id });
}

/**
 * Ends the login that this session came from; where its token names none, all sessions of the
 * subject.
 */
export async function revokeSession(
  ask: Ask,
  { sessionId, subject, issuer }: ListedSession,
): Promise<void> {
  const whose = sessionId === null ? { subject } : { sessionId };
  await ask("rpc.sessions.revoke", {
    ...whose,
    ...(issuer === null ? {} : { issuer }),
    reason: "revoked in the console",
  });
}

function sessionIn(value: unknown): readonly ListedSession[] {
  const session = membersOf(value);
  const id = stringIn(session.id);
  if (id === undefined) return [];
  const expiresIn = numberIn(session.expiresIn);
  return [
    {
      id,
      node: stringIn(session.node) ?? "",
      subject: stringIn(session.subject) ?? null,
      issuer: stringIn(session.issuer) ?? null,
      sessionId: stringIn(session.sessionId) ?? null,
      state: stringIn(session.state) ?? "",
      address: stringIn(session.address) ?? "",
      since: (numberIn(session.since) ?? 0) * 1_000,
      endsAt: expiresIn === undefined ? null : performance.now() + expiresIn * 1_000,
      calls: numberIn(session.calls) ?? 0,
      subscriptions: numberIn(session.subscriptions) ?? 0,
      bufferedBytes: numberIn(session.bufferedBytes) ?? 0,
    },
  ];
}
