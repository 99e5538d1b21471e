import { setImmediate as turn } from "node:timers/promises";
import { expect } from "chai";
import fc from "fast-check";
import { z } from "zod";
import { type ConnectionHandle, createRpc, type HookOptions } from "../../src/index.js";
import { eventually } from "../helpers/eventually.js";
import { expectError } from "../helpers/server/expected.js";
import { ask, exchange, leftovers, request, resultOf } from "../helpers/server/frames.js";
import type { RawClient } from "../helpers/server/raw-client.js";
import { startTimed, type TimedServer } from "../helpers/server/timed-server.js";

const runs = Number(process.env.HOOKS_MODEL_RUNS ?? 100);

function rooms() {
  const rpc = createRpc({ notifications: { greeting: z.object({ to: z.string() }) } });
  const presence = rpc.topic({ event: z.string(), key: () => "presence" });
  const room = rpc.topic({
    params: z.object({ room: z.string() }),
    key: (params) => `room:${params.room}`,
    history: { size: 10, ttl: 60_000 },
  });
  const app = rpc.router({
    presence,
    room,
    fine: rpc.method({ handler: () => "fine" }),
    endless: rpc.subscription({
      async *handler({ signal }) {
        yield "begun";
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    }),
    short: rpc.subscription({
      async *handler() {
        yield "all there is";
      },
    }),
    guarded: rpc.topic({ scope: "guard", key: () => "guarded" }),
  });
  return { app, presence, room };
}

type Options = HookOptions<{ greeting: z.ZodType<{ to: string }> }>;

/** Notes what each hook is told. With `pause` each hook takes a while. */
class HookLog {
  /** One list for each connection. */
  readonly lines = new Map<string, string[]>();
  readonly #running = new Set<string>();
  readonly overlaps: string[] = [];
  readonly hooks: HookOptions;
  /** Of the last connection. */
  handle: ConnectionHandle | undefined;

  constructor(pause: () => Promise<unknown> | undefined = () => undefined) {
    const note = ({ id }: ConnectionHandle, line: string): unknown => {
      if (this.#running.has(id)) this.overlaps.push(line);
      const lines = this.lines.get(id) ?? [];
      this.lines.set(id, lines);
      lines.push(line);
      const pausing = pause();
      if (pausing === undefined) return undefined;
      this.#running.add(id);
      return pausing.then(() => this.#running.delete(id));
    };
    this.hooks = {
      connected: (connection) => {
        this.handle = connection;
        return note(connection, "connected");
      },
      authenticated: (connection, auth) => note(connection, `authenticated ${auth.subject}`),
      refreshed: (connection, auth) => note(connection, `refreshed ${auth.subject}`),
      subscribed: (connection, { subscription, auth }) =>
        note(connection, `subscribed ${subscription} ${auth.subject}`),
      unsubscribed: (connection, { subscription, auth, reason }) =>
        note(connection, `unsubscribed ${subscription} ${auth.subject} ${reason}`),
      closed: (connection, code) => note(connection, `closed ${code}`),
    };
  }

  /** Of the only connection. */
  get only(): readonly string[] {
    return [...this.lines.values()][0] ?? [];
  }
}

describe("The hooks", () => {
  it("hear of sessions and subscriptions, with all that is known of them", async () => {
    const { app } = rooms();
    const heard: unknown[] = [];
    const hooks: HookOptions = {
      refreshed: (_, { subject, scopes }) => heard.push(["refreshed", subject, scopes]),
      subscribed: (_, { auth, ...told }) => heard.push(["subscribed", auth.subject, told]),
      unsubscribed: (_, { auth, ...told }) => heard.push(["unsubscribed", auth.subject, told]),
    };
    await using server = await startTimed(app, { hooks });
    const ada = await server.login({ sub: "ada" });
    await resultOf(ada, "room", { room: "r1" });
    await resultOf(ada, "room", { room: "r1" }); // heard once
    server.clock.advance(1_000);
    await resultOf(ada, "refresh", { token: server.token({ sub: "ada", scope: "more" }) });
    await resultOf(ada, "unsubscribe", { subscription: "room:r1" });
    const told = { subscription: "room:r1", name: "room", params: { room: "r1" } };
    expect(heard).to.deep.equal([
      ["subscribed", "ada", told],
      ["refreshed", "ada", ["more"]],
      ["unsubscribed", "ada", { ...told, reason: "unsubscribe" }],
    ]);
  });

  it("learn why a subscription is over", async () => {
    const { app, room } = rooms();
    const log = new HookLog();
    await using server = await startTimed(app, { hooks: log.hooks });
    const ada = await server.login({ sub: "ada", scope: "guard" });
    for (const name of ["endless", "short", "guarded"]) await resultOf(ada, name);
    await resultOf(ada, "room", { room: "r1" });
    await leftovers(ada);
    const reasons = () => log.only.filter((line) => line.startsWith("unsubscribed"));
    expect(reasons()).to.deep.equal(["unsubscribed 2 ada completed"]);
    await server.server.unsubscribe({ topic: room, params: { room: "r1" } });
    server.clock.advance(1_000);
    await resultOf(ada, "refresh", { token: server.token({ sub: "ada", scope: "" }) });
    await resultOf(ada, "logout");
    await ada.authenticate(server.token({ sub: "bob" }));
    await resultOf(ada, "presence");
    await ada.close();
    await eventually(() => expect(log.only.at(-1)).to.match(/^closed/));
    expect(reasons().slice(1)).to.deep.equal([
      "unsubscribed room:r1 ada forbidden",
      "unsubscribed guarded ada forbidden",
      "unsubscribed 1 ada logout",
      "unsubscribed presence bob closed",
    ]);
    expect(log.only.slice(-3)).to.deep.equal([
      "subscribed presence bob",
      "unsubscribed presence bob closed",
      "closed 1000",
    ]);
  });

  it("publish, notify and log by their context", async () => {
    const { app, presence } = rooms();
    const hooks: Options = {
      authenticated: (_, { subject }, { notify }) =>
        notify({ subject }, "greeting", { to: subject }),
      subscribed: (_, { name, auth }, { publish, log }) => {
        log.warn({ name }, "somebody listens");
        return publish(presence, undefined, `${auth.subject} came`);
      },
      unsubscribed: (_, { auth }, { publish }) =>
        publish(presence, undefined, `${auth.subject} left`),
    };
    await using server = await startTimed(app, { hooks: hooks as HookOptions });
    const watcher = await server.connect();
    const token = server.token({ sub: "ada" });
    const frames = await exchange(watcher, request("in", "authenticate", { token }));
    expect(frames.find(({ method }) => method === "greeting")?.params).to.deep.equal({ to: "ada" });
    await resultOf(watcher, "presence");
    const bob = await server.login({ sub: "bob" });
    await resultOf(bob, "room", { room: "r1" });
    await resultOf(bob, "unsubscribe", { subscription: "room:r1" });
    const events = (await leftovers(watcher)).map(({ params }) => params?.data);
    expect(events).to.deep.equal(["ada came", "bob came", "bob left"]);
    const line = server.log.find(({ message }) => message === "somebody listens");
    expect(line?.fields).to.include({ hook: "subscribed", name: "presence" });
    expect(line?.fields).to.have.property("connection");
  });

  it("have a handle that does not reach the next user of the connection", async () => {
    const { app } = rooms();
    const handles: ConnectionHandle<never>[] = [];
    const keep = (connection: ConnectionHandle) => handles.push(connection as never);
    const hooks = { authenticated: keep, subscribed: keep, refreshed: keep, unsubscribed: keep };
    await using server = await startTimed(app, { hooks });
    const client = await server.login({ sub: "ada" });
    await resultOf(client, "presence");
    server.clock.advance(1_000);
    await resultOf(client, "refresh", { token: server.token({ sub: "ada" }) });
    await resultOf(client, "logout");
    await client.authenticate(server.token({ sub: "bob" }));
    const ofAda = handles.slice(0, 4) as unknown as ConnectionHandle[];
    expect(handles).to.have.length(5);
    for (const handle of ofAda) handle.notify("greeting" as never, { to: "ada" } as never);
    for (const handle of ofAda) handle.kick();
    expect(await leftovers(client)).to.deep.equal([]);
    (handles[4] as unknown as ConnectionHandle).kick();
    expect((await client.closed).code).to.equal(4403);
  });

  it("that do not settle make a connection wait with further subscriptions, and others not", async () => {
    const { app } = rooms();
    let began = 0;
    const hooks = {
      subscribed: () => {
        began++;
        return new Promise(() => {});
      },
      unsubscribed: () => new Promise(() => {}),
    };
    await using server = await startTimed(app, { hooks });
    const ada = await server.login({ sub: "ada" });
    const bob = await server.login({ sub: "bob" });
    const rounds = Array.from({ length: 128 }, (_, n) => [
      request(`s${n}`, "presence"),
      request(`u${n}`, "unsubscribe", { subscription: "presence" }),
    ]).flat();
    for (let at = 0; at < rounds.length; at += 32)
      await exchange(ada, ...rounds.slice(at, at + 32));
    await exchange(ada, request("one more", "presence")); // 256 wait, and one runs
    server.clock.advance(1_000); // another second of subscribe calls
    const refused = await ask(ada, "room", { room: "r" });
    expectError(refused, "overloaded");
    expect(refused.error?.data).to.include({ temporary: true, executed: false, retryAfter: 1 });
    expect((await ask(ada, "fine")).result, "other calls").to.equal("fine");
    await resultOf(bob, "presence");
    expect(began).to.equal(2);
    server.clock.advance(9_000);
    expect(began, "those that have waited for 10 s").to.equal(130);
    await resultOf(ada, "room", { room: "r" });
    const told = server.log.filter(({ fields }) => fields.event === "hook.fail");
    expect(told.length).to.be.within(1, 20); // as many lines as the log takes in a second
  });
});

/** What the documents say of the order, written anew. */
class OrderReference {
  readonly lines: string[] = ["connected"];
  #user: string | undefined;
  readonly #open: string[] = [];

  login(user: string): void {
    this.lines.push(`${this.#user === undefined ? "authenticated" : "refreshed"} ${user}`);
    this.#user = user;
  }

  subscribe(subscription: string): void {
    if (this.#user === undefined || this.#open.includes(subscription)) return;
    this.#open.push(subscription);
    this.lines.push(`subscribed ${subscription} ${this.#user}`);
  }

  unsubscribe(subscription: string, reason = "unsubscribe"): void {
    const at = this.#open.indexOf(subscription);
    if (at === -1) return;
    this.#open.splice(at, 1);
    this.lines.push(`unsubscribed ${subscription} ${this.#user} ${reason}`);
  }

  logout(): void {
    for (const subscription of [...this.#open]) this.unsubscribe(subscription, "logout");
    this.#user = undefined;
  }

  close(code: number): void {
    for (const subscription of [...this.#open]) this.unsubscribe(subscription, "closed");
    this.lines.push(`closed ${code}`);
  }
}

type Step =
  | { readonly is: "login" | "logout" | "burst" }
  | { readonly is: "subscribe" | "unsubscribe" | "forbid"; readonly room: string };

const roomOf = fc.constantFrom("r1", "r2", "r3");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ is: fc.constantFrom("login" as const, "logout" as const, "burst" as const) }),
  fc.record({
    is: fc.constantFrom("subscribe" as const, "unsubscribe" as const, "forbid" as const),
    room: roomOf,
  }),
);

/** One step by its own, or as a part of one frame after the other. */
async function take(
  { is, room = "r1" }: { readonly is: Step["is"]; readonly room?: string },
  server: TimedServer,
  client: RawClient,
  reference: OrderReference,
  routes: ReturnType<typeof rooms>,
): Promise<void> {
  const subscription = `room:${room}`;
  if (is === "login") {
    server.clock.advance(1_000); // another token, and another second of calls
    reference.login("ada");
    await client.authenticate(server.token({ sub: "ada" }));
  } else if (is === "logout") {
    reference.logout();
    await ask(client, "logout");
  } else if (is === "subscribe") {
    reference.subscribe(subscription);
    await ask(client, "room", { room });
  } else if (is === "unsubscribe") {
    reference.unsubscribe(subscription);
    await ask(client, "unsubscribe", { subscription });
  } else if (is === "forbid") {
    reference.unsubscribe(subscription, "forbidden");
    await server.server.unsubscribe({ topic: routes.room, params: { room } });
  } else {
    reference.subscribe("room:b");
    reference.unsubscribe("room:b");
    reference.subscribe("room:b");
    const frame = request("burst 1", "room", { room: "b" });
    await exchange(client, frame, request("burst 2", "unsubscribe", { subscription: "room:b" }), {
      ...frame,
      id: "burst 3",
    });
  }
}

describe("The order of the hooks of a connection", () => {
  it("is that of its events, one after the other, whatever happens and however long they take", async () => {
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 14 }),
      fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      async (steps, pauses, isKicked) => {
        let calls = 0;
        const pause = () => {
          const turns = pauses[calls++ % pauses.length] ?? 0;
          return turns === 0 ? undefined : turn().then(() => (turns > 2 ? turn() : undefined));
        };
        const log = new HookLog(pause);
        const routes = rooms();
        await using server = await startTimed(routes.app, { hooks: log.hooks });
        const client = await server.connect();
        const reference = new OrderReference();
        for (const next of steps) await take(next, server, client, reference, routes);
        if (isKicked) log.handle?.kick();
        else await client.close();
        reference.close(isKicked ? 4403 : 1000);
        await eventually(() => expect(log.only).to.have.lengthOf.at.least(reference.lines.length));
        await turn();
        expect(log.only).to.deep.equal(reference.lines);
        expect(log.overlaps, "a hook that begins before the one before has settled").to.deep.equal(
          [],
        );
      },
    );
    await fc.assert(property, { numRuns: runs, seed: 1 });
  });
});
