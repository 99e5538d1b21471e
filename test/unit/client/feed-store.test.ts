import { expect } from "chai";
import { describe, it } from "mocha";
import { FeedStore } from "../../../client/react/feed-store.js";
import { settled } from "../../helpers/scripted-client.js";
import { connected, event } from "../../helpers/subscribed-client.js";

const shown = async () => {
  const script = await connected();
  const store = new FeedStore(script.client, "orders.watch", { id: "o1" });
  const told: unknown[] = [];
  store.tell({ onEvent: (data: unknown) => told.push(data), onGap: () => told.push("gap") });
  const leave = store.subscribe(() => {});
  await settled();
  script.socket.answer(script.socket.last("orders.watch"), { subscription: "s1" });
  event(script.socket, "s1", "ada's");
  await settled();
  expect(store.view()).to.include({ status: "live", event: "ada's", gaps: 0 });
  return { ...script, store, told, leave };
};

describe("A component's subscription, when the client is closed", () => {
  it("has failed, and is another one once the client connects again, after a gap, and with nothing of before", async () => {
    const { client, store, told, signIn, clock } = await shown();
    for (const [gaps, user] of [
      [1, "grace"],
      [2, "ada"],
    ] as const) {
      await client.close();
      await settled();
      clock.advance(1_000); // between two calls of token()
      expect(store.view()).to.include({ status: "failed" }).and.to.have.property("error").that.includes({ type: "disconnected" });
      void client.reconnect();
      const socket = await signIn({ subject: user });
      expect(store.view()).to.deep.equal({ status: "live", event: undefined, gaps, error: undefined });
      expect(socket.count("orders.watch")).to.equal(1);
      socket.answer(socket.last("orders.watch"), { subscription: "s1" });
      event(socket, "s1", `${user}'s`);
      await settled();
      expect(store.view()).to.include({ status: "live", event: `${user}'s`, gaps });
    }
    expect(told).to.deep.equal(["ada's", "gap", "grace's", "gap", "ada's"]);
    await client.close();
    expect(clock.pending).to.equal(0);
  });

  it("is another one also when the client connects again at once", async () => {
    const { client, store, signIn } = await shown();
    void client.close();
    void client.reconnect();
    const socket = await signIn();
    expect(socket.count("orders.watch")).to.equal(1);
    expect(store.view()).to.include({ status: "live", gaps: 1 });
    await client.close();
  });

  it("is none any more when the component has gone meanwhile", async () => {
    const { client, leave, signIn } = await shown();
    await client.close();
    await settled();
    leave();
    await settled();
    void client.reconnect();
    expect((await signIn()).count("orders.watch")).to.equal(0);
    await client.close();
  });

  it("stays failed when it was the subscription that failed, not the client", async () => {
    const { client, store, signIn, socket } = await shown();
    socket.tell("subscription.ended", { subscription: "s1", reason: "forbidden" });
    await settled();
    expect(store.view()).to.include({ status: "failed" });
    void client.reconnect();
    expect((await signIn()).count("orders.watch")).to.equal(0);
    expect(store.view()).to.include({ status: "failed" });
    await client.close();
  });
});
