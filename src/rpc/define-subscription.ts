/** How an application says what can be subscribed to: what `createRpc().subscription` and `.topic` take and make. */
import type { Jsonified, kind, SubscriptionContract } from "../protocol/contract.js";
import type { SchemaInput, SchemaOutput, StandardSchema } from "../protocol/standard-schema.js";
import { refuseUnknownOptions } from "../runtime/known-options.js";
import type { Auth, ScopeRule } from "./define/access.js";
import type { HandlerContext, NotificationSchemas } from "./define/create-rpc.js";
import type { ErrorDeclarations } from "./define/declared-error.js";

/** What happens when more events wait for a slow reader than `buffer` allows. */
export type WhenSlow = "drop-oldest" | "drop-newest" | "close";

/** What subscriptions and topics have in common. */
interface FeedOptions<Params, Event, Scope extends string, Claims, ParamsOut> {
  /** One line for `rpc.discover`. */
  readonly summary?: string;
  readonly description?: string;
  /** Scopes the subscriber needs, checked again at every refresh. Default: none, so any authenticated caller. */
  readonly scope?: ScopeRule<Scope>;
  /** A decision over the claims and the params, after the scopes; made again at every refresh. Throwing is a no. */
  readonly authorize?: (auth: Auth<Claims>, params: ParamsOut) => boolean;
  /** Checks `params`, and gives its output on. Default: unchecked. */
  readonly params?: Params;
  /** Checks each event; what its output is in JSON is sent. Default: unchecked. */
  readonly event?: Event;
  /** How many events may wait for a slow reader. Default: 64. */
  readonly buffer?: number;
}

export interface SubscriptionOptions<Params, Event, Errors, Scope extends string, Claims, ParamsOut>
  extends FeedOptions<Params, Event, Scope, Claims, ParamsOut> {
  /**
   * Without it the generator is not pulled as long as the socket's send buffer is high: it waits, and loses nothing. With it the
   * generator is pulled on, `buffer` events wait, and then: `drop-oldest`, `drop-newest`, or `close` the subscription. Default: none.
   */
  readonly whenSlow?: WhenSlow;
  /** The errors it may end with: thrown by the generator, their code is told in `subscription.ended`. Default: none. */
  readonly errors?: Errors;
}

export interface TopicOptions<Params, Event, Scope extends string, Claims, ParamsOut>
  extends FeedOptions<Params, Event, Scope, Claims, ParamsOut> {
  /** The topic's name, 1 to 255 characters: the id of every subscription to it. Subscribers with the same name share their frames. */
  readonly name: (params: ParamsOut) => string;
  /** When more than `buffer` events wait: `drop-oldest`, `drop-newest`, or `close` the subscription. Default: `drop-oldest`. */
  readonly whenSlow?: WhenSlow;
  /** Keeps `size` events for `ttl` milliseconds (0 = for ever), for those who come back with `$since`. Default: none. */
  readonly history?: { readonly size: number; readonly ttl: number };
}

const feedOptions = {
  ...{ summary: true, description: true, scope: true, authorize: true, params: true, event: true, buffer: true, whenSlow: true },
};
const subscriptionOptions = { ...feedOptions, errors: true, handler: true } satisfies Record<keyof SubscriptionDefinition, unknown>;
const topicOptions = { ...feedOptions, name: true, history: true } satisfies Record<keyof TopicDefinition, unknown>;

/** An async generator for each subscriber, as `createRpc().subscription` makes it. */
export class Subscription<Params, Event> implements SubscriptionContract<Params, Event> {
  declare readonly [kind]: { readonly is: "subscription"; readonly params: Params; readonly event: Event };
  readonly definition: SubscriptionDefinition;

  constructor(definition: SubscriptionDefinition) {
    refuseUnknownOptions("rpc.subscription", definition, subscriptionOptions);
    this.definition = definition;
  }
}

/** One topic for many subscribers, as `createRpc().topic` makes it. `server.publish` takes it. */
export class Topic<Params, Event, Published = Event> implements SubscriptionContract<Params, Event> {
  declare readonly [kind]: { readonly is: "subscription"; readonly params: Params; readonly event: Event };
  /** The type of what is published. */
  declare readonly "~published"?: Published;
  readonly definition: TopicDefinition;

  constructor(definition: TopicDefinition) {
    refuseUnknownOptions("rpc.topic", definition, topicOptions);
    this.definition = definition;
  }
}

/** Options with their types forgotten: what the registry reads. */
export interface SubscriptionDefinition
  extends SubscriptionOptions<StandardSchema, StandardSchema, ErrorDeclarations, string, never, never> {
  readonly handler: (context: never) => AsyncIterable<unknown>;
}

export interface TopicDefinition extends TopicOptions<StandardSchema, StandardSchema, string, never, never> {}

type ParamsIn<P> = P extends StandardSchema ? SchemaInput<P> : undefined;
export type ParamsOf<P> = P extends StandardSchema ? SchemaOutput<P> : unknown;
type Yielded<E> = E extends StandardSchema ? SchemaInput<E> : unknown;
type EventOf<E, T> = Jsonified<E extends StandardSchema ? SchemaOutput<E> : T>;

/** The makers of what can be subscribed to. */
export interface FeedMakers<Claims, Scope extends string, Notifications extends NotificationSchemas> {
  subscription<
    Params extends StandardSchema | undefined = undefined,
    Event extends StandardSchema | undefined = undefined,
    const Errors extends ErrorDeclarations = Record<never, never>,
    T extends Yielded<Event> = Yielded<Event>,
  >(
    options: SubscriptionOptions<Params, Event, Errors, Scope, Claims, ParamsOf<Params>> & {
      handler(context: HandlerContext<ParamsOf<Params>, Auth<Claims>, Errors, Notifications>): AsyncIterable<T>;
    },
  ): Subscription<ParamsIn<Params>, EventOf<Event, T>>;
  topic<Params extends StandardSchema | undefined = undefined, Event extends StandardSchema | undefined = undefined>(
    options: TopicOptions<Params, Event, Scope, Claims, ParamsOf<Params>>,
  ): Topic<ParamsIn<Params>, EventOf<Event, unknown>, Yielded<Event>>;
}
