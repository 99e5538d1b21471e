/** An order desk: the application that `npm start` serves. */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Auth, createRpc, type Logger, type Server, type ServerActions } from "jotwire";
import { z } from "zod";
import { type Order, OrderDesk } from "./order-desk.ts";
import { PriceBoard } from "./price-board.ts";

/** Where the orders are kept. `jotwire` sets JOTWIRE_STATE to its own state folder. */
const desk = await OrderDesk.open(join(process.env.JOTWIRE_STATE ?? ".jotwire", "orders.jsonl"));
const board = new PriceBoard(desk.stock);

const id = z.string().regex(/^o\d{1,15}$/, "an order id looks like o12");
const sku = z.string().min(1).max(32);
const order = z.object({
  id,
  customer: z.string(),
  sku,
  qty: z.number().int(),
  total: z.number().int().describe("cents"),
  status: z.enum(["placed", "shipped", "cancelled"]),
  placedAt: z.string().describe("ISO 8601, UTC"),
});
const item = z.object({
  sku,
  name: z.string(),
  price: z.number().int().describe("cents"),
  left: z.number().int(),
});

const quote = z.object({
  sku,
  price: z.number().int().describe("cents"),
  at: z.string().describe("ISO 8601, UTC"),
});

const notFound = { code: 1004, message: "there is no such order, or it isn't yours" } as const;
const alreadyShipped = { code: 1005, message: "the order has left the house" } as const;
const alreadyCancelled = { code: 1006, message: "the order was cancelled before" } as const;
const noSuchItem = { code: 1002, message: "stock.list tells what there is" } as const;

const reportSteps = 40;
const stepPause = 75; // 75 ms: 3 s for a whole report

const rpc = createRpc({
  scopes: ["orders:read", "orders:write", "orders:admin"],
  notifications: {
    "order.created": order,
    "order.updated": order,
    "report.progress": z.object({ done: z.number(), of: z.number() }),
  },
});

/** Whose orders the caller may see and change: undefined for everybody's. */
function customerOf({ subject, scopes }: Auth): string | undefined {
  return scopes.includes("orders:admin") ? undefined : subject;
}

const watchOrders = rpc.topic({
  summary:
    "Orders as they are placed and change: yours, or without a customer everybody's, for an admin",
  scope: "orders:read",
  params: z.object({ customer: z.string().max(64).optional() }).default({}),
  event: order,
  key: ({ customer }) => `orders:${customer ?? "*"}`,
  authorize: ({ auth, params: { customer } }) =>
    auth.scopes.includes("orders:admin") || customer === auth.subject,
  history: { size: 100, ttl: 300_000 }, // 5 min: who comes back by then has missed nothing
});

interface Announcer extends Pick<ServerActions, "publish"> {
  readonly log: Logger;
}

/** Tells all who watch of a change. The change is written: it stands even if nobody can be told. */
async function announce({ publish, log }: Announcer, changed: Order): Promise<void> {
  try {
    await publish(watchOrders, { customer: changed.customer }, changed);
    await publish(watchOrders, {}, changed);
  } catch (err) {
    log.error({ err, order: changed.id }, "order not announced");
  }
}

export const app = rpc.router({
  stock: {
    list: rpc.method({
      summary: "What can be ordered",
      public: true,
      result: z.array(item),
      handler: () => [...desk.stock],
    }),
  },

  orders: {
    create: rpc.method({
      summary: "Place an order",
      description: "With a key, the call may be repeated: the same key is the same order.",
      scope: "orders:write",
      params: z.object({
        sku,
        qty: z.number().int().min(1).max(1_000).default(1),
        key: z.string().min(1).max(64).optional(),
      }),
      result: order,
      errors: {
        OUT_OF_STOCK: { code: 1001, data: z.object({ left: z.number().int() }) },
        NO_SUCH_ITEM: noSuchItem,
        KEY_TAKEN: { code: 1003, message: "the key stands for another order already" },
      },
      async handler({ params, auth, connection, error, log, publish }) {
        const outcome = await desk.place({ ...params, customer: auth.subject });
        if (outcome.is === "out_of_stock") throw error.OUT_OF_STOCK({ left: outcome.left });
        if (outcome.is === "no_such_item") throw error.NO_SUCH_ITEM();
        if (outcome.is === "key_taken") throw error.KEY_TAKEN();
        if (outcome.is === "placed") {
          log.info({ order: outcome.order.id }, "order placed");
          connection.notify("order.created", outcome.order);
          await announce({ publish, log }, outcome.order);
        }
        return outcome.order;
      },
    }),

    get: rpc.method({
      summary: "One order",
      scope: "orders:read",
      params: z.object({ id }),
      result: order,
      errors: { NOT_FOUND: notFound },
      idempotent: true,
      handler({ params, auth, error }) {
        const found = desk.order(params.id);
        const customer = customerOf(auth);
        if (found === undefined || (customer !== undefined && found.customer !== customer))
          throw error.NOT_FOUND();
        return found;
      },
    }),

    list: rpc.method({
      summary: "Your orders, the newest first; all orders, for an admin",
      scope: "orders:read",
      params: z
        .object({ cursor: id.optional(), limit: z.number().int().min(1).max(100).default(20) })
        .default({ limit: 20 }),
      result: z.object({
        orders: z.array(order),
        next: id.nullable().describe("the cursor of the next page; null: that was all"),
      }),
      idempotent: true,
      handler({ params, auth }) {
        const { orders, next } = desk.page({ ...params, customer: customerOf(auth) });
        return { orders: [...orders], next };
      },
    }),

    watch: watchOrders,

    cancel: rpc.method({
      summary: "Cancel an order that has not been shipped",
      scope: "orders:write",
      params: z.object({ id }),
      result: order,
      errors: {
        NOT_FOUND: notFound,
        ALREADY_SHIPPED: alreadyShipped,
        ALREADY_CANCELLED: alreadyCancelled,
      },
      async handler({ params, auth, connection, error, log, publish }) {
        const outcome = await desk.cancel(params.id, customerOf(auth));
        if (outcome.is === "not_found") throw error.NOT_FOUND();
        if (outcome.is === "already_shipped") throw error.ALREADY_SHIPPED();
        if (outcome.is === "already_cancelled") throw error.ALREADY_CANCELLED();
        connection.notify("order.updated", outcome.order);
        await announce({ publish, log }, outcome.order);
        return outcome.order;
      },
    }),
  },

  prices: {
    recent: rpc.method({
      summary: "The market's prices of the last minute, the newest last",
      scope: "orders:read",
      result: z.array(quote),
      idempotent: true,
      handler: () => [...board.recent],
    }),
    watch: rpc.topic({
      summary: "An item's price on the market, every second",
      scope: "orders:read",
      params: z.object({ sku }),
      event: quote,
      key: ({ sku: item }) => `prices:${item}`,
      history: { size: 60, ttl: 120_000 },
    }),
  },

  reports: {
    sales: rpc.method({
      summary: "What was sold, of your orders or of all; takes some seconds",
      description:
        "Tells its progress by report.progress, and stops at $/cancelRequest or when the connection closes.",
      scope: "orders:read",
      result: z.object({
        orders: z.number(),
        cancelled: z.number(),
        revenue: z.number().describe("cents"),
        bySku: z.record(z.string(), z.number()),
      }),
      timeout: 60_000, // 60 s
      idempotent: true,
      async handler({ auth, signal, connection, log }) {
        const customer = customerOf(auth);
        const orders = desk.orders.filter(
          (candidate) => customer === undefined || candidate.customer === customer,
        );
        const report = { orders: 0, cancelled: 0, revenue: 0, bySku: {} as Record<string, number> };
        const share = Math.ceil(orders.length / reportSteps);
        for (let done = 0; done < reportSteps; done++) {
          if (signal.aborted) {
            log.info({ done, of: reportSteps }, "report given up");
            throw signal.reason;
          }
          for (const { sku, qty, total, status } of orders.slice(
            done * share,
            (done + 1) * share,
          )) {
            report.orders += 1;
            if (status === "cancelled") report.cancelled += 1;
            else {
              report.revenue += total;
              report.bySku[sku] = (report.bySku[sku] ?? 0) + qty;
            }
          }
          connection.notify("report.progress", { done: done + 1, of: reportSteps });
          await pause(stepPause); // a database would be asked here
        }
        return report;
      },
    }),
  },

  admin: {
    restock: rpc.method({
      summary: "Put items on the shelf",
      scope: "orders:admin",
      params: z.object({ sku, qty: z.number().int().min(1).max(1_000) }),
      result: item,
      errors: { NO_SUCH_ITEM: noSuchItem },
      async handler({ params, error }) {
        const restocked = await desk.restock(params.sku, params.qty);
        if (restocked === undefined) throw error.NO_SUCH_ITEM();
        return restocked;
      },
    }),

    ship: rpc.method({
      summary: "Hand an order to the carrier",
      scope: "orders:admin",
      params: z.object({ id }),
      result: order,
      errors: {
        NOT_FOUND: notFound,
        ALREADY_SHIPPED: alreadyShipped,
        ALREADY_CANCELLED: alreadyCancelled,
      },
      async handler({ params, connection, error, log, publish }) {
        const outcome = await desk.ship(params.id);
        if (outcome.is === "not_found") throw error.NOT_FOUND();
        if (outcome.is === "already_shipped") throw error.ALREADY_SHIPPED();
        if (outcome.is === "already_cancelled") throw error.ALREADY_CANCELLED();
        connection.notify("order.updated", outcome.order);
        await announce({ publish, log }, outcome.order);
        return outcome.order;
      },
    }),
  },
});

export type App = typeof app;

const pricePause = 1_000; // 1 s

/** Called by `jotwire` once the server listens: from here on prices move. */
export function started(server: Server): () => void {
  const { prices } = app.routes;
  const timer = setInterval(() => {
    for (const changed of board.move())
      void server.publish(prices.watch, { sku: changed.sku }, changed);
  }, pricePause);
  return () => clearInterval(timer);
}
