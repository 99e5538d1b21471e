/** What a subscription or a topic needs at run time, checked at start-up. */
import type { StandardSchema } from "../../protocol/standard-schema.js";
import { mustBeSynchronous } from "../../runtime/application-code.js";
import {
  type DeliverRule,
  type KeptHistory,
  type Overflow,
  type SnapshotSource,
  Subscription,
  type SubscriptionDefinition,
  type Topic,
  type TopicDefinition,
  type TopicLog,
} from "./declared-subscription.js";

export interface SlowRule {
  readonly overflow: Overflow;
  readonly buffer: number;
}

interface RegisteredBase {
  readonly event: StandardSchema | undefined;
  /** Milliseconds between two questions of `authorize`; undefined: never by itself. */
  readonly askEvery: number | undefined;
}

export interface RegisteredGenerator extends RegisteredBase {
  readonly is: "generator";
  readonly handler: (context: never) => AsyncIterable<unknown>;
  /** Undefined: the generator waits for room. */
  readonly rule: SlowRule | undefined;
}

export interface RegisteredTopic extends RegisteredBase {
  readonly is: "topic";
  readonly key: (params: unknown) => unknown;
  readonly history: KeptHistory | TopicLog<never> | undefined;
  readonly rule: SlowRule;
  readonly deliver: DeliverRule | undefined;
  readonly snapshot: SnapshotSource | undefined;
}

export type RegisteredSource = RegisteredGenerator | RegisteredTopic;

const usualBuffer = 64;
const policies: readonly Overflow[] = ["drop-oldest", "drop-newest", "end"];

/**
 * The key of the topic that these params mean. Throws `TypeError` if `key` does not return a string
 * of at least one character.
 */
export function topicKeyOf(route: string, feed: RegisteredTopic, params: unknown): string {
  const key = mustBeSynchronous(feed.key(params), `${route}: key`);
  if (typeof key === "string" && key !== "") return key;
  throw new TypeError(`${route}: key must return a string that is not empty`);
}

/** The feed of a route. Throws `TypeError` for an option that makes no sense. */
export function registeredSource(
  name: string,
  route: Subscription<unknown, unknown> | Topic<unknown, unknown>,
): RegisteredSource {
  return route instanceof Subscription
    ? generatorFeed(name, route.definition)
    : topicFeed(name, route.definition);
}

function generatorFeed(name: string, definition: SubscriptionDefinition): RegisteredGenerator {
  const { handler, overflow, buffer, event } = definition;
  if (typeof handler !== "function")
    throw new TypeError(`${name}: handler must be an async generator function`);
  if (buffer !== undefined && overflow === undefined)
    throw new TypeError(`${name}: buffer goes with overflow; without it the generator waits`);
  return {
    is: "generator",
    handler,
    event,
    askEvery: intervalOf(name, definition),
    rule: overflow === undefined ? undefined : slowRule(name, overflow, buffer),
  };
}

function topicFeed(name: string, definition: TopicDefinition): RegisteredTopic {
  const { key, history, overflow = "drop-oldest", buffer, event, deliver, snapshot } = definition;
  if (typeof key !== "function")
    throw new TypeError(`${name}: key must be a function that returns the topic's key`);
  checkHistory(name, history);
  if (deliver !== undefined && typeof deliver !== "function")
    throw new TypeError(`${name}: deliver must be a function of ({ auth, params, event })`);
  if (snapshot !== undefined && typeof snapshot !== "function")
    throw new TypeError(`${name}: snapshot must be a function of ({ params, auth, signal })`);
  if (snapshot !== undefined && overflow === "drop-newest")
    throw new TypeError(
      `${name}: with overflow "drop-newest" a subscriber learns of a loss with a later event only, so its state would stay wrong; use "drop-oldest" or "end" beside snapshot`,
    );
  return {
    is: "topic",
    key: key as RegisteredTopic["key"],
    history,
    event,
    askEvery: intervalOf(name, definition),
    deliver: deliver as DeliverRule | undefined,
    snapshot: snapshot as SnapshotSource | undefined,
    rule: slowRule(name, overflow, buffer),
  };
}

/** Whether a history is the application's own log. */
export function isTopicLog(history: KeptHistory | TopicLog<never>): history is TopicLog<never> {
  return "read" in history || "latest" in history;
}

function checkHistory(name: string, history: TopicDefinition["history"]): void {
  if (history === undefined) return;
  if (isTopicLog(history)) {
    if (typeof history.read !== "function" || typeof history.latest !== "function")
      throw new TypeError(
        `${name}: a history of your own needs the functions read, an async generator, and latest`,
      );
    if ("size" in history || "ttl" in history)
      throw new TypeError(`${name}: history is either {size, ttl} or {read, latest}`);
    return;
  }
  const { size, ttl } = history;
  if (!(Number.isSafeInteger(size) && size > 0 && ttl > 0))
    throw new TypeError(
      `${name}: history needs a size from 1 up and a ttl in milliseconds; Infinity keeps events for ever`,
    );
}

const shortestInterval = 1_000; // 1 s between two questions

function intervalOf(
  name: string,
  { reauthorize }: SubscriptionDefinition | TopicDefinition,
): number | undefined {
  if (reauthorize === undefined) return undefined;
  const { every } = reauthorize;
  if (!(every >= shortestInterval))
    throw new TypeError(
      `${name}: reauthorize.every must be milliseconds, from ${shortestInterval} up, not ${every}`,
    );
  return every;
}

function slowRule(name: string, overflow: Overflow, buffer = usualBuffer): SlowRule {
  if (!policies.includes(overflow))
    throw new TypeError(`${name}: overflow must be ${policies.join(", ")}`);
  if (!(Number.isSafeInteger(buffer) && buffer > 0))
    throw new TypeError(`${name}: buffer must be a whole number of events, from 1 up`);
  return { overflow, buffer };
}
