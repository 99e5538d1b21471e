/** What the compiler knows about a client. Nothing here runs: a wrong line doesn't compile. */
import {
  type BuiltinMethods,
  type CallError,
  type CallName,
  type Client,
  createClient,
  type DisconnectedError,
  gap,
  type LiveName,
  type RpcError,
  type SubscribeName,
  type Subscription,
  safe,
  type Untyped,
} from "../../client/browser.js";
import { type createHooks, useLive, useSubscription } from "../../client/react/index.js";
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

type Cards = Readonly<Record<string, number>>;

type App = RouterContract<
  {
    readonly time: { readonly now: MethodContract<undefined, string, Record<never, never>> };
    readonly board: SubscriptionContract<{ board: string }, Created, Cards>;
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
  holds<Equal<keyof typeof client.api, "time" | "board" | "orders">>();
  holds<Equal<keyof typeof client.api.orders, "create" | "list" | "watch" | "all">>();

  // a declared error is narrowed by its name; the others are in the union too
  const outcome = await safe(client.api.orders.create({ sku: "A1" }));
  if (outcome.ok) holds<Equal<typeof outcome.value, Created>>();
  else if (outcome.error.code === "OUT_OF_STOCK") {
    const { left } = outcome.error.data;
    holds<Equal<typeof left, number>>();
  } else if (outcome.error.code === "disconnected")
    holds<Equal<typeof outcome.error, DisconnectedError>>();
  else
    holds<
      Equal<
        Extends<
          "timeout" | "token_expired" | "invalid_params" | "CLOSED",
          typeof outcome.error.code
        >,
        true
      >
    >();
  const undeclared = await safe(client.api.time.now());
  if (!undeclared.ok) holds<Equal<Extends<"OUT_OF_STOCK", typeof undeclared.error.code>, false>>();
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

  // by wire name: typed, and no other names
  const named = await client.call("orders.create", { sku: "A1" });
  holds<Equal<typeof named, Created>>();
  const noParams = await client.call("time.now");
  holds<Equal<typeof noParams, string>>();
  const pong = await client.call("ping", [1, 2], { idempotent: true });
  holds<Equal<typeof pong, unknown>>();
  const { subject } = await client.call("whoami");
  holds<Equal<typeof subject, string | null>>();
  // @ts-expect-error no method has this name
  await client.call("orders.craete", { sku: "A1" });
  // @ts-expect-error a subscription is no method
  await client.call("orders.watch", { id: "o1" });
  // @ts-expect-error params are required
  await client.call("orders.create");
  // @ts-expect-error params that don't fit
  await client.call("orders.create", { sku: 1 });

  client.notify("orders.create", { sku: "A1" });
  client.notify("orders.list");
  client.notify("time.now");
  client.notify("ping", 1);
  // @ts-expect-error no method has this name
  client.notify("orders.lst");
  // @ts-expect-error params that don't fit
  client.notify("orders.create", { sku: 1 });
  // @ts-expect-error params are required
  client.notify("orders.create");

  client.on("order.updated", (params) =>
    holds<Equal<typeof params, { id: string; status: string }>>(),
  );
  client.on("state", ({ to, retryIn }) => {
    holds<Equal<typeof retryIn, number | undefined>>();
    holds<Equal<Extends<"ready", typeof to>, true>>();
  });
  client.on("auth.expiring", ({ expiresIn }) => holds<Equal<typeof expiresIn, number>>());
  client.on("subscription.ended", ({ reason }) =>
    holds<Equal<Extends<"slow", typeof reason>, true>>(),
  );
  // @ts-expect-error no notification has this name
  client.on("order.updatd", () => {});
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

  // a subscription is no promise, and a method gives no events
  // @ts-expect-error only a promise has `then`
  client.api.orders.watch({ id: "o1" }).then;
  // @ts-expect-error a promise has no events
  for await (const order of client.api.orders.list()) String(order);
  const kept = await client.api.orders.watch({ id: "o1" });
  holds<Equal<typeof kept, Subscription<Created>>>();

  // it can be disposed of
  await using watch = client.api.orders.watch({ id: "o1" });
  holds<Equal<Extends<typeof watch, Promise<unknown>>, false>>();
  holds<Equal<Extends<typeof watch, Subscription<Created>>, true>>();

  // by wire name: typed, and no other names
  for await (const order of client.subscribe("orders.watch", { id: "o1" }))
    holds<Equal<typeof order, Created>>();
  for await (const order of client.subscribe("orders.all")) holds<Equal<typeof order, Created>>();
  for await (const order of client.subscribe("orders.watch", { id: "o1" }, { gaps: true })) {
    holds<Equal<typeof order, Created | typeof gap>>();
  }
  // @ts-expect-error no subscription has this name
  client.subscribe("orders.wach", { id: "o1" });
  // @ts-expect-error a method is no subscription
  client.subscribe("orders.list");
  // @ts-expect-error params that don't fit
  client.subscribe("orders.watch", { id: 1 });
  // @ts-expect-error params are required
  client.subscribe("orders.watch");
  client.on("gap", ({ name }) => holds<Equal<typeof name, string>>());
}

export async function repeated(): Promise<void> {
  const [url, token] = ["wss://api.example.com/rpc", () => null];
  await using client = createClient<App>({ url, token, idempotent: ["orders.list", "whoami"] });
  // @ts-expect-error no method has this name
  await using misspelt = createClient<App>({ url, token, idempotent: ["orders.lisd"] });
  // @ts-expect-error a subscription is no method
  await using other = createClient<App>({ url, token, idempotent: ["orders.watch"] });
  const names: readonly string[] = [];
  await using any = createClient({ url, token, idempotent: names });
  String([client, misspelt, other, any]);
}

export async function untyped(): Promise<void> {
  await using client = createClient({
    url: new URL("wss://api.example.com/rpc"),
    token: async ({ force, signal }) => (force ? String(signal.aborted) : null),
  });
  const result = await client.call("orders.create", { sku: "A1" });
  holds<Equal<typeof result, unknown>>();
  // all functions of `api` are methods where no type says which are subscriptions
  holds<Equal<Extends<ReturnType<NonNullable<typeof client.api.a>>, Promise<unknown>>, true>>();
  // @ts-expect-error a promise has no events
  for await (const event of client.api.orders?.watch?.({ id: "o1" }) ?? []) String(event);
  for await (const event of client.subscribe("orders.watch")) holds<Equal<typeof event, unknown>>();
  client.notify("anything", [1]);
  client.on("something.else", (params) => holds<Equal<typeof params, unknown>>());
  client.on("state", ({ attempt }) =>
    holds<Equal<Extends<typeof attempt, number | undefined>, true>>(),
  );
  const outcome = await safe(client.call("orders.create"));
  if (!outcome.ok) holds<Equal<typeof outcome.error.message, string>>();
}

/** What an editor suggests. */
export function names(): void {
  holds<
    Equal<
      Exclude<CallName<App>, keyof BuiltinMethods>,
      "time.now" | "orders.create" | "orders.list"
    >
  >();
  holds<Equal<SubscribeName<App>, "board" | "orders.watch" | "orders.all">>();
  holds<Equal<LiveName<App>, "board">>();
  holds<Equal<Extends<"ping" | "whoami" | "rpc.discover", CallName<App>>, true>>();
  holds<Equal<Extends<"any.name", CallName<Untyped>>, true>>();
  holds<Equal<Extends<"any.name", SubscribeName<Untyped>>, true>>();
}

export function Hooks(): void {
  const one = useSubscription<App, "orders.watch">("orders.watch", { id: "o1" });
  holds<Equal<typeof one.event, Created | undefined>>();
  const all = useSubscription<App>("orders.all", undefined, { onEvent: ({ id }) => id });
  holds<Equal<typeof all.event, Created | undefined>>();
  const untyped = useSubscription("any.name", [1], { onGap: () => {} });
  holds<Equal<typeof untyped.event, unknown>>();
  // @ts-expect-error no subscription has this name
  useSubscription<App>("orders.wach", { id: "o1" });
  // @ts-expect-error params that don't fit, though they fit another name
  useSubscription<App>("orders.watch", undefined);
  // @ts-expect-error params are required
  useSubscription<App, "orders.watch">("orders.watch");
}

const add = (cards: Cards, card: Created): Cards => ({ ...cards, [card.id]: 1 });

/** State and event are those of the topic. */
export async function liveStates(client: Client<App>): Promise<void> {
  for await (const step of client.live("board", { board: "b1" }, (cards, card) => {
    holds<Equal<typeof cards, Cards>>();
    holds<Equal<typeof card, Created>>();
    return add(cards, card);
  })) {
    holds<Equal<typeof step.state, Cards>>();
    if (step.reset) holds<Equal<typeof step.event, undefined>>();
    else holds<Equal<typeof step.event, Created>>();
  }
  // @ts-expect-error a topic without snapshot
  client.live("orders.all", undefined, add);
  // @ts-expect-error params that don't fit
  client.live("board", { board: 1 }, add);
  // @ts-expect-error no state of the topic's
  client.live("board", { board: "b1" }, () => 1);
}

export function useLiveHooks(hooks: ReturnType<typeof createHooks<App>>): void {
  const named = useLive<App, "board">("board", { board: "b1" }, add, { enabled: true });
  holds<Equal<typeof named.state, Cards | undefined>>();
  // @ts-expect-error a topic without snapshot
  useLive<App>("orders.all", undefined, add);
  const { state } = hooks.useLive(
    (api) => api.board,
    { board: "b1" },
    (cards, card) => {
      holds<Equal<typeof cards, Cards>>();
      holds<Equal<typeof card, Created>>();
      return add(cards, card);
    },
  );
  holds<Equal<typeof state, Cards | undefined>>();
  // @ts-expect-error a topic without snapshot
  hooks.useLive((api) => api.orders.all, undefined, add);
  // @ts-expect-error params that don't fit
  hooks.useLive((api) => api.board, { board: 1 }, add);
  const wrong = () => 1;
  // @ts-expect-error no state of the topic's
  hooks.useLive((api) => api.board, { board: "b1" }, wrong);
}

export function useHooked({
  useCall,
  useMutation,
  useSubscription,
}: ReturnType<typeof createHooks<App>>): void {
  const list = useCall((api) => api.orders.list, { limit: 1 }, { enabled: false });
  holds<Equal<typeof list.data, readonly Created[] | undefined>>();
  useCall((api) => api.orders.list);
  useCall((api) => api.time.now);
  // @ts-expect-error no such member
  useCall((api) => api.orders.list, { limit: "1" });
  // @ts-expect-error a subscription is no method
  useCall((api) => api.orders.all);
  // @ts-expect-error params are needed
  useCall((api) => api.orders.create);
  // @ts-expect-error no such route
  useCall((api) => api.orders.lst);

  const create = useMutation((api) => api.orders.create);
  if (create.error?.code === "OUT_OF_STOCK") {
    const { left } = create.error.data;
    holds<Equal<typeof left, number>>();
  }
  create.run({ sku: "A1" }, { timeout: 1_000 }).catch(() => {});
  // @ts-expect-error no such member
  create.run({ sku: 1 }).catch(() => {});

  const { event, status } = useSubscription((api) => api.orders.watch, { id: "o1" });
  holds<Equal<typeof event, Created | undefined>>();
  holds<Equal<typeof status, "off" | "waiting" | "live" | "completed" | "failed">>();
  useSubscription((api) => api.orders.all, undefined, { onEvent: ({ id }) => id.length });
  // @ts-expect-error a method has no events
  useSubscription((api) => api.orders.list);
}
