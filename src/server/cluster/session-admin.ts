/** Lists and closes connections on all nodes. */
import type { Logger } from "../../runtime/logger.js";
import type { ConnectionRegistry } from "../lifecycle/connection-registry.js";
import type { NodeQueries } from "./node-queries.js";
import {
  describeSession,
  isSessionInfo,
  matches,
  type SessionFilter,
  type SessionInfo,
} from "./session-info.js";

/** Options of `server.sessions`. */
export interface SessionsOptions extends SessionFilter {
  /**
   * Maximum number of sessions in the result, an integer from 1 to 1_000.
   * @default 1_000
   */
  readonly limit?: number;
}

/** Result of `server.sessions`. */
export interface SessionList {
  /** The sessions, newest first. */
  readonly sessions: readonly SessionInfo[];
  /** Number of matching sessions, regardless of `limit`. */
  readonly total: number;
  /** Number of nodes that answered. */
  readonly nodes: number;
  /** `false` if a node did not answer within a second, so that its sessions are missing. */
  readonly complete: boolean;
}

/** Selects one connection, or all connections of a subject. */
export type KickSelector =
  | { readonly connection: string }
  | { readonly subject: string; readonly issuer?: string };

/** Result of `server.kick`. */
export interface KickResult {
  /** Number of closed connections. */
  readonly kicked: number;
  /** `false` if a node did not answer within a second and may not have received the request. */
  readonly complete: boolean;
}

export const maxSessions = 1_000;

export class Administration {
  readonly #connectionRegistry: ConnectionRegistry;
  readonly #node: string;
  readonly #log: Logger;
  readonly #nodes: NodeQueries | undefined;

  /** @param nodes queries all nodes; absent on a single node */
  constructor(
    connectionRegistry: ConnectionRegistry,
    node: string,
    log: Logger,
    nodes?: NodeQueries,
  ) {
    this.#connectionRegistry = connectionRegistry;
    this.#node = node;
    this.#log = log;
    this.#nodes = nodes;
    nodes?.about("sessions", (params) => this.#listHere(optionsOf(params)));
    nodes?.about("kick", (params) => this.#kickHere(filterOf(params)));
  }

  /** Throws `TypeError` if `limit` is not an integer from 1 to 1000. */
  async sessions(options: SessionsOptions = {}): Promise<SessionList> {
    const { limit = maxSessions } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > maxSessions)
      throw new TypeError(`sessions: limit must be an integer from 1 to ${maxSessions}`);
    const { answers, complete } = await this.#ask("sessions", { ...options, limit }, () =>
      this.#listHere({ ...options, limit }),
    );
    const lists = answers.map(listOf);
    const sessions = lists.flatMap((list) => list.sessions).sort(newestFirst);
    return {
      sessions: sessions.slice(0, limit),
      total: lists.reduce((sum, { total }) => sum + total, 0),
      nodes: lists.length,
      complete,
    };
  }

  /** Throws `TypeError` if the selector names neither a connection nor a subject. */
  async kick(selector: KickSelector): Promise<KickResult> {
    const filter = filterOf(selector);
    const complaint = kickComplaint(filter);
    if (complaint !== undefined) throw new TypeError(`kick: ${complaint}`);
    const { answers, complete } = await this.#ask("kick", filter, () => this.#kickHere(filter));
    const kicked = answers.reduce<number>((sum, answer) => sum + numberOf(answer), 0);
    return { kicked, complete };
  }

  async #ask(
    subject: string,
    params: object,
    here: () => unknown,
  ): Promise<{ answers: readonly unknown[]; complete: boolean }> {
    if (this.#nodes === undefined) return { answers: [here()], complete: true };
    const { answers, complete } = await this.#nodes.ask(subject, params);
    return { answers: [...answers.values()], complete };
  }

  #listHere({ limit = maxSessions, ...filter }: SessionsOptions): {
    sessions: SessionInfo[];
    total: number;
  } {
    const members = this.#connectionRegistry
      .members()
      .filter((member) => matches(member, filter))
      .reverse(); // newest first
    return {
      sessions: members.slice(0, limit).map((member) => describeSession(member, this.#node)),
      total: members.length,
    };
  }

  #kickHere(filter: SessionFilter): number {
    if (kickComplaint(filter) !== undefined) return 0;
    const kicked = this.#connectionRegistry.members().filter((member) => matches(member, filter));
    for (const { connection } of kicked) connection.close("kicked");
    if (kicked.length > 0)
      this.#log.info(
        { event: "kick", ...filter, connections: kicked.length },
        "connections kicked",
      );
    return kicked.length;
  }
}

/** Returns what is wrong with a selector. An empty filter would match every connection. */
export function kickComplaint({ connection, subject, issuer }: SessionFilter): string | undefined {
  if ((connection === undefined) === (subject === undefined) || (connection ?? subject) === "")
    return "give either connection or subject, as a non-empty string";
  return connection !== undefined && issuer !== undefined ? "issuer goes with subject" : undefined;
}

function newestFirst(a: SessionInfo, b: SessionInfo): number {
  return b.since - a.since;
}

// Another node may run another version, so its messages are checked.

function filterOf(params: unknown): SessionFilter {
  const { connection, subject, issuer } = Object(params) as Record<keyof SessionFilter, unknown>;
  return {
    ...(typeof connection === "string" ? { connection } : {}),
    ...(typeof subject === "string" ? { subject } : {}),
    ...(typeof issuer === "string" ? { issuer } : {}),
  };
}

function optionsOf(params: unknown): SessionsOptions {
  const { limit } = Object(params) as { limit?: unknown };
  return { ...filterOf(params), limit: Math.min(Math.max(numberOf(limit), 1), maxSessions) };
}

function listOf(answer: unknown): {
  readonly sessions: readonly SessionInfo[];
  readonly total: number;
} {
  const { sessions, total } = Object(answer) as { sessions?: unknown; total?: unknown };
  return {
    sessions: Array.isArray(sessions) ? sessions.filter(isSessionInfo) : [],
    total: numberOf(total),
  };
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
