import { expect } from "chai";
import { describe, it } from "mocha";
import { SubscriptionStore } from "../../../client/stores/subscription-store.js";
import { settled } from "../../helpers/client/scripted-client.js";
import { connected, ended, event, reconnected } from "../../helpers/client/subscribed-client.js";

const shown = async () => {
  const script = await connected();
  const store = new SubscriptionStore(script.client, "orders.watch", { id: "o1" });
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

describe("A component's subscription, when the user changes", () => {
  for (const how of ["reconnect()", "a connection that comes back"] as const) {
    it(`begins anew by ${how}, after a gap, with nothing of the old user's`, async () => {
      const script = await shown();
      const { client, store, told, signIn } = script;
      if (how === "reconnect()") void client.reconnect();
      const socket =
        how === "reconnect()"
          ? await signIn({ subject: "grace" })
          : await reconnected(script, { subject: "grace" });
      await settled();
      expect(store.view()).to.deep.equal({
        status: "live",
        event: undefined,
        gaps: 1,
        error: undefined,
      });
      expect(socket.count("orders.watch")).to.equal(1);
      socket.answer(socket.last("orders.watch"), { subscription: "s1" });
      event(socket, "s1", "grace's");
      await settled();
      expect(store.view()).to.include({ status: "live", event: "grace's", gaps: 1 });
      expect(told).to.deep.equal(["ada's", "gap", "grace's"]);
      await client.close();
    });
  }

  it("begins anew after a logout, when somebody signs in again", async () => {
    const { client, store, socket, signIn } = await shown();
    ended(socket, "s1", "logout");
    await settled();
    expect(store.view())
      .to.include({ status: "failed" })
      .and.to.have.nested.property("error.reason", "logout");
    void client.reconnect();
    const next = await signIn({ subject: "grace" });
    expect(next.count("orders.watch")).to.equal(1);
    expect(store.view()).to.deep.equal({
      status: "live",
      event: undefined,
      gaps: 1,
      error: undefined,
    });
    await client.close();
  });

  it("stays as it is when the same user comes back", async () => {
    const script = await shown();
    void script.client.reconnect();
    await script.signIn();
    expect(script.store.view()).to.include({ status: "live", event: "ada's", gaps: 0 });
    await script.client.close();
  });
});

describe("A component's subscription, when its own function", () => {
  /** What reached the platform while `act` ran. */
  const reported = async (act: () => Promise<void>) => {
    const errors: unknown[] = [];
    const note = (error: unknown) => errors.push(error);
    const before = process.listeners("uncaughtException"); // those of mocha
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", note);
    await act();
    await settled();
    process.off("uncaughtException", note);
    for (const listener of before) process.on("uncaughtException", listener);
    return errors;
  };

  it("throws, goes on, and the platform hears of it", async () => {
    const { client, socket, store } = await shown();
    const told: unknown[] = [];
    store.tell({
      onEvent: (data: unknown) => {
        told.push(data);
        throw new Error("broken onEvent");
      },
      onGap: () => {
        told.push("gap");
        throw new Error("broken onGap");
      },
    });
    const errors = await reported(async () => {
      for (const data of [1, 2]) event(socket, "s1", data, { gap: true });
      await settled();
    });
    expect(told).to.deep.equal(["gap", 1, "gap", 2]);
    expect(store.view()).to.include({ status: "live", event: 2, gaps: 2 });
    expect(errors.map((error) => (error as Error).message)).to.have.members([
      ...Array(2).fill("broken onEvent"),
      ...Array(2).fill("broken onGap"),
    ]);
    expect(socket.count("unsubscribe")).to.equal(0);
    await client.close();
  });

  it("takes the component out, is told nothing more", async () => {
    const { client, socket, store, leave } = await shown();
    const told: unknown[] = [];
    store.tell({
      onEvent(data: unknown) {
        told.push(data);
        leave();
      },
    });
    for (const data of [1, 2]) event(socket, "s1", data);
    await settled();
    expect(told).to.deep.equal([1]);
    expect(socket.count("unsubscribe")).to.equal(1);
    await client.close();
  });

  it("closes the client, is told what waited, as any loop, and the view says so", async () => {
    const { client, socket, store } = await shown();
    const told: unknown[] = [];
    store.tell({
      onEvent(data: unknown) {
        told.push(data);
        void client.close();
      },
    });
    for (const data of [1, 2]) event(socket, "s1", data);
    await settled();
    expect(told).to.deep.equal([1, 2]);
    expect(store.view())
      .to.include({ status: "failed", event: 2 })
      .and.to.have.nested.property("error.reason", "bye");
  });
});

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
      expect(store.view())
        .to.include({ status: "failed" })
        .and.to.have.property("error")
        .that.includes({ code: "disconnected" });
      void client.reconnect();
      const socket = await signIn({ subject: user });
      expect(store.view()).to.deep.equal({
        status: "live",
        event: undefined,
        gaps,
        error: undefined,
      });
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

  it("is completed when that was before", async () => {
    const { client, store, socket, signIn } = await shown();
    ended(socket, "s1", "completed");
    await settled();
    expect(store.view()).to.include({ status: "completed", event: "ada's" });
    await client.close();
    await settled();
    expect(store.view()).to.include({ status: "completed", event: "ada's" });
    void client.reconnect();
    expect((await signIn()).count("orders.watch")).to.equal(0);
    await client.close();
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
