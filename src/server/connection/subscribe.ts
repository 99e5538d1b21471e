import { errorOf, standardError } from "../../protocol/error-codes.js";
import { type SubscribeResult, subscriptionMark } from "../../protocol/messages.js";
import { type EventSource, GeneratorSubscription } from "../../pubsub/generator-subscription.js";
import type { Subscription } from "../../pubsub/subscription.js";
import { TopicSubscription } from "../../pubsub/topic-subscription.js";
import type { TopicServices } from "../../pubsub/topics.js";
import { type Auth, checkAccess, isGranted, tellRuleFailed } from "../../rpc/define/access.js";
import {
  type RegisteredGenerator,
  type RegisteredTopic,
  topicKeyOf,
} from "../../rpc/define/subscription-entry.js";
import {
  type Call,
  FeedContext,
  type PendingSubscription,
  RpcFault,
  rpcFaultOf,
  type SubscribeCall,
} from "../../rpc/dispatch/call.js";
import { encodeEvent, isTooLarge } from "../../rpc/dispatch/encode-event.js";
import { mustBeSynchronous, withTimeout } from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import { describe } from "../../runtime/thrown.js";
import type { Limits } from "../limits.js";
import type { Telemetry } from "../telemetry/telemetry.js";
import type { ConnectionSubscriptions, Kept } from "./connection-subscriptions.js";

/** Starts subscriptions: joins what the application declared with what carries its events. */

export interface SubscribeServices {
  readonly clock: Clock;
  readonly topics: TopicServices;
  readonly limits: Pick<Limits, "subscriptions" | "subscribeCallsPerSecond" | "responseBytes">;
  readonly telemetry: Pick<Telemetry, "limitHit">;
}

const longestName = 255;
// a history that never comes would keep its place among those that are read
const readTimeoutMs = 10_000;

/** Throws, or rejects with, {@link RpcFault}, and whatever the application's functions throw. */
export function subscribe(
  asked: SubscribeCall,
  subscriptions: ConnectionSubscriptions,
  services: SubscribeServices,
): PendingSubscription | Promise<PendingSubscription> {
  const { entry, params, call } = asked;
  const { feed } = entry;
  const { authorize } = feed;
  const failed = (error: unknown) => tellRuleFailed(call.caller.log, entry.name, error);
  const isAllowed = (auth: Auth) =>
    checkAccess(entry.access, auth) === null &&
    (authorize === undefined || isGranted(() => authorize(auth, params), failed));
  if (call.session.isOver) throw new RpcFault(errorOf("cancelled"));
  subscriptions.countCall(services.clock.monotonic(), services.limits.subscribeCallsPerSecond, () =>
    services.telemetry.limitHit("subscribeCallsPerSecond"),
  );
  const auth = call.session.identity; // it may have been refreshed while the params were checked
  if (auth === null || !isAllowed(auth))
    throw new RpcFault(
      errorOf("forbidden", {
        required: [],
        missing: [],
        hint: "the subscription's own rule refuses these claims",
      }),
    );
  return feed.is === "topic"
    ? joinTopic(asked, feed, isAllowed, subscriptions, services)
    : runGenerator(asked, feed, isAllowed, subscriptions, services);
}

function runGenerator(
  asked: SubscribeCall,
  feed: RegisteredGenerator,
  isAllowed: Kept["isAllowed"],
  subscriptions: ConnectionSubscriptions,
  { limits, telemetry }: SubscribeServices,
): PendingSubscription {
  subscriptions.mustHaveRoom(limits.subscriptions, () => telemetry.limitHit("subscriptions"));
  const subscription = new GeneratorSubscription(
    subscriptions.newId(),
    generatorSource(asked, feed, limits.responseBytes),
    feed.rule,
    subscriptions,
  );
  const opened = { subscription: subscription.id };
  const kept = { subscription, isAllowed, opened, calls: 1 };
  subscriptions.keep(kept);
  return started(kept, opened, shareOf(kept));
}

function joinTopic(
  asked: SubscribeCall,
  feed: RegisteredTopic,
  isAllowed: Kept["isAllowed"],
  subscriptions: ConnectionSubscriptions,
  services: SubscribeServices,
): PendingSubscription | Promise<PendingSubscription> {
  const { topics, limits, telemetry } = services;
  const { entry, params, since, call } = asked;
  const topic = {
    route: entry.name,
    name: topicName(entry.name, feed, params),
    history: feed.history,
  };
  const known = subscriptions.get(topic.name);
  if (known !== undefined) {
    if (!(known.subscription instanceof TopicSubscription && known.subscription.isOf(topic)))
      throw nameTaken(topic.name);
    if (since === undefined || feed.history === undefined)
      return again(known, known.subscription, call);
    if (!known.subscription.isPlaced)
      return afterwards(known.opened, call, () =>
        joinTopic(asked, feed, isAllowed, subscriptions, services),
      );
    if (known.subscription.covers(since))
      return again(known, known.subscription, call, { recovered: true });
    known.subscription.stop();
    // its successor, of the same id, replays what was not sent yet
    subscriptions.forget(topic.name);
  }
  subscriptions.mustHaveRoom(limits.subscriptions, () => telemetry.limitHit("subscriptions"));
  const subscription = new TopicSubscription(topic, feed.rule, topics, subscriptions);
  const open = () => {
    const state = subscription.open(topics, since);
    return state instanceof Promise
      ? withTimeout(state, readTimeoutMs, services.clock, "read of the bus")
      : state;
  };
  const opened = opening(
    subscription,
    () => (since === undefined ? open() : subscriptions.readHistory(open)),
    call,
  );
  const kept = { subscription, isAllowed, opened, calls: 1 };
  subscriptions.keep(kept);
  return share(kept, call, opened);
}

/** A topic that can't be read has no subscription. */
function opening(
  subscription: Subscription,
  open: () => Kept["opened"],
  { caller, entry }: Call,
): Kept["opened"] {
  const failed = (error: unknown): never => {
    subscription.stop();
    if (rpcFaultOf(error) !== undefined) throw error;
    caller.log.warn(
      { event: "topic.fail", method: entry.name, err: describe(error) },
      "a topic can't be read",
    );
    throw unreachable();
  };
  try {
    const opened = open();
    return opened instanceof Promise ? opened.catch(failed) : opened;
  } catch (error) {
    return failed(error);
  }
}

/** The same topic is being read: then it is known what there is to read once more. */
async function afterwards(
  opened: Kept["opened"],
  call: Call,
  join: () => PendingSubscription | Promise<PendingSubscription>,
): Promise<PendingSubscription> {
  await Promise.resolve(opened).catch(() => {}); // told to its own call
  if (call.isAborted || call.session.isOver) throw new RpcFault(errorOf("cancelled"));
  return join();
}

function unreachable(): RpcFault {
  return new RpcFault(
    errorOf("overloaded", {
      retryAfter: 1,
      hint: "the topic can't be reached at the moment; try again",
    }),
  );
}

function started(kept: Kept, opened: SubscribeResult, abandon: () => void): PendingSubscription {
  const result = { ...opened, [subscriptionMark]: true as const };
  return { result, begin: () => kept.subscription.begin(), abandon };
}

/**
 * The share of one call in a subscription. It is given up when the call is answered before the
 * topic is read, which may never end.
 */
function share(
  kept: Kept,
  call: Call,
  opened: Kept["opened"],
): PendingSubscription | Promise<PendingSubscription> {
  const giveUp = shareOf(kept);
  if (!(opened instanceof Promise)) return started(kept, opened, giveUp);
  call.onAbort = giveUp;
  return opened.then((read) => started(kept, read, giveUp));
}

/** Returns the function that gives up one share, once. With the last one the subscription ends. */
function shareOf(kept: Kept): () => void {
  let isGivenUp = false;
  return () => {
    if (!isGivenUp) kept.calls--;
    if (!isGivenUp && kept.calls === 0) kept.subscription.stop();
    isGivenUp = true;
  };
}

/** One connection hears a topic once, however often it subscribes. */
function again(
  kept: Kept,
  subscription: TopicSubscription,
  call: Call,
  more: object = {},
): PendingSubscription | Promise<PendingSubscription> {
  const place = () => {
    if (subscription.state === "ended") throw unreachable(); // it was unsubscribed meanwhile
    return { ...subscription.place(), ...more };
  };
  kept.calls++;
  return share(kept, call, kept.opened instanceof Promise ? kept.opened.then(place) : place());
}

function topicName(route: string, feed: RegisteredTopic, params: unknown): string {
  const name = topicKeyOf(route, feed, params);
  if (name.length <= longestName) return name;
  const message = `these params name a topic of more than ${longestName} characters`;
  throw new RpcFault(standardError("invalidParams", { issues: [{ path: [], message }] }));
}

function nameTaken(name: string): RpcFault {
  return new RpcFault(
    standardError("invalidRequest", {
      hint: `another subscription of this connection has the id ${JSON.stringify(name)}`,
    }),
  );
}

/** The application's generator, as a source of events. */
function generatorSource(
  { call, entry, params }: SubscribeCall,
  feed: RegisteredGenerator,
  maxBytes: number,
): EventSource {
  const controller = new AbortController();
  return {
    start: () =>
      iteratorOf(feed.handler(new FeedContext(call, params, controller.signal) as never)),
    encode: (event) => encodeEvent(feed.event, event, maxBytes),
    abort: () => controller.abort(new DOMException("the subscription has ended", "AbortError")),
    failed(thrown) {
      const told = rpcFaultOf(thrown) ?? entry.errors.find(thrown);
      if (told !== undefined) return told.code;
      call.caller.log.error(
        { event: "subscription.fail", method: entry.name, err: describe(thrown) },
        "a subscription's generator failed",
      );
      return isTooLarge(thrown) ? errorOf("too_large").code : standardError("internal").code;
    },
  };
}

/**
 * @throws TypeError when the handler has returned nothing that can be iterated over, or a promise
 */
function iteratorOf(returned: AsyncIterable<unknown>): AsyncIterator<unknown> {
  const iterable: Partial<AsyncIterable<unknown>> | undefined = mustBeSynchronous(
    returned,
    "handler, an async generator (async *handler),",
  );
  const iterator = mustBeSynchronous(
    iterable?.[Symbol.asyncIterator]?.(),
    "Symbol.asyncIterator of what handler returns",
  );
  if (typeof iterator?.next === "function") return iterator;
  throw new TypeError(
    "handler must return an async iterable: make it an async generator (async *handler)",
  );
}
