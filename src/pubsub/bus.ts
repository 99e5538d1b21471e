import type { Position } from "../protocol/messages.js";

/** Size of a topic's history, from which subscribers that come back recover missed events. */
export interface HistoryOptions {
  /** Maximum number of events. */
  readonly size: number;
  /** Milliseconds after which an event is removed; `Infinity` keeps events without a time limit. */
  readonly ttl: number;
}

/** One event of a topic, as it reaches every node. */
export interface TopicEvent {
  /** The key of the topic, which is the same on all nodes. */
  readonly topic: string;
  /** One more than the offset of the event before. Only for topics with a history. */
  readonly offset?: number;
  /** Identifies the history of the offset. Only for topics with a history. */
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
 * The position of a topic, for a new subscriber. A topic without events, or one that was removed,
 * has offset 0, and reading its state stores nothing. Its first event may have a later `epoch`; a
 * position with the earlier epoch stays valid.
 */
export interface TopicState extends Position {
  /**
   * Only if a position was given. `true` means that `missed` has all events after that position.
   */
  readonly recovered?: boolean;
  /** The missed events in order, up to the offset of the state. Empty unless `recovered`. */
  readonly missed: readonly PastEvent[];
}

/** Receives the events and messages of a bus. */
export interface BusListener {
  /** Receives a published event. */
  event(event: TopicEvent): void;
  /** Receives a message of a node. */
  message(message: string): void;
  /**
   * Reports that events of any topic may have been missed, for example while this node was
   * disconnected.
   */
  gap(): void;
}

/**
 * Connects the nodes of a deployment: orders the events of a topic, keeps their history, and
 * delivers events and messages to every node, including the sender. A method that needs the network
 * rejects within a second if the network fails; it queues nothing. An event published before a call
 * of `read` that is missing in its result does not arrive by `event` later; an event may arrive
 * both ways.
 */
export interface Bus {
  /**
   * Publishes an event. Resolves once the event has its place in the order and will reach all
   * nodes. With `history`, keeps the event for {@link read}.
   */
  publish(topic: string, data: string, history: HistoryOptions | undefined): void | Promise<void>;
  /**
   * Returns the current position of a topic with a history, and the events missed since `since`:
   * all of them, or none.
   */
  read(
    topic: string,
    history: HistoryOptions,
    since: Position | undefined,
  ): TopicState | Promise<TopicState>;
  /** Sends a message to every node, this one included, at least once to each connected node. */
  send(message: string): void | Promise<void>;
  /** Subscribes a listener to events and messages. Returns the function that unsubscribes. */
  subscribe(listener: BusListener): () => void;
}
