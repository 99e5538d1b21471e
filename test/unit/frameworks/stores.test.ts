import { expect } from "chai";
import { get } from "svelte/store";
import { createStores, type ViewStore } from "../../../client/stores/index.js";
import { ofOrders } from "../../helpers/client/orders-app.js";
import { scriptedClient, settled } from "../../helpers/client/scripted-client.js";
import { connected, event, reconnected } from "../../helpers/client/subscribed-client.js";

const outOfStock = { code: 1, message: "OUT_OF_STOCK", data: { left: 2 } };

/** Listens, and keeps every view. */
function watched<View>(store: ViewStore<View>) {
  const views: View[] = [];
  const stop = store.subscribe((view) => views.push(view));
  return { views, stop, last: () => views.at(-1) as View };
}

describe("The store of a session", () => {
  it("says why the client is in its state, and when it tries again, also to who asks later", async () => {
    const script = await connected();
    const store = createStores(ofOrders(script.client)).session();
    const { views, stop } = watched(store);
    expect(views).to.deep.equal([
      {
        ...{ state: "ready", session: script.client.session },
        ...{ reason: undefined, retryIn: undefined, cause: undefined },
      },
    ]);
    script.socket.drop(4429, "too_many_requests");
    await settled();
    const late = createStores(ofOrders(script.client)).session();
    expect(late.view()).to.include({
      state: "waiting",
      session: null,
      reason: "too_many_requests",
    });
    expect(late.view().retryIn).to.be.above(0);
    expect(late.view(), "the same until it changes").to.equal(late.view());
    const count = views.length;
    stop();
    await script.client.close();
    expect(views.length).to.equal(count);
    expect(late.view()).to.include({ state: "closed" });
  });

  it("has the cause of a client that has signed out", async () => {
    const reason = new Error("no network");
    const script = scriptedClient({
      token: () => {
        throw reason;
      },
    });
    const store = createStores(ofOrders(script.client)).session();
    await settled();
    expect(store.view()).to.include({
      state: "waiting",
      reason: "token_unavailable",
      cause: reason,
    });
    await script.client.close();
  });
});

describe("The store of a subscription", () => {
  it("is live while the connection is ready, and waiting before and between", async () => {
    const script = scriptedClient();
    const store = createStores(ofOrders(script.client)).subscription((api) => api.orders.watch, {
      id: "o1",
    });
    const { views, last } = watched(store);
    expect(last()).to.include({ status: "waiting", event: undefined, gaps: 0 });
    const socket = await script.signIn();
    expect(socket.last("orders.watch").params).to.deep.equal({ id: "o1" });
    expect(last().status).to.equal("live");
    socket.answer(socket.last("orders.watch"), { subscription: "s1" });
    event(socket, "s1", "one");
    await settled();
    expect(last()).to.include({ status: "live", event: "one" });
    socket.drop();
    await settled();
    expect(last()).to.include({ status: "waiting", event: "one" });
    await reconnected({ ...script } as never);
    expect(last()).to.include({ status: "live", event: "one" });
    expect(new Set(views).size, "a view an event").to.equal(views.length);
    await script.client.close();
  });

  it("asks nothing of the server before somebody listens, and unsubscribes after the last one", async () => {
    const { client, socket } = await connected();
    const store = createStores(ofOrders(client)).subscription((api) => api.orders.changed);
    await settled();
    expect(socket.count("orders.changed")).to.equal(0);
    const [one, other] = [watched(store), watched(store)];
    await settled();
    expect(socket.count("orders.changed")).to.equal(1);
    socket.answer(socket.last("orders.changed"), { subscription: "s1" });
    one.stop();
    await settled();
    expect(socket.count("unsubscribe")).to.equal(0);
    other.stop();
    await settled();
    expect(socket.count("unsubscribe")).to.equal(1);
    await client.close();
  });

  it("is a store of Svelte", async () => {
    const script = scriptedClient();
    const store = createStores(ofOrders(script.client)).subscription((api) => api.orders.changed);
    expect(get(store)).to.include({ status: "waiting", gaps: 0 });
    await script.client.close();
  });

  it("calls its listeners' functions, and refuses one that doesn't exist", async () => {
    const { client, socket } = await connected();
    const { subscription } = createStores(ofOrders(client));
    const told: unknown[] = [];
    const { stop } = watched(
      subscription((api) => api.orders.changed, undefined, { onEvent: (one) => told.push(one) }),
    );
    await settled();
    socket.answer(socket.last("orders.changed"), { subscription: "s1" });
    event(socket, "s1", 1);
    event(socket, "s1", 2);
    await settled();
    expect(told).to.deep.equal([1, 2]);
    stop();
    expect(() =>
      subscription((api) => api.orders.changed, undefined, { onEvnt() {} } as object),
    ).to.throw(TypeError, "option onEvnt: not one of onEvent,onGap");
    await client.close();
  });
});

describe("The store of a call", () => {
  const called = async () => {
    const script = await connected();
    const store = createStores(ofOrders(script.client)).call((api) => api.orders.list, {
      limit: 2,
    });
    return { ...script, store, ...watched(store) };
  };

  it("shows the result, and the old one while it reads anew", async () => {
    const { client, socket, store, last } = await called();
    expect(last()).to.deep.equal({
      ...{ status: "loading", data: undefined, error: undefined, isLoading: true },
    });
    await settled();
    expect(socket.last("orders.list").params).to.deep.equal({ limit: 2 });
    socket.answer(socket.last("orders.list"), ["o1"]);
    await settled();
    const done = { status: "done", data: ["o1"], error: undefined, isLoading: false };
    expect(last()).to.deep.equal(done);
    store.reload();
    expect(last()).to.deep.equal({ ...done, isLoading: true });
    socket.answer(socket.last("orders.list"), ["o1", "o2"]);
    await settled();
    expect(last()).to.deep.equal({ ...done, data: ["o1", "o2"] });
    await client.close();
  });

  it("shows a declared error by its name, beside the last result", async () => {
    const { client, socket, store, last } = await called();
    await settled();
    socket.answer(socket.last("orders.list"), ["o1"]);
    await settled();
    store.reload();
    socket.refuse(socket.last("orders.list"), outOfStock);
    await settled();
    expect(last()).to.include({ status: "failed", isLoading: false });
    expect(last().data).to.deep.equal(["o1"]);
    expect(last().error).to.include({ code: "OUT_OF_STOCK" });
    await client.close();
  });

  it("shows the answer to the newest call alone", async () => {
    const { client, socket, store, last } = await called();
    await settled();
    const first = socket.last("orders.list");
    store.reload();
    const second = socket.last("orders.list");
    socket.answer(second, ["new"]);
    await settled();
    socket.answer(first, ["old"]);
    await settled();
    expect(last().data).to.deep.equal(["new"]);
    await client.close();
  });

  it("aborts the call when nobody listens any more, which nobody sees", async () => {
    const { client, socket, views, stop } = await called();
    await settled();
    stop();
    await settled();
    expect(socket.frames.map(({ method }) => method)).to.include("$/cancelRequest");
    expect(views.every(({ error }) => error === undefined)).to.equal(true);
    await client.close();
  });

  it("costs one call where somebody leaves and comes back at once", async () => {
    const { client, socket, store, stop } = await called();
    stop();
    const again = watched(store);
    await settled();
    expect(socket.count("orders.list")).to.equal(1);
    again.stop();
    await client.close();
  });

  it("calls anew for another user, and shows nothing of the one before", async () => {
    const script = await called();
    await settled();
    script.socket.answer(script.socket.last("orders.list"), ["ada's"]);
    await settled();
    const socket = await reconnected(script, { subject: "grace" });
    expect(script.last()).to.deep.include({ status: "loading", data: undefined });
    socket.answer(socket.last("orders.list"), ["grace's"]);
    await settled();
    expect(script.last()).to.deep.include({ status: "done", data: ["grace's"] });
    await script.client.close();
  });

  it("does not call anew for the same user, whose connection was lost", async () => {
    const script = await called();
    await settled();
    script.socket.answer(script.socket.last("orders.list"), ["ada's"]);
    await settled();
    const socket = await reconnected(script);
    expect(script.last()).to.deep.include({ status: "done", data: ["ada's"] });
    expect(socket.count("orders.list")).to.equal(0);
    await script.client.close();
  });
});

describe("The store of a mutation", () => {
  it("calls by run, whose promise never rejects, and shows what became of the last one", async () => {
    const { client, socket } = await connected();
    const store = createStores(ofOrders(client)).mutation((api) => api.orders.create);
    const { last } = watched(store);
    expect(last()).to.deep.equal({ status: "idle", data: undefined, error: undefined });
    const good = store.run({ id: "A1" });
    expect(last().status).to.equal("running");
    socket.answer(socket.last("orders.create"), "o1");
    expect(await good).to.deep.equal({ ok: true, value: "o1" });
    expect(last()).to.deep.equal({ status: "done", data: "o1", error: undefined });
    const bad = store.run({ id: "B2" });
    socket.refuse(socket.last("orders.create"), outOfStock);
    expect(await bad).to.have.nested.property("error.code", "OUT_OF_STOCK");
    expect(last()).to.have.nested.property("error.code", "OUT_OF_STOCK");
    store.reset();
    expect(last()).to.deep.equal({ status: "idle", data: undefined, error: undefined });
    await client.close();
  });

  it("goes on when nobody listens any more: it may have run", async () => {
    const { client, socket } = await connected();
    const store = createStores(ofOrders(client)).mutation((api) => api.orders.create);
    const { stop } = watched(store);
    const outcome = store.run({ id: "A1" });
    stop();
    await settled();
    expect(socket.frames.map(({ method }) => method)).to.not.include("$/cancelRequest");
    socket.answer(socket.last("orders.create"), "o1");
    expect(await outcome).to.deep.equal({ ok: true, value: "o1" });
    await client.close();
  });
});

describe("The function that names a route", () => {
  it("is refused where it names none", async () => {
    const { client } = scriptedClient();
    const stores = createStores(ofOrders(client));
    for (const select of [() => undefined, () => "orders.list", (api: object) => api])
      expect(() => stores.call(select as never)).to.throw(TypeError, "must name a route");
    await client.close();
  });
});
