/**
 * What the application sends to others than the caller: events of topics, and declared
 * notifications.
 */
import type { StandardSchema } from "../../protocol/standard-schema.js";
import type { Bus, TopicEvent } from "../../pubsub/bus.js";
import { Push } from "../../pubsub/push.js";
import { loggedEvent, type Topics, topicKey } from "../../pubsub/topics.js";
import type { Registry, SubscriptionEntry } from "../../rpc/define/registry.js";
import type { NotifyTarget } from "../../rpc/define/server-actions.js";
import {
  isTopicLog,
  type RegisteredTopic,
  topicKeyOf,
} from "../../rpc/define/subscription-entry.js";
import { type Validated, validateParams } from "../../rpc/define/validate.js";
import { encodeEvent } from "../../rpc/dispatch/encode-event.js";
import { stopperOf } from "../../runtime/application-code.js";
import type { Connection } from "../connection/connection.js";
import { encodeDeclared } from "../connection/declared-notification.js";
import type { ConnectionRegistry } from "../lifecycle/connection-registry.js";
import type { NodeMessages } from "./node-messages.js";

export interface PublisherPorts {
  readonly registry: Registry;
  readonly notifications: ReadonlyMap<string, StandardSchema>;
  readonly bus: Bus;
  readonly topics: Topics;
  /** Absent: there is no other node. */
  readonly messages: NodeMessages | undefined;
  /** Those of this node. */
  readonly connections: ConnectionRegistry;
  /** Largest event, bytes. */
  readonly maxBytes: number;
}

export type TopicEntry = SubscriptionEntry & { readonly feed: RegisteredTopic };

export class Publisher {
  readonly #ports: PublisherPorts;
  readonly #topics: ReadonlyMap<object, TopicEntry>;
  readonly #stop: () => void;

  constructor(ports: PublisherPorts) {
    this.#ports = ports;
    this.#topics = new Map(
      [...ports.registry.values()].filter(isTopic).map((entry) => [entry.route, entry]),
    );
    const { bus, topics, messages } = ports;
    const listener = {
      event: (event: TopicEvent) => topics.event(event),
      gap: () => topics.gap(),
      message: () => {},
    };
    this.#stop = stopperOf(bus.subscribe(listener), "the store's bus.subscribe");
    messages?.on("notify", (body) => {
      const { target, text } = Object(body) as { target?: unknown; text?: unknown };
      this.#deliver(target, text);
    });
  }

  /**
   * Without an `await` on its way as long as schemas and bus need none: events that are published
   * in one turn keep their order.
   */
  async publish(route: object, params: unknown, event: unknown, options?: unknown): Promise<void> {
    const entry = this.#topics.get(route);
    if (entry === undefined)
      throw new TypeError(
        "publish: give a topic (rpc.topic) of this server's app, such as app.routes.prices",
      );
    const { history } = entry.feed;
    const offset = offsetOf(entry, options);
    const named = nameTopic("publish", entry, params);
    const name = typeof named === "string" ? named : await named;
    const encoded = encodeEvent(entry.feed.event, event, this.#ports.maxBytes);
    const data = typeof encoded === "string" ? encoded : await encoded;
    const topic = topicKey({ route: entry.name, name });
    const published =
      history === undefined || !isTopicLog(history)
        ? this.#ports.bus.publish(topic, data, history)
        : this.#ports.bus.publish(topic, loggedEvent(offset, data), undefined);
    if (published !== undefined) await published;
  }

  async notify(target: NotifyTarget, name: string, params: unknown): Promise<void> {
    if (!isTarget(target))
      throw new TypeError('notify: the target is {connection}, {subject} or "all"');
    const { messages, notifications } = this.#ports;
    const text = encodeDeclared(notifications, name, params);
    if (messages === undefined) this.#deliver(target, text);
    else await messages.send("notify", { target, text });
  }

  /** Hears nothing any more. */
  close(): void {
    this.#stop();
  }

  #deliver(target: unknown, text: unknown): void {
    if (!isTarget(target) || typeof text !== "string")
      throw new TypeError("a notification without target or text");
    const push = new Push(text);
    for (const connection of this.#recipients(target)) connection.push(push);
  }

  #recipients(target: NotifyTarget): Iterable<Connection> {
    const { connections } = this.#ports;
    if (target === "all") return connections;
    if ("connection" in target) {
      const connection = connections.get(target.connection);
      return connection === undefined ? [] : [connection];
    }
    const named = target.issuer === undefined ? connections.issuers() : [target.issuer];
    return named.flatMap((issuer) => connections.ofSubject(issuer, target.subject));
  }
}

/**
 * The key of the topic that these params mean. Throws, or rejects with, a `TypeError` if the params
 * fail their schema.
 */
export function nameTopic(
  caller: string,
  entry: TopicEntry,
  params: unknown,
): string | Promise<string> {
  const keyOf = (checked: Validated) => {
    if ("value" in checked) return topicKeyOf(entry.name, entry.feed, checked.value);
    const issues = JSON.stringify(checked.issues);
    throw new TypeError(`${caller}: the params of ${entry.name} don't fit: ${issues}`);
  };
  if (entry.params === undefined) return keyOf({ value: params });
  const checked = validateParams(entry.params, params);
  return checked instanceof Promise ? checked.then(keyOf) : keyOf(checked);
}

/** The offset of an event in the application's own log; 0 for a topic without one. */
function offsetOf({ name, feed: { history } }: TopicEntry, options: unknown): number {
  const { offset } = Object(options) as { offset?: unknown };
  if (history === undefined || !isTopicLog(history)) {
    if (offset === undefined) return 0;
    throw new TypeError(`publish: leave out offset, since ${name} has no log of its own`);
  }
  if (Number.isSafeInteger(offset) && (offset as number) > 0) return offset as number;
  throw new TypeError(
    `publish: ${name} has a log of its own, so give {offset}, an integer from 1 up, not ${offset}`,
  );
}

export function isTopic(entry: {
  readonly feed: SubscriptionEntry["feed"] | undefined;
}): entry is TopicEntry {
  return entry.feed?.is === "topic";
}

function isTarget(target: unknown): target is NotifyTarget {
  if (target === "all") return true;
  const { connection, subject, issuer } = Object(target) as {
    connection?: unknown;
    subject?: unknown;
    issuer?: unknown;
  };
  if (typeof connection === "string") return subject === undefined;
  return typeof subject === "string" && (issuer === undefined || typeof issuer === "string");
}
