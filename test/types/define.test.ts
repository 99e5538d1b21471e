import { type } from "arktype";
import { expect } from "chai";
import * as v from "valibot";
import { z } from "zod";
import { createRpc } from "../../src/index.js";
import type { Jsonified, MethodContract } from "../../src/protocol/contract.js";

/** True only if the two types are the same: a wrong expectation does not compile. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <T extends true>(proof: T): T => proof;

type ContractOf<M> =
  M extends MethodContract<infer Params, infer Result, infer Errors>
    ? { params: Params; result: Result; errors: Errors }
    : never;

const rpc = createRpc({
  claims: z.object({ sub: z.string(), role: z.enum(["user", "admin"]) }),
  scopes: ["orders:read", "orders:write"],
  notifications: { "order.updated": z.object({ id: z.string(), status: z.string() }) },
});

const app = rpc.router({
  time: {
    now: rpc.method({
      public: true,
      handler: ({ auth }) => new Date(auth === null ? 0 : auth.expiresAt),
    }),
  },
  orders: {
    create: rpc.method({
      summary: "Place an order",
      scope: "orders:write",
      params: z.object({ sku: z.string(), qty: z.number().int().default(1) }),
      result: z.object({ id: z.string() }),
      errors: {
        OUT_OF_STOCK: { code: 1001, data: z.object({ left: z.number() }) },
        CLOSED: { code: 1002 },
      },
      timeout: 5_000,
      idempotent: false,
      async handler({ params, auth, signal, connection, error, log }) {
        same<Same<typeof params, { sku: string; qty: number }>>(true);
        same<Same<typeof auth.claims, { sub: string; role: "user" | "admin" }>>(true);
        same<Same<typeof signal, AbortSignal>>(true);
        log.debug({}, "creating");
        if (params.qty > 10) throw error.OUT_OF_STOCK({ left: 10 });
        if (params.qty > 9) throw error.CLOSED();
        connection.notify("order.updated", { id: "o1", status: "created" });
        return { id: "o1" };
      },
    }),
    cancel: rpc.method({
      scope: "orders:write",
      params: v.object({ id: v.string() }),
      handler: () => undefined,
    }),
    find: rpc.method({
      params: type({ id: "string", "limit?": "number" }),
      handler: async ({ params }) => ({ id: params.id, at: new Date(), tags: new Map() }),
    }),
  },
});

describe("the types of a router", () => {
  it("tell a client the params as they go in", () => {
    same<
      Same<
        ContractOf<typeof app.routes.orders.create>["params"],
        { sku: string; qty?: number | undefined }
      >
    >(true);
    same<Same<ContractOf<typeof app.routes.orders.cancel>["params"], { id: string }>>(true);
    same<Same<ContractOf<typeof app.routes.orders.find>["params"], { id: string; limit?: number }>>(
      true,
    );
    same<Same<ContractOf<typeof app.routes.time.now>["params"], undefined>>(true);
    expect(app.routes.orders.create).to.have.property("definition");
  });

  it("tell a client the results as they are in JSON", () => {
    same<Same<ContractOf<typeof app.routes.time.now>["result"], string>>(true);
    same<Same<ContractOf<typeof app.routes.orders.create>["result"], { id: string }>>(true);
    same<Same<ContractOf<typeof app.routes.orders.cancel>["result"], null>>(true);
    same<
      Same<
        ContractOf<typeof app.routes.orders.find>["result"],
        { id: string; at: string; tags: Record<string, never> }
      >
    >(true);
    expect(app.routes.time.now.definition.public).to.equal(true);
  });

  it("tell a client the declared errors with their data", () => {
    same<
      Same<
        ContractOf<typeof app.routes.orders.create>["errors"],
        { readonly OUT_OF_STOCK: { left: number }; readonly CLOSED: undefined }
      >
    >(true);
    expect(app.routes.orders.create.definition.errors).to.have.keys("OUT_OF_STOCK", "CLOSED");
  });

  it("say what JSON makes of a value", () => {
    same<
      Same<
        Jsonified<{ a: Date; b?: number; c: () => void; d: undefined | string }>,
        { a: string; b?: number | undefined; d: string | undefined }
      >
    >(true);
    same<Same<Jsonified<void>, null>>(true);
    same<Same<Jsonified<readonly [1, Date]>, readonly [1, string]>>(true);
    expect(app.notifications.has("order.updated")).to.equal(true);
  });

  it("know the declared scopes, so that a misspelt one does not compile", () => {
    type Scope = NonNullable<Parameters<typeof rpc.method>[0]["scope"]>;
    type Allows<T> = T extends Scope ? true : false;
    same<Allows<"orders:write">>(true);
    same<Same<Allows<"orders:wirte">, false>>(true);
    expect(app.scopes).to.deep.equal(new Set(["orders:read", "orders:write"]));
  });
});
