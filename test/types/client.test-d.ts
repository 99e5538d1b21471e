/** What the compiler knows about a client. Nothing here runs: a wrong line doesn't compile. */
import {
  type CallError,
  type Client,
  createClient,
  type DisconnectedError,
  gap,
  type RpcError,
  type Subscription,
  safe,
} from "../../client/index.js";
import type {
  MethodContract,
  RouterContract,
  SubscriptionContract,
} from "../../src/protocol/contract.js";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Extends<A, B> = A extends B ? true : false;
const holds = <_Truth extends true>(): void => {};

interface Created {
  readonly id: string;
}

type App = RouterContract<
  {
    readonly time: { readonly now: MethodContract<undefined, string, Record<never, never>> };
    readonly orders: {
      readonly create: MethodContract<
        { sku: string; qty?: number },
        Created,
        { OUT_OF_STOCK: { left: number }; CLOSED: null }
      >;
      readonly list: MethodContract<{ limit?: number }, readonly Created[], Record<never, never>>;
      readonly watch: SubscriptionContract<{ id: string }, Created>;
      readonly all: SubscriptionContract<undefined, Created>;
    };
  },
  { "order.updated": { id: string; status: string } }
>;

export async function typed(client: Client<App>): Promise<void> {
  const now = await client.api.time.now();
  holds<Equal<typeof now, string>>();
  const order = await client.api.orders.create({ sku: "A1" }, { timeout: 2_000 });
  holds<Equal<typeof order, Created>>();
  await client.api.orders.list();
  await client.api.orders.list({ limit: 5 });

  // params are required where a member is, and checked
  holds<Equal<Parameters<typeof client.api.orders.create>["length"], 1 | 2>>();
  holds<Equal<Parameters<typeof client.api.orders.list>["length"], 0 | 1 | 2>>();
  holds<Equal<Extends<{ sku: number }, Parameters<typeof client.api.orders.create>[0]>, false>>();
  holds<Equal<keyof typeof client.api, "time" | "orders">>();
  holds<Equal<keyof typeof client.api.orders, "create" | "list" | "watch" | "all">>();

  // a declared error is narrowed by its name; the others are in the union too
  const outcome = await safe(client.api.orders.create({ sku: "A1" }));
  if (outcome.ok) holds<Equal<typeof outcome.value, Created>>();
  else if (outcome.error.type === "OUT_OF_STOCK") {
    const { left } = outcome.error.data;
    holds<Equal<typeof left, number>>();
  } else if (outcome.error.type === "disconnected")
    holds<Equal<typeof outcome.error, DisconnectedError>>();
  else
    holds<
      Equal<
        Extends<
          "timeout" | "token_expired" | "invalid_params" | "CLOSED",
          typeof outcome.error.type
        >,
        true
      >
    >();
  const undeclared = await safe(client.api.time.now());
  if (!undeclared.ok) holds<Equal<Extends<"OUT_OF_STOCK", typeof undeclared.error.type>, false>>();
  holds<
    Equal<
      Extends<
        RpcError<"OUT_OF_STOCK", { left: number }>,
        CallError<{ OUT_OF_STOCK: { left: number } }>
      >,
      true
    >
  >();

  // a batch is a tuple, in order
  const batch = await client.batch((api) => [
    api.time.now(),
    api.orders.create({ sku: "B" }),
    safe(api.time.now()),
  ]);
  holds<Equal<(typeof batch)["length"], 3>>();
  holds<Equal<(typeof batch)[0], string>>();
  holds<Equal<(typeof batch)[1], Created>>();
  holds<Equal<Extends<(typeof batch)[2], { ok: boolean }>, true>>();

  // by wire name: typed where the name is known, anything elsewhere
  const named = await client.call("orders.create", { sku: "A1" });
  holds<Equal<typeof named, Created>>();
  const noParams = await client.call("time.now");
  holds<Equal<typeof noParams, string>>();
  const unknownName = await client.call("not.declared", [1, 2], { idempotent: true });
  holds<Equal<typeof unknownName, unknown>>();

  client.on("order.updated", (params) =>
    holds<Equal<typeof params, { id: string; status: string }>>(),
  );
  client.on("state", ({ to, retryIn }) => {
    holds<Equal<typeof retryIn, number | undefined>>();
    holds<Equal<Extends<"ready", typeof to>, true>>();
  });
  client.on("auth.expiring", ({ expiresIn }) => holds<Equal<typeof expiresIn, number>>());
  client.on("something.else", (params) => holds<Equal<typeof params, unknown>>());
}

export async function subscribed(client: Client<App>, isMarked: boolean): Promise<void> {
  for await (const order of client.api.orders.watch({ id: "o1" }))
    holds<Equal<typeof order, Created>>();
  for await (const order of client.api.orders.all()) holds<Equal<typeof order, Created>>();
  for await (const order of client.api.orders.all(undefined, { buffer: 10 }))
    holds<Equal<typeof order, Created>>();
  for await (const order of client.api.orders.watch({ id: "o1" }, { gaps: false }))
    holds<Equal<typeof order, Created>>();

  // gaps are among the events for who asked for them
  for await (const order of client.api.orders.watch(
    { id: "o1" },
    { gaps: true, signal: AbortSignal.timeout(1) },
  )) {
    holds<Equal<typeof order, Created | typeof gap>>();
    if (order !== gap) holds<Equal<typeof order, Created>>();
  }
  for await (const order of client.api.orders.watch({ id: "o1" }, { gaps: isMarked }))
    holds<Equal<typeof order, Created | typeof gap>>();

  // params are required where a member is, and checked
  holds<Equal<Parameters<typeof client.api.orders.watch>["length"], 1 | 2>>();
  holds<Equal<Extends<{ id: number }, Parameters<typeof client.api.orders.watch>[0]>, false>>();

  // it can be disposed of, and is no promise
  await using watch = client.api.orders.watch({ id: "o1" });
  holds<Equal<Extends<typeof watch, Promise<unknown>>, false>>();
  holds<Equal<Extends<typeof watch, Subscription<Created>>, true>>();

  // by wire name: typed where the name is known, anything elsewhere
  for await (const order of client.subscribe("orders.watch", { id: "o1" }))
    holds<Equal<typeof order, Created>>();
  for await (const order of client.subscribe("orders.all")) holds<Equal<typeof order, Created>>();
  for await (const order of client.subscribe("orders.watch", { id: "o1" }, { gaps: true })) {
    holds<Equal<typeof order, Created | typeof gap>>();
  }
  for await (const event of client.subscribe("not.declared", [1]))
    holds<Equal<typeof event, unknown>>();
  client.on("gap", ({ name }) => holds<Equal<typeof name, string>>());
}

export async function untyped(): Promise<void> {
  await using client = createClient({
    url: new URL("wss://api.example.com/rpc"),
    token: async ({ force, signal }) => (force ? String(signal.aborted) : null),
  });
  const result = await client.call("orders.create", { sku: "A1" });
  holds<Equal<typeof result, unknown>>();
  for await (const event of client.api.orders?.watch?.({ id: "o1" }) ?? [])
    holds<Equal<typeof event, unknown>>();
  for await (const event of client.subscribe("orders.watch")) holds<Equal<typeof event, unknown>>();
  const outcome = await safe(client.call("orders.create"));
  if (!outcome.ok) holds<Equal<typeof outcome.error.message, string>>();
}
