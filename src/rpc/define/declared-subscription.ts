import type { kind, SubscriptionContract } from "../../protocol/contract.js";
import type { StandardSchema } from "../../protocol/standard-schema.js";
import { refuseUnknownOptions } from "../../runtime/known-options.js";
import type { Auth, ScopeRule } from "./access.js";
import type { AuthorizeRule } from "./authorize.js";
import type { ErrorDeclarations } from "./declared-error.js";
import { type Layers, noLayers } from "./layers.js";

/**
 * Declares subscriptions: the options of `createRpc().subscription` and `.topic`, and their
 * results.
 */

/** What happens when a slow consumer has more than `buffer` events waiting. */
export type Overflow = "drop-oldest" | "drop-newest" | "end";

/** Options that subscriptions and topics share. */
interface FeedOptions<Params, Event, Scope extends string, Claims, ParamsOut> {
  /** One line for `rpc.discover`. */
  readonly summary?: string;
  readonly description?: string;
  /**
   * Scopes that the subscriber needs, checked again at every refresh.
   * @default none; any authenticated caller may subscribe
   */
  readonly scope?: ScopeRule<Scope>;
  /**
   * The application's own rule, such as a right on one object. Asked after the scopes, and again at
   * every refresh, by `server.reauthorize` and by `reauthorize`. Events wait until it has answered.
   * Only `true` allows the subscription; an error, or no answer within `limits.requestTimeout`
   * (asked again: within 5 min at most), denies or ends it (`forbidden`). May be asynchronous.
   * @default none
   * @example authorize: ({ auth, params }) => boards.hasMember(params.board, auth.subject)
   */
  readonly authorize?: AuthorizeRule<Auth<Claims>, ParamsOut>;
  /**
   * Asks `authorize` again every `every` milliseconds (at least 1,000), for rights that change
   * without a call of `server.reauthorize`.
   * @default none
   */
  readonly reauthorize?: { readonly every: number };
  /**
   * Schema of `params`; the handler, `authorize` and `key` receive its output.
   * @default none; params are not validated
   */
  readonly params?: Params;
  /**
   * Schema of the events; the server sends its output as JSON.
   * @default none; events are not validated
   */
  readonly event?: Event;
  /**
   * Events that may wait for a slow consumer.
   * @default 64
   */
  readonly buffer?: number;
}

/** Options of `rpc.subscription`, without the handler. */
export interface SubscriptionOptions<Params, Event, Errors, Scope extends string, Claims, ParamsOut>
  extends FeedOptions<Params, Event, Scope, Claims, ParamsOut> {
  /**
   * What happens when more than `buffer` events wait: `drop-oldest`, `drop-newest`, or `end` the
   * subscription. Without this option back-pressure applies: the generator is not pulled while the
   * socket's send buffer is full, so no event is lost.
   * @default none
   */
  readonly overflow?: Overflow;
  /**
   * The errors it may end with: `subscription.ended` has the code of one that the generator throws.
   * @default none
   */
  readonly errors?: Errors;
}

/** Options of `rpc.topic`. */
export interface TopicOptions<
  Params,
  Event,
  Scope extends string,
  Claims,
  ParamsOut,
  Sent = unknown,
  State = unknown,
  Published = unknown,
> extends FeedOptions<Params, Event, Scope, Claims, ParamsOut> {
  /**
   * Returns the topic's key, 1 to 255 characters, which is the id of every subscription to the
   * topic. The server encodes an event once for all subscribers with the same key.
   */
  readonly key: (params: ParamsOut) => string;
  /**
   * What happens when more than `buffer` events wait: `drop-oldest`, `drop-newest`, or `end` the
   * subscription.
   * @default `drop-oldest`
   */
  readonly overflow?: Overflow;
  /**
   * What the server replays to subscribers that come back with `$since`: the newest `size` events
   * of the last `ttl` milliseconds (`Infinity`: without a time limit), which the server keeps, or
   * the application's own log. With a log of its own, `publish` needs the event's `offset`.
   * @default none
   */
  readonly history?: KeptHistory | TopicLog<ParamsOut, Published>;
  /**
   * Decides for each subscriber and each event whether the server sends it, for rights that differ
   * from event to event. Synchronous; asked when an event comes, and again if it had to wait. Only
   * `true` sends the event; a subscriber does not learn of an event that it does not receive.
   * @default none; every subscriber receives every event
   * @example deliver: ({ auth, event }) => event.visibleTo.includes(auth.subject)
   */
  readonly deliver?: DeliverRule<Auth<Claims>, ParamsOut, Sent>;
  /**
   * Returns the state that the events of this topic change, as JSON; the answer to a subscription
   * carries it, and every event published since follows. The place in the stream is taken before
   * this function is called, so an event may already be contained in the state: applying it again
   * must be harmless. Change the state before you publish the event.
   *
   * Asked after `authorize`, and again for a client that has lost events. Subscribers with the same
   * params share one call while no event comes, unless the function reads `auth`: then its result
   * is for this session only. An error, or no result within `limits.requestTimeout` (5 min at
   * most), refuses the subscription.
   * @default none
   * @example snapshot: ({ params }) => boards.cards(params.board)
   */
  readonly snapshot?: SnapshotSource<Auth<Claims>, ParamsOut, State>;
}

/** A history that the server keeps. */
export interface KeptHistory {
  /** Maximum number of events. */
  readonly size: number;
  /** Milliseconds; `Infinity` keeps events without a time limit. */
  readonly ttl: number;
}

/** An event in the application's own log. */
export interface LoggedEvent<Published = unknown> {
  /** Above that of the event before; one more for the least reading. */
  readonly offset: number;
  /** The event, as `publish` takes it. */
  readonly data: Published;
}

/** Where the application's own log stands. */
export interface LogPosition {
  /** Names the log: another name says that its offsets were counted anew. */
  readonly epoch: string;
  /** That of the newest event; 0 for an empty log. */
  readonly offset: number;
  /**
   * That of the oldest event, if the application deletes old ones: a subscriber that needs an event
   * before it has a gap.
   * @default the log has all events
   */
  readonly oldest?: number;
}

/**
 * The application's own log of a topic, such as a table of events. An event must be in the log
 * before it is published, and must not become visible there after one with a higher offset.
 */
export interface TopicLog<Params = unknown, Published = unknown> {
  /**
   * Yields the events with an offset above `after`, in order. `signal` aborts at a deadline of 10 s
   * and when the server has enough.
   */
  readonly read: (context: {
    readonly params: Params;
    readonly after: number;
    readonly signal: AbortSignal;
  }) => AsyncIterable<LoggedEvent<Published>>;
  /** Returns where the log stands. */
  readonly latest: (context: { readonly params: Params }) => LogPosition | Promise<LogPosition>;
}

/** Options of `publish` for a topic with a log of the application's own. */
export interface PublishOptions {
  /** The event's offset in the log. */
  readonly offset: number;
}

/** The last arguments of `publish`: `offset` for a topic with a log of its own, none for others. */
export type PublishRest<Logged extends boolean> = true extends Logged
  ? false extends Logged
    ? [options?: PublishOptions]
    : [options: PublishOptions]
  : [];

/** The argument of `snapshot`. */
export interface SnapshotContext<AuthType, Params> {
  /** The params of the subscription: the output of their schema. */
  readonly params: Params;
  /**
   * The subscriber. Reading this member makes the result one of this session only, so a snapshot
   * that is the same for all subscribers must not read it.
   */
  readonly auth: AuthType;
  /**
   * Aborts when nobody waits for the result any more, and at the deadline. Node ends the process if
   * a listener of a signal throws, so catch errors in listeners.
   */
  readonly signal: AbortSignal;
}

/** Makes the state of a topic. */
export type SnapshotSource<AuthType = Auth, Params = unknown, State = unknown> = (
  context: SnapshotContext<AuthType, Params>,
) => State | Promise<State>;

/** The argument of `deliver`. */
export interface DeliverContext<AuthType, Params, Event> {
  /** The subscriber. */
  readonly auth: AuthType;
  /** The params of the subscription: the output of their schema. */
  readonly params: Params;
  /** The event as the server sends it. Several subscribers share the object: do not change it. */
  readonly event: Event;
}

/** Decides whether a subscriber receives an event. */
export type DeliverRule<AuthType = Auth, Params = unknown, Event = unknown> = (
  context: DeliverContext<AuthType, Params, Event>,
) => boolean;

const feedOptions = {
  ...{
    summary: true,
    description: true,
    scope: true,
    authorize: true,
    reauthorize: true,
    params: true,
    event: true,
    buffer: true,
    overflow: true,
  },
};
const subscriptionOptions = { ...feedOptions, errors: true, handler: true } satisfies Record<
  keyof SubscriptionDefinition,
  unknown
>;
const topicOptions = {
  ...feedOptions,
  ...{ key: true, history: true, deliver: true, snapshot: true },
} satisfies Record<keyof TopicDefinition, unknown>;

/**
 * A subscription with one async generator per subscriber, as `createRpc().subscription` makes it.
 */
export class Subscription<Params, Event> implements SubscriptionContract<Params, Event> {
  /** For types only: the kind of the route. */
  declare readonly [kind]: SubscriptionContract<Params, Event>[typeof kind];
  /** The argument of `rpc.subscription`. */
  readonly definition: SubscriptionDefinition;
  /** What `createRpc`, `rpc.use` and `rpc.with` add to it. */
  readonly layers: Layers;

  constructor(definition: SubscriptionDefinition, layers: Layers = noLayers) {
    refuseUnknownOptions("rpc.subscription", definition, subscriptionOptions);
    this.definition = definition;
    this.layers = layers;
  }
}

/** A topic with many subscribers, as `createRpc().topic` makes it and `server.publish` takes it. */
export class Topic<
  Params,
  Event,
  Published = Event,
  State = unknown,
  Logged extends boolean = boolean,
> implements SubscriptionContract<Params, Event, State>
{
  /** For types only: the kind of the route. */
  declare readonly [kind]: SubscriptionContract<Params, Event, State>[typeof kind];
  /** For types only: the type of the event that `server.publish` takes. */
  declare readonly "~published"?: Published;
  /** For types only: whether the topic has a log of the application's own. */
  declare readonly "~logged"?: Logged;
  /** The argument of `rpc.topic`. */
  readonly definition: TopicDefinition;
  /** What `createRpc`, `rpc.use` and `rpc.with` add to it. */
  readonly layers: Layers;

  constructor(definition: TopicDefinition, layers: Layers = noLayers) {
    refuseUnknownOptions("rpc.topic", definition, topicOptions);
    this.definition = definition;
    this.layers = layers;
  }
}

/** The options of a subscription without their type parameters, for the registry. */
export interface SubscriptionDefinition
  extends SubscriptionOptions<
    StandardSchema,
    StandardSchema,
    ErrorDeclarations,
    string,
    never,
    never
  > {
  readonly handler: (context: never) => AsyncIterable<unknown>;
}

export interface TopicDefinition
  extends TopicOptions<StandardSchema, StandardSchema, string, never, never, never> {}
