import { withStepUp } from "./calls/step-up.js";
import { type Client as CoreClient, createClient as createCore } from "./client.js";
import type {
  CallArguments,
  LiveName,
  SubscriptionEvent,
  SubscriptionParams,
  SubscriptionState,
  Untyped,
} from "./client-api.js";
import { type ClientOptions, settingsFrom } from "./options.js";
import { createLive, type LiveOptions, type LiveStep } from "./subscriptions/live.js";
import type { Subscription } from "./subscriptions/subscription.js";

/** Params, `reduce` and options of `client.live`; params may be `undefined` if there are none. */
export type LiveArguments<App, Name extends string> = [
  params: CallArguments<SubscriptionParams<App, Name>>[0],
  reduce: (
    state: SubscriptionState<App, Name>,
    event: SubscriptionEvent<App, Name>,
  ) => SubscriptionState<App, Name>,
  options?: LiveOptions,
];

/** A client of one server, over one connection at a time. `createClient` makes it. */
export interface Client<App = Untyped> extends CoreClient<App> {
  /**
   * Subscribes to a topic with a snapshot, by wire name, and gives its state: the snapshot first
   * (`reset`), then what `reduce` makes of the state and each event. Where events were lost, it
   * gives a fresh snapshot (`reset`). An event may already be contained in the snapshot before it,
   * so applying an event twice must be harmless: go by an id, or a version. The events are kept
   * from the call on. The loop ends and throws like that of `subscribe`; it also throws if the
   * topic has no snapshot, and what `reduce` throws.
   *
   * @throws {TypeError} if the params aren't by name, or an option doesn't exist
   * @example
   * ```ts
   * const add = (cards, card) => ({ ...cards, [card.id]: card });
   * for await (const { state } of client.live("board", { board: "b1" }, add)) draw(state);
   * ```
   */
  live<Name extends LiveName<App>>(
    name: Name,
    ...args: LiveArguments<App, Name>
  ): Subscription<LiveStep<SubscriptionState<App, Name>, SubscriptionEvent<App, Name>>>;
}

/**
 * Makes a client of one server. The client connects by itself, renews its session in time, and
 * reconnects after a loss. Outside of pages and their workers, such as on a server that renders
 * pages, the client connects at its first use: see the option `connect`.
 *
 * @throws {TypeError} if an option doesn't exist or is out of its range
 * @example
 * ```ts
 * const client = createClient<App>({
 *   url: "wss://api.example.com/rpc",
 *   token: async ({ signal }) => (await fetch("/token", { method: "POST", signal })).text(),
 * });
 * const order = await client.api.orders.create({ sku: "A1" });
 * for await (const change of client.api.orders.watch({ id: order.id })) console.log(change);
 * ```
 */
export function createClient<App = Untyped>(options: ClientOptions<App>): Client<App> {
  const client = createCore<App>(options, withStepUp);
  const live = createLive(client as unknown as CoreClient, settingsFrom(options));
  return Object.assign(client, { live }) as unknown as Client<App>;
}
