/** What a subscription or a topic needs at run time, checked at start-up. */
import type { StandardSchema } from "../../protocol/standard-schema.js";
import { mustBeSynchronous } from "../../runtime/application-code.js";
import type { Auth } from "./access.js";
import {
  Subscription,
  type SubscriptionDefinition,
  type Topic,
  type TopicDefinition,
  type WhenSlow,
} from "./create-rpc.js";

export interface SlowRule {
  readonly whenSlow: WhenSlow;
  readonly buffer: number;
}

interface RegisteredBase {
  readonly event: StandardSchema | undefined;
  /** A decision over the claims and the params. Throwing is a no. */
  readonly authorize: ((auth: Auth, params: unknown) => boolean) | undefined;
}

export interface RegisteredGenerator extends RegisteredBase {
  readonly is: "generator";
  readonly handler: (context: never) => AsyncIterable<unknown>;
  /** Undefined: the generator waits for room. */
  readonly rule: SlowRule | undefined;
}

export interface RegisteredTopic extends RegisteredBase {
  readonly is: "topic";
  readonly name: (params: unknown) => unknown;
  readonly history: { readonly size: number; readonly ttl: number } | undefined;
  readonly rule: SlowRule;
}

export type RegisteredSource = RegisteredGenerator | RegisteredTopic;

const usualBuffer = 64;
const policies: readonly WhenSlow[] = ["drop-oldest", "drop-newest", "close"];

/**
 * The name of the topic that these params mean. Throws `TypeError` when `name` returns anything but
 * a string with something in it.
 */
export function topicNameOf(route: string, feed: RegisteredTopic, params: unknown): string {
  const name = mustBeSynchronous(feed.name(params), `${route}: name`);
  if (typeof name === "string" && name !== "") return name;
  throw new TypeError(`${route}: name must return a string that is not empty`);
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

function generatorFeed(
  name: string,
  { handler, whenSlow, buffer, event, authorize }: SubscriptionDefinition,
): RegisteredGenerator {
  if (typeof handler !== "function")
    throw new TypeError(`${name}: handler must be an async generator function`);
  if (buffer !== undefined && whenSlow === undefined)
    throw new TypeError(`${name}: buffer goes with whenSlow; without it the generator waits`);
  return {
    is: "generator",
    handler,
    event,
    authorize: authorize as RegisteredGenerator["authorize"],
    rule: whenSlow === undefined ? undefined : slowRule(name, whenSlow, buffer),
  };
}

function topicFeed(name: string, definition: TopicDefinition): RegisteredTopic {
  const { name: nameOf, history, whenSlow = "drop-oldest", buffer, event, authorize } = definition;
  if (typeof nameOf !== "function")
    throw new TypeError(`${name}: name must be a function that gives the topic's name`);
  if (
    history !== undefined &&
    !(Number.isSafeInteger(history.size) && history.size > 0 && history.ttl >= 0)
  )
    throw new TypeError(
      `${name}: history needs a size from 1 up, and a ttl in milliseconds, or 0 for ever`,
    );
  return {
    is: "topic",
    name: nameOf as RegisteredTopic["name"],
    history,
    event,
    authorize: authorize as RegisteredTopic["authorize"],
    rule: slowRule(name, whenSlow, buffer),
  };
}

function slowRule(name: string, whenSlow: WhenSlow, buffer = usualBuffer): SlowRule {
  if (!policies.includes(whenSlow))
    throw new TypeError(`${name}: whenSlow must be ${policies.join(", ")}`);
  if (!(Number.isSafeInteger(buffer) && buffer > 0))
    throw new TypeError(`${name}: buffer must be a whole number of events, from 1 up`);
  return { whenSlow, buffer };
}
