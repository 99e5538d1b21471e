import type { kind, SubscriptionContract } from "../../protocol/contract.js";
import type { StandardSchema } from "../../protocol/standard-schema.js";
import { refuseUnknownOptions } from "../../runtime/known-options.js";
import type { Auth, ScopeRule } from "./access.js";
import type { ErrorDeclarations } from "./declared-error.js";

/**
 * How an application says what can be subscribed to: what `createRpc().subscription` and `.topic`
 * take and make.
 */

/** What happens when more events wait for a slow reader than `buffer` allows. */
export type Overflow = "drop-oldest" | "drop-newest" | "end";

/** What subscriptions and topics have in common. */
interface FeedOptions<Params, Event, Scope extends string, Claims, ParamsOut> {
  /** One line for `rpc.discover`. */
  readonly summary?: string;
  readonly description?: string;
  /**
   * Scopes the subscriber needs, checked again at every refresh.
   * @default none, so any authenticated caller
   */
  readonly scope?: ScopeRule<Scope>;
  /**
   * A decision over the claims and the params, after the scopes; made again at every refresh.
   * Throwing is a no.
   */
  readonly authorize?: (auth: Auth<Claims>, params: ParamsOut) => boolean;
  /**
   * Checks `params`, and gives its output on.
   * @default unchecked
   */
  readonly params?: Params;
  /**
   * Checks each event; what its output is in JSON is sent.
   * @default unchecked
   */
  readonly event?: Event;
  /**
   * How many events may wait for a slow reader.
   * @default 64
   */
  readonly buffer?: number;
}

/** What `rpc.subscription` takes besides the handler. */
export interface SubscriptionOptions<Params, Event, Errors, Scope extends string, Claims, ParamsOut>
  extends FeedOptions<Params, Event, Scope, Claims, ParamsOut> {
  /**
   * Without it the generator is not pulled as long as the socket's send buffer is high: it waits,
   * and loses nothing. With it the generator is pulled on, `buffer` events wait, and then:
   * `drop-oldest`, `drop-newest`, or `end` the subscription.
   * @default none
   */
  readonly overflow?: Overflow;
  /**
   * The errors it may end with: `subscription.ended` has the code of one that the generator throws.
   * @default none
   */
  readonly errors?: Errors;
}

/** What `rpc.topic` takes. */
export interface TopicOptions<Params, Event, Scope extends string, Claims, ParamsOut>
  extends FeedOptions<Params, Event, Scope, Claims, ParamsOut> {
  /**
   * The topic's key, 1 to 255 characters: the id of every subscription to it. Subscribers with the
   * same key share their frames.
   */
  readonly key: (params: ParamsOut) => string;
  /**
   * When more than `buffer` events wait: `drop-oldest`, `drop-newest`, or `end` the subscription.
   * @default `drop-oldest`
   */
  readonly overflow?: Overflow;
  /**
   * Keeps `size` events for `ttl` milliseconds (`Infinity`: for ever), for those who come back with
   * `$since`.
   * @default none
   */
  readonly history?: { readonly size: number; readonly ttl: number };
}

const feedOptions = {
  ...{
    summary: true,
    description: true,
    scope: true,
    authorize: true,
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
const topicOptions = { ...feedOptions, key: true, history: true } satisfies Record<
  keyof TopicDefinition,
  unknown
>;

/** An async generator for each subscriber, as `createRpc().subscription` makes it. */
export class Subscription<Params, Event> implements SubscriptionContract<Params, Event> {
  /** Types alone: what the route is. */
  declare readonly [kind]: {
    readonly is: "subscription";
    readonly params: Params;
    readonly event: Event;
  };
  /** What `rpc.subscription` was given. */
  readonly definition: SubscriptionDefinition;

  constructor(definition: SubscriptionDefinition) {
    refuseUnknownOptions("rpc.subscription", definition, subscriptionOptions);
    this.definition = definition;
  }
}

/** One topic for many subscribers, as `createRpc().topic` makes it. `server.publish` takes it. */
export class Topic<Params, Event, Published = Event>
  implements SubscriptionContract<Params, Event>
{
  /** Types alone: what the route is. */
  declare readonly [kind]: {
    readonly is: "subscription";
    readonly params: Params;
    readonly event: Event;
  };
  /** The type of what is published. */
  declare readonly "~published"?: Published;
  /** What `rpc.topic` was given. */
  readonly definition: TopicDefinition;

  constructor(definition: TopicDefinition) {
    refuseUnknownOptions("rpc.topic", definition, topicOptions);
    this.definition = definition;
  }
}

/** Options with their types forgotten: what the registry reads. */
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
  extends TopicOptions<StandardSchema, StandardSchema, string, never, never> {}
