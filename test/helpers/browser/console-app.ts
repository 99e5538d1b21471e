import { z } from "zod";
import { createRpc } from "../../../src/index.js";

const sizes = ["small", "medium", "large"] as const;

/** A report that takes as long as a test wants. */
export class SlowReport {
  /** How many calls the server was asked to stop. */
  cancelled = 0;
  #answer = () => {};

  /** Lets the call that runs come to its result. */
  answer(): void {
    this.#answer();
  }

  run(signal: AbortSignal): Promise<{ cents: number }> {
    return new Promise((resolve, reject) => {
      this.#answer = () => resolve({ cents: 1250 });
      signal.addEventListener("abort", () => {
        this.cancelled++;
        reject(new Error("cancelled"));
      });
    });
  }
}

/** An application with something of everything that the console shows. */
export function consoleApp(report = new SlowReport()) {
  const rpc = createRpc({
    scopes: ["orders:read", "orders:write", "stock:admin"],
    notifications: { "order.created": z.object({ id: z.string(), sku: z.string() }) },
  });
  const placed: { readonly id: string; readonly sku: string; readonly qty: number }[] = [];
  return rpc.router({
    stock: {
      list: rpc.method({
        summary: "What can be ordered",
        public: true,
        handler: () => [{ sku: "A1", left: 12 }],
      }),
      restock: rpc.method({
        summary: "Put items on the shelf",
        scope: "stock:admin",
        handler: () => "done",
      }),
    },
    prices: rpc.topic({
      summary: "What an item costs, each time that changes",
      scope: "orders:read",
      params: z.object({ sku: z.enum(["A1", "B2", "C3"]) }),
      event: z.object({ sku: z.string(), cents: z.number().int() }),
      key: ({ sku }) => `prices:${sku}`,
      history: { size: 100, ttl: 300_000 },
    }),
    orders: {
      create: rpc.method({
        summary: "Place an order",
        scope: "orders:write",
        params: z.object({
          sku: z.string().min(1).describe("what stock.list calls it"),
          qty: z.number().int().min(1).max(100).default(1),
          size: z.enum(sizes).optional(),
          isGift: z.boolean().optional(),
          address: z.object({ street: z.string(), zip: z.string().optional() }).optional(),
          notes: z.array(z.string()).optional(),
        }),
        errors: { OUT_OF_STOCK: { code: 1001, data: z.object({ left: z.number() }) } },
        handler({ params, connection, error }) {
          if (params.qty > 12) throw error.OUT_OF_STOCK({ left: 12 });
          const order = { id: `o${placed.length + 1}`, sku: params.sku, qty: params.qty };
          placed.push(order);
          connection.notify("order.created", { id: order.id, sku: order.sku });
          return order;
        },
      }),
      list: rpc.method({ summary: "Your orders", scope: "orders:read", handler: () => placed }),
    },
    reports: {
      sales: rpc.method({
        summary: "What was sold",
        description: "Takes its time: cancel it.",
        scope: "orders:read",
        result: z.object({ cents: z.number().int() }),
        errors: { NO_SALES: { code: 1002 } },
        handler: ({ signal }) => report.run(signal),
      }),
      rows: rpc.method({
        summary: "More than anybody reads",
        scope: "orders:read",
        handler: () => Array.from({ length: 3_000 }, (_, row) => ({ row, text: "some text" })),
      }),
    },
  });
}
