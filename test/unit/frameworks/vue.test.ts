import { expect } from "chai";
import { createSSRApp, effectScope, nextTick, ref } from "vue";
import { renderToString } from "vue/server-renderer";
import { createComposables } from "../../../client/vue/index.js";
import { ofOrders } from "../../helpers/client/orders-app.js";
import { scriptedClient, settled } from "../../helpers/client/scripted-client.js";
import { connected, event } from "../../helpers/client/subscribed-client.js";

describe("The composables for Vue", () => {
  it("subscribe for as long as their scope, and anew when the params change, not when they are equal", async () => {
    const { client, socket } = await connected();
    const { useSubscription } = createComposables(ofOrders(client));
    const colour = ref("red");
    const other = ref(0);
    const scope = effectScope();
    const view = scope.run(() =>
      useSubscription(
        (api) => api.numbers.watch,
        () => ({ colour: colour.value, ...(other.value > 9 ? { other } : {}) }),
      ),
    );
    await settled();
    socket.answer(socket.last("numbers.watch"), { subscription: "red" });
    event(socket, "red", 1);
    await settled();
    expect(view?.value).to.include({ status: "live", event: 1 });
    other.value = 1;
    await nextTick();
    expect(socket.count("numbers.watch")).to.equal(1);
    colour.value = "blue";
    await nextTick();
    await settled();
    expect(socket.last("numbers.watch").params).to.deep.equal({ colour: "blue" });
    expect(socket.count("unsubscribe")).to.equal(1);
    expect(view?.value).to.include({ status: "live", event: undefined });
    socket.answer(socket.last("numbers.watch"), { subscription: "blue" });
    await settled();
    scope.stop();
    await settled();
    expect(socket.count("unsubscribe")).to.equal(2);
    await client.close();
  });

  it("keep a live state, of the params as they are", async () => {
    const { client, socket } = await connected();
    const { useLive } = createComposables(ofOrders(client));
    const colour = ref("red");
    const enabled = ref(false);
    const scope = effectScope();
    const view = scope.run(() =>
      useLive(
        (api) => api.numbers.board,
        () => ({ colour: colour.value }),
        (numbers, one) => [...numbers, one],
        { enabled },
      ),
    );
    expect(view?.value.status).to.equal("off");
    enabled.value = true;
    for (const name of ["red", "blue"]) {
      colour.value = name;
      await nextTick();
      expect(view?.value).to.include({ status: "loading", state: undefined });
      await settled();
      const asked = socket.frames.filter(({ method }) => method === "numbers.board").slice(-2);
      expect(asked.map(({ params }) => params)).to.deep.equal([
        { colour: name, $snapshot: false },
        { colour: name, $snapshot: true },
      ]);
      socket.answer(asked[0] as never, { subscription: name, $subscription: true });
      socket.answer(asked[1] as never, { subscription: name, snapshot: [1] });
      event(socket, name, 2);
      await settled();
      expect(view?.value).to.deep.include({ status: "live", state: [1, 2], resets: 1 });
    }
    scope.stop();
    await settled();
    expect(socket.count("unsubscribe")).to.equal(2);
    await client.close();
  });

  it("ask nothing of the server while they are not enabled", async () => {
    const { client, socket } = await connected();
    const { useSubscription, useCall } = createComposables(ofOrders(client));
    const enabled = ref(false);
    const scope = effectScope();
    const views = scope.run(() => [
      useSubscription((api) => api.numbers.watch, undefined, { enabled }),
      useCall((api) => api.numbers.list, undefined, { enabled }).view,
    ]);
    await settled();
    expect(views?.map(({ value }) => value.status)).to.deep.equal(["off", "off"]);
    expect(socket.count("numbers.watch") + socket.count("numbers.list")).to.equal(0);
    enabled.value = true;
    await nextTick();
    await settled();
    expect(views?.map(({ value }) => value.status)).to.deep.equal(["live", "loading"]);
    expect(socket.count("numbers.watch") + socket.count("numbers.list")).to.equal(2);
    enabled.value = false;
    await nextTick();
    await settled();
    expect(views?.map(({ value }) => value.status)).to.deep.equal(["off", "off"]);
    scope.stop();
    await client.close();
  });

  it("show a call, read it anew, and run a mutation", async () => {
    const { client, socket } = await connected();
    const { useCall, useMutation, useSession } = createComposables(ofOrders(client));
    const scope = effectScope();
    const shown = scope.run(() => ({
      list: useCall((api) => api.orders.list),
      create: useMutation((api) => api.orders.create),
      session: useSession(),
    }));
    if (shown === undefined) return expect.fail("the scope has ended");
    const { list, create, session } = shown;
    await settled();
    socket.answer(socket.last("orders.list"), ["o1"]);
    await settled();
    expect(list.view.value).to.deep.include({ status: "done", data: ["o1"] });
    list.reload();
    expect(list.view.value.isLoading).to.equal(true);
    const outcome = create.run({ id: "A1" });
    socket.answer(socket.last("orders.create"), "o2");
    expect(await outcome).to.deep.equal({ ok: true, value: "o2" });
    expect(create.view.value).to.include({ status: "done", data: "o2" });
    expect(session.value).to.include({ state: "ready" });
    scope.stop();
    await client.close();
  });

  it("draw on a server without a connection", async () => {
    const { client, sockets } = scriptedClient({ connect: undefined });
    const { useSubscription, useSession, useCall } = createComposables(ofOrders(client));
    const shown = () => ({
      price: useSubscription((api) => api.numbers.watch),
      session: useSession(),
      list: useCall((api) => api.orders.list).view,
    });
    const app = createSSRApp({
      setup() {
        const { price, session, list } = shown();
        return () => `${price.value.status} ${session.value.state} ${list.value.status}`;
      },
    });
    expect(await renderToString(app)).to.include("waiting idle loading");
    await settled();
    expect(sockets).to.deep.equal([]);
    await client.close();
  });
});
