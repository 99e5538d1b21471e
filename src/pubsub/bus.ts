import type { Position } from "../protocol/messages.js";

/** How much of a topic's past is kept for those who come back. */
export interface HistoryOptions {
  /** Most events. */
  readonly size: number;
  /** Milliseconds after which an event is forgotten; `Infinity`: never. */
  readonly ttl: number;
}

/** One event of a topic, as it reaches every node. */
export interface TopicEvent {
  /** The key of the topic: the same on all nodes. */
  readonly topic: string;
  /** One more than that of the event before. Only for topics with a history. */
  readonly offset?: number;
  /** Names the history that the offset belongs to. Only for topics with a history. */
  readonly epoch?: string;
  /** JSON. */
  readonly data: string;
}

/** One event of a history. */
export interface PastEvent {
  readonly offset: number;
  /** JSON. */
  readonly data: string;
}

/**
 * Where a topic stands, for somebody who joins it. A topic that nothing was published to yet, or
 * that is forgotten, stands at offset 0, and nothing is remembered of the reading. Its first event
 * may come with a later `epoch`; a position with the earlier one stays good.
 */
export interface TopicState extends Position {
  /** Only when a position was given. `true`: `missed` is all that came after it. */
  readonly recovered?: boolean;
  /** In order; the last one has the offset of the state. Empty unless `recovered`. */
  readonly missed: readonly PastEvent[];
}

/** What a bus tells a server. */
export interface BusListener {
  /** An event was published. */
  event(event: TopicEvent): void;
  /** What a node sent to all. */
  message(message: string): void;
  /**
   * Events of any topic may have been missed: they were lost on the way, or forgotten while this
   * node was cut off.
   */
  gap(): void;
}

/**
 * Joins the nodes of a deployment: gives the events of a topic their order, keeps their history,
 * and carries events and messages to every node, the sender's too. A method that reaches over a
 * network rejects when it can't, within a second; nothing is queued. Events that came before a
 * `read` was called and are not in its answer are not told by `event` later, but an event may come
 * in both.
 */
export interface Bus {
  /**
   * Resolves when the event has its place and will reach all nodes. `history`: kept for
   * {@link read}.
   */
  publish(topic: string, data: string, history: HistoryOptions | undefined): void | Promise<void>;
  /**
   * Where a topic with a history stands now, and what was missed since `since`: all of it, or
   * nothing.
   */
  read(
    topic: string,
    history: HistoryOptions,
    since: Position | undefined,
  ): TopicState | Promise<TopicState>;
  /** Carries a message to every node, this one too: at least once to those that are connected. */
  send(message: string): void | Promise<void>;
  /** From now on events and messages are told. Returns the function that stops it. */
  subscribe(listener: BusListener): () => void;
}
