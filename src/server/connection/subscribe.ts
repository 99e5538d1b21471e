import { errorOf, standardError } from "../../protocol/error-codes.js";
import { type SubscribeResult, subscriptionMark } from "../../protocol/messages.js";
import { type EventSource, GeneratorSubscription } from "../../pubsub/generator-subscription.js";
import type { Subscription } from "../../pubsub/subscription.js";
import type { EventPush } from "../../pubsub/subscription-frames.js";
import { TopicSubscription } from "../../pubsub/topic-subscription.js";
import type { TopicName, TopicServices } from "../../pubsub/topics.js";
import type { Pipeline } from "../../rpc/define/layers.js";
import {
  isTopicLog,
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
import { denied, mustBeAdmitted, mustStillRun } from "../../rpc/dispatch/invoke.js";
import { runPipeline } from "../../rpc/dispatch/middleware.js";
import { mustBeSynchronous, withTimeout } from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import { describe } from "../../runtime/thrown.js";
import type { Limits } from "../limits.js";
import type { Telemetry } from "../telemetry/telemetry.js";
import { ApplicationLog } from "./application-log.js";
import type { ConnectionSubscriptions, Kept } from "./connection-subscriptions.js";
import type { Snapshots } from "./snapshots.js";
import { withSnapshot } from "./subscribe-with-snapshot.js";
import { SubscriptionRight } from "./subscription-right.js";

/** Starts subscriptions: joins what the application declared with what carries its events. */

export interface SubscribeServices {
  readonly log: Logger;
  readonly clock: Clock;
  readonly topics: TopicServices;
  readonly limits: Pick<
    Limits,
    "subscriptions" | "subscribeCallsPerSecond" | "responseBytes" | "requestTimeout"
  >;
  readonly telemetry: Pick<Telemetry, "limitHit">;
  readonly snapshots: Snapshots;
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
  const { call } = asked;
  if (call.session.isOver) throw new RpcFault(errorOf("cancelled"));
  subscriptions.mustKeepUp();
  countCall(subscriptions, services);
  const open = () => askAndOpen(asked, subscriptions, services);
  const { pipeline } = asked.entry;
  if (pipeline === undefined) return open();
  const right = rightOf(asked, topicOf(asked, services), services);
  return begin(call, right, () => openThrough(pipeline, asked, open), subscriptions);
}

function countCall(
  subscriptions: ConnectionSubscriptions,
  { clock, limits, telemetry }: SubscribeServices,
): void {
  subscriptions.countCall(clock.monotonic(), limits.subscribeCallsPerSecond, () =>
    telemetry.limitHit("subscribeCallsPerSecond"),
  );
}

/**
 * Runs the application's middleware around the opening of a subscription, which is allowed. The rule
 * is asked again when it opens: rights may change while the middleware runs.
 */
async function openThrough(
  pipeline: Pipeline,
  { call, params }: SubscribeCall,
  open: () => PendingSubscription | Promise<PendingSubscription>,
): Promise<PendingSubscription> {
  let pending: PendingSubscription | undefined;
  const run = async () => {
    const opened = await open();
    pending = opened;
    if (call.isLeft || call.isAborted) opened.abandon();
    else call.onAbort = () => opened.abandon(); // the middleware may never end
    return opened.result;
  };
  try {
    await runPipeline(pipeline, call, params, { admit: () => mustStillRun(call), run });
    return pending as PendingSubscription; // a pipeline that has not run it throws
  } catch (error) {
    pending?.abandon();
    throw error;
  }
}

function topicOf(
  { entry, params }: SubscribeCall,
  { clock, limits, log }: SubscribeServices,
): TopicName | undefined {
  const { feed, name: route } = entry;
  if (feed.is !== "topic") return undefined;
  const { history, event } = feed;
  const name = topicName(route, feed, params);
  if (history === undefined || !isTopicLog(history)) return { route, name, history };
  const encode = (data: unknown) => encodeEvent(event, data, limits.responseBytes);
  const source = new ApplicationLog(route, history, params, { encode, clock, log });
  return { route, name, history: undefined, log: source };
}

function rightOf(
  { call, entry, params }: SubscribeCall,
  topic: TopicName | undefined,
  services: SubscribeServices,
): SubscriptionRight {
  return new SubscriptionRight(call, entry, topic?.name ?? "", params, services);
}

function askAndOpen(
  asked: SubscribeCall,
  subscriptions: ConnectionSubscriptions,
  services: SubscribeServices,
): PendingSubscription | Promise<PendingSubscription> {
  const { call } = asked;
  const { feed } = asked.entry;
  const topic = topicOf(asked, services);
  const right = rightOf(asked, topic, services);
  const open = () =>
    feed.is === "topic"
      ? joinTopic(asked, feed, topic as TopicName, right, subscriptions, services)
      : runGenerator(asked, feed, right, subscriptions, services);
  return begin(call, right, open, subscriptions);
}

/** Opens the subscription as soon as it is allowed. */
function begin(
  call: Call,
  right: SubscriptionRight,
  open: () => PendingSubscription | Promise<PendingSubscription>,
  subscriptions: ConnectionSubscriptions,
): PendingSubscription | Promise<PendingSubscription> {
  let forget: (() => void) | undefined;
  const opened = right.first((isAllowed) => {
    call.isAuthorizing = false;
    call.onAbort = undefined;
    try {
      if (forget !== undefined) mustBeAdmitted(call);
      if (!isAllowed) throw denied(call);
      return open();
    } finally {
      forget?.();
    }
  });
  if (!right.isOut) return opened;
  forget = subscriptions.keepAsked(right);
  call.isAuthorizing = true;
  call.onAbort = forget; // the rule may never answer
  return opened;
}

function runGenerator(
  asked: SubscribeCall,
  feed: RegisteredGenerator,
  right: SubscriptionRight,
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
  const kept = { subscription, right, opened, calls: 1, isTold: false };
  subscriptions.keep(kept);
  return started(kept, opened, shareOf(kept));
}

/** Joins the topic, and makes a snapshot of it then. */
function joinTopic(
  asked: SubscribeCall,
  feed: RegisteredTopic,
  topic: TopicName,
  right: SubscriptionRight,
  subscriptions: ConnectionSubscriptions,
  services: SubscribeServices,
): PendingSubscription | Promise<PendingSubscription> {
  const { topics, limits, telemetry } = services;
  const { call } = asked;
  const since = asked.snapshot === true ? undefined : asked.since;
  const askAgain = () => {
    countCall(subscriptions, services); // n calls that replace each other would ask n² times
    return askAndOpen(asked, subscriptions, services);
  };
  const answer = (kept: Kept, read: SubscribeResult, giveUp: () => void) =>
    feed.snapshot === undefined || asked.snapshot === false || read.recovered === true
      ? started(kept, read, giveUp)
      : withSnapshot(
          { asked, topic, source: feed.snapshot, kept, read, giveUp },
          { subscriptions, services, askAgain },
        );
  const known = subscriptions.get(topic.name);
  if (known !== undefined) {
    if (!(known.subscription instanceof TopicSubscription && known.subscription.isOf(topic)))
      throw nameTaken(topic.name);
    if (since === undefined || feed.history === undefined)
      return again(known, known.subscription, call, answer);
    if (!known.subscription.isPlaced) return afterwards(known.opened, call, askAgain);
    if (known.subscription.covers(since))
      return again(known, known.subscription, call, answer, { recovered: true });
    known.subscription.stop();
    // its successor, of the same id, replays what was not sent yet
    subscriptions.forget(topic.name);
  }
  subscriptions.mustHaveRoom(limits.subscriptions, () => telemetry.limitHit("subscriptions"));
  const subscription = new TopicSubscription(
    topic,
    feed.rule,
    topics,
    subscriptions,
    filterOf(asked, feed),
  );
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
  const kept = { subscription, right, opened, calls: 1, isTold: false };
  subscriptions.keep(kept);
  return share(kept, call, opened, answer);
}

/**
 * The topic's rule for each event, asked with the subscriber's current token. An error, or anything
 * but `true`, is a no.
 */
function filterOf(
  { call, entry, params }: SubscribeCall,
  { deliver }: RegisteredTopic,
): ((event: EventPush) => boolean) | undefined {
  if (deliver === undefined) return undefined;
  return (event) => {
    const auth = call.session.identity;
    try {
      if (auth === null) return false;
      const answer = deliver({ auth, params, event: event.value });
      return mustBeSynchronous(answer, "deliver") === true;
    } catch (error) {
      call.caller.log.error(
        { event: "deliver.fail", method: entry.name, err: describe(error) },
        "the rule deliver failed, so the event was not sent",
      );
      return false;
    }
  };
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
  askAgain: () => PendingSubscription | Promise<PendingSubscription>,
): Promise<PendingSubscription> {
  await Promise.resolve(opened).catch(() => {}); // told to its own call
  mustBeAdmitted(call);
  return askAgain();
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
  return { result, refusal: () => null, begin: () => kept.subscription.begin(), abandon };
}

/** Makes the answer of a call once its topic is read. */
type Answer = (
  kept: Kept,
  read: SubscribeResult,
  giveUp: () => void,
) => PendingSubscription | Promise<PendingSubscription>;

/**
 * The share of one call in a subscription. It is given up when the call is answered before the
 * topic is read, which may never end.
 */
function share(
  kept: Kept,
  call: Call,
  opened: Kept["opened"],
  answer: Answer,
): PendingSubscription | Promise<PendingSubscription> {
  const giveUp = shareOf(kept);
  if (!(opened instanceof Promise)) return answer(kept, opened, giveUp);
  call.onAbort = giveUp;
  return opened.then((read) => answer(kept, read, giveUp));
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
  answer: Answer,
  more: object = {},
): PendingSubscription | Promise<PendingSubscription> {
  const place = () => {
    if (subscription.state === "ended") throw unreachable(); // it was unsubscribed meanwhile
    return { ...subscription.place(), ...more };
  };
  kept.calls++;
  const opened = kept.opened instanceof Promise ? kept.opened.then(place) : place();
  return share(kept, call, opened, answer);
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
