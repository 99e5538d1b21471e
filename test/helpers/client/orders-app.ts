import type { Client } from "../../../client/browser.js";
import type {
  MethodContract,
  RouterContract,
  SubscriptionContract,
} from "../../../src/protocol/contract.js";

/** An application that is known by its type alone: the test is its server. */
export type OrdersApp = RouterContract<{
  readonly orders: {
    readonly list: MethodContract<
      { limit?: number } | undefined,
      readonly string[],
      Record<never, never>
    >;
    readonly create: MethodContract<{ id: string }, string, { OUT_OF_STOCK: { left: number } }>;
    readonly watch: SubscriptionContract<{ id: string }, unknown>;
    readonly changed: SubscriptionContract<undefined, string>;
  };
  readonly numbers: {
    readonly list: MethodContract<undefined, readonly number[], Record<never, never>>;
    readonly watch: SubscriptionContract<{ colour: string } | undefined, number>;
    readonly board: SubscriptionContract<{ colour: string }, number, readonly number[]>;
  };
}>;

/** The client of it. */
export const ofOrders = (client: unknown) => client as Client<OrdersApp>;
