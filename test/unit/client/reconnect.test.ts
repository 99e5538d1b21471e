import { expect } from "chai";
import { describe, it } from "mocha";
import { closeTable } from "../../../src/protocol/close-codes.js";
import { errorOf } from "../../../src/protocol/error-codes.js";
import { outcomeOf, scriptedClient, settled } from "../../helpers/client/scripted-client.js";

describe("After a close", () => {
  for (const [reason, row] of Object.entries(closeTable)) {
    it(`with ${row.code} ${reason} the client ${row.reconnect === "no" ? "stays closed" : "comes back"}`, async () => {
      const { client, sockets, states, signIn, pass } = scriptedClient();
      const socket = await signIn();
      socket.drop(row.code, reason);
      await settled();
      expect(states.at(-1)).to.include({
        to: row.reconnect === "no" ? "closed" : "waiting",
        code: row.code,
        reason,
      });
      await pass(60_000);
      expect(sockets).to.have.length(row.reconnect === "no" ? 1 : 2);
      await client.close();
    });
  }

  it("waits longer with every attempt that fails, and starts over after 30 s in ready", async () => {
    const { client, states, socket, signIn, pass } = scriptedClient();
    const delays = () => states.filter(({ to }) => to === "waiting").map(({ retryIn }) => retryIn);
    (await signIn()).drop();
    await pass(750);
    (await socket()).drop();
    await pass(1_250);
    const third = await signIn();
    await pass(29_999);
    third.drop();
    await settled();
    expect(delays()).to.deep.equal([750, 1_250, 2_250]);
    await pass(2_250);
    const fourth = await signIn();
    await pass(30_000);
    fourth.drop();
    await settled();
    expect(delays().at(-1)).to.equal(750);
    await client.close();
  });

  it("comes back within the time that the server told", async () => {
    const { client, states, signIn } = scriptedClient();
    const socket = await signIn();
    socket.tell("connection.closing", {
      code: 1012,
      reason: "server_restart",
      reconnect: "yes",
      reconnectAfter: [2, 10],
    });
    socket.drop(1006);
    await settled();
    expect(states.at(-1)).to.include({
      to: "waiting",
      code: 1012,
      reason: "server_restart",
      retryIn: 6_000,
    });
    await client.close();
  });

  it("spreads over as long again when nobody is there yet, until it was back", async () => {
    const { client, states, socket, signIn, pass } = scriptedClient();
    const delays = () => states.filter(({ to }) => to === "waiting").map(({ retryIn }) => retryIn);
    const first = await signIn();
    first.tell("connection.closing", {
      code: 1012,
      reason: "server_restart",
      reconnect: "yes",
      reconnectAfter: [2, 10],
    });
    first.drop(1012);
    for (const wait of [6_000, 5_250, 6_250]) {
      await pass(wait);
      (await socket()).drop();
      await settled();
    }
    expect(delays()).to.deep.equal([6_000, 4_000 + 1_250, 4_000 + 2_250, 4_000 + 4_250]);
    await pass(8_250);
    const last = await signIn();
    await pass(30_000);
    last.drop();
    await settled();
    expect(delays().at(-1), "after it was back").to.equal(750);
    await client.close();
  });

  it("does as the server told, whatever the code says otherwise", async () => {
    const { states, signIn } = scriptedClient();
    const socket = await signIn();
    socket.tell("connection.closing", {
      code: 4001,
      reason: "moved",
      reconnect: "no",
      reconnectAfter: [0, 0],
    });
    socket.drop(4001, "moved");
    await settled();
    expect(states.at(-1)).to.include({ to: "closed", code: 4001, reason: "moved" });
  });

  it("goes by the code when what the server told makes no sense", async () => {
    const { client, states, signIn } = scriptedClient();
    const socket = await signIn();
    socket.tell("connection.closing", { code: "x" });
    socket.tell("connection.closing");
    socket.drop(1011, "internal");
    await settled();
    expect(states.at(-1)).to.include({ to: "waiting", code: 1011, retryIn: 750 });
    await client.close();
  });

  it("with 4429 waits for 30 s, or for as long as the server told", async () => {
    const untold = scriptedClient();
    (await untold.signIn()).drop(4429, "too_many_requests");
    await settled();
    expect(untold.states.at(-1)).to.include({ to: "waiting", retryIn: 30_000 });
    await untold.client.close();
    const told = scriptedClient();
    const socket = await told.signIn();
    socket.tell("connection.closing", {
      code: 4429,
      reason: "too_many_requests",
      reconnect: "yes",
      reconnectAfter: [60, 60],
    });
    socket.drop(4429);
    await settled();
    expect(told.states.at(-1)).to.include({ to: "waiting", retryIn: 60_000 });
    await told.client.close();
  });

  it("with 4401 comes back with a new token", async () => {
    const { client, asked, socket, signIn, pass } = scriptedClient();
    (await signIn()).drop(4401, "token_expired");
    await pass(750);
    expect(asked[1]).to.include({ reason: "expired", force: true, previous: "token-1" });
    const second = await socket();
    second.open();
    expect(second.last("authenticate").params).to.deep.equal({ token: "token-2" });
    await client.close();
  });

  it("with 4401 soon after an outage comes back as soon as after the first loss", async () => {
    for (const [lived, retryIn] of [
      [999, 8_250 + 500],
      [1_000, 500],
    ] as const) {
      const { client, states, socket, signIn, pass } = scriptedClient();
      (await signIn()).drop();
      for (const wait of [750, 1_250, 2_250]) {
        await pass(wait);
        (await socket()).drop();
        await settled();
      }
      await pass(4_250);
      const back = await signIn();
      await pass(lived);
      back.tell("connection.closing", {
        code: 4401,
        reason: "token_revoked",
        reconnect: "new_token",
        reconnectAfter: [0, 1],
      });
      back.drop(4401, "token_revoked");
      await settled();
      expect(states.at(-1), `after ${lived} ms`).to.include({ to: "waiting", code: 4401, retryIn });
      await client.close();
    }
  });

  it("with 4401 opens no socket for the token that was in force, and waits for another one", async () => {
    const { client, sockets, states, asked, signIn, pass } = scriptedClient({
      token: () => "same",
    });
    (await signIn()).drop(4401, "token_revoked");
    await pass(1_000);
    expect(asked[1]).to.include({ reason: "refused", force: true });
    expect(states.at(-1)).to.include({ to: "waiting", reason: "token_refused", attempt: 2 });
    await pass(60_000);
    expect(client.state).to.be.oneOf(["waiting", "connecting"]);
    expect(sockets).to.have.length(1);
    await client.close();
  });

  it("opens no socket either for a token that expired while there was none", async () => {
    let isOffline = false;
    const { client, asked, sockets, signIn, pass } = scriptedClient({
      token: ({ force }) => {
        if (isOffline) throw new Error("offline");
        return force ? "new" : "old";
      },
    });
    const socket = await signIn({ expiresIn: 10, refreshIn: 8 });
    isOffline = true;
    socket.drop();
    await pass(10_000);
    isOffline = false;
    await pass(20_000);
    expect(asked.at(-1)).to.include({ reason: "expired", force: true, previous: "old" });
    expect(sockets).to.have.length(2);
    sockets[1]?.open();
    expect(sockets[1]?.last("authenticate").params).to.deep.equal({ token: "new" });
    await client.close();
  });

  it("uses a live token again after a mere loss", async () => {
    const { client, asked, signIn, pass } = scriptedClient({ token: () => "same" });
    (await signIn()).drop();
    await pass(750);
    expect(asked[1]).to.include({ reason: "connect", force: false, previous: "same" });
    await signIn();
    expect(client.state).to.equal("ready");
    await client.close();
  });

  it("with 4403 stays closed until the application reconnects", async () => {
    const { client, sockets, signIn, pass } = scriptedClient();
    (await signIn()).drop(4403, "kicked");
    await pass(600_000);
    expect(sockets).to.have.length(1);
    const late = outcomeOf(client.call("a"));
    await settled();
    expect(late.error).to.include({
      code: "disconnected",
      sent: "no",
      closeCode: 4403,
      reason: "kicked",
    });
    const back = client.reconnect();
    await signIn({ subject: "bob" });
    await back;
    expect(client.session?.subject).to.equal("bob");
    await client.close();
  });
});

describe("A close that a server announces, and that doesn't come", () => {
  for (const [what, closeIn, timeoutMs] of [
    ["at once", undefined, 2_000],
    ["within 10 s", 10, 12_000],
  ] as const) {
    it(`${what}, is made by the client itself`, async () => {
      const { client, signIn, states, pass } = scriptedClient();
      const socket = await signIn();
      socket.answersPings = true;
      const running = outcomeOf(client.call("running"));
      socket.tell("connection.closing", {
        code: 1012,
        reason: "server_restart",
        reconnect: "yes",
        reconnectAfter: [1, 1],
        closeIn,
      });
      await pass(timeoutMs - 1);
      expect(client.state).to.equal("ready");
      await pass(1);
      expect(states.at(-1)).to.include({
        to: "waiting",
        code: 1012,
        reason: "server_restart",
        retryIn: 1_000,
      });
      expect(socket.closedWith).to.equal(1000);
      expect(running.error).to.include({ code: "disconnected", sent: "maybe" });
      await pass(1_000);
      await signIn();
      expect(client.state).to.equal("ready");
      await client.close();
    });
  }
});

describe("A frame that is larger than the client takes", () => {
  it("ends the connection, and the client comes back with back-off", async () => {
    const { client, signIn, states, socket, pass } = scriptedClient({ maxFrameBytes: 100 });
    const first = await signIn({ subject: "a" });
    expect(states.at(-1)).to.include({ to: "waiting", reason: "frame_too_large" });
    expect(first.closedWith).to.equal(1000);
    await pass(1_000);
    expect(await socket()).to.not.equal(first);
    await client.close();
  });

  it("has 8 MiB when nothing else is said", async () => {
    const { client, signIn, states } = scriptedClient();
    const socket = await signIn();
    socket.receive(JSON.stringify("x".repeat(8_388_606)));
    expect(client.state).to.equal("ready");
    socket.receive(JSON.stringify("x".repeat(8_388_607)));
    await settled();
    expect(states.at(-1)).to.include({ to: "waiting", reason: "frame_too_large" });
    await client.close();
  });
});

describe("A server that drains", () => {
  it("is sent no more calls; what it refuses, and what is new, waits for the next connection", async () => {
    const { client, signIn, pass } = scriptedClient();
    const first = await signIn();
    const [running, refused] = [
      outcomeOf(client.call("running")),
      outcomeOf(client.call("refused")),
    ];
    first.tell("connection.closing", {
      code: 1001,
      reason: "going_away",
      reconnect: "yes",
      reconnectAfter: [1, 1],
      closeIn: 10,
    });
    const late = outcomeOf(client.call("late"));
    first.answer(first.last("running"), "finished");
    first.refuse(first.last("refused"), errorOf("overloaded"));
    expect(first.count("late")).to.equal(0);
    first.drop(1001, "going_away");
    await pass(1_000);
    const second = await signIn();
    second.answer(second.last("refused"), 1);
    second.answer(second.last("late"), 2);
    await settled();
    expect([running.value, refused.value, late.value]).to.deep.equal(["finished", 1, 2]);
    await client.close();
  });
});

describe("reconnect()", () => {
  it("leaves a live connection for a new one at once", async () => {
    const { client, sockets, signIn } = scriptedClient();
    const first = await signIn();
    const call = outcomeOf(client.call("a"));
    const back = client.reconnect();
    await signIn();
    await back;
    expect(sockets).to.have.length(2);
    expect(first.closedWith).to.equal(1000);
    expect(call.error).to.include({ code: "disconnected", sent: "maybe" });
    await client.close();
  });
});

describe("The client's events", () => {
  it("bring the server's notifications, those about the connection included, until nobody listens", async () => {
    const { client, signIn } = scriptedClient();
    const heard: unknown[] = [];
    const stop = client.on("order.updated", (params) => heard.push(params));
    client.on("auth.expiring", ({ expiresIn }) => heard.push(expiresIn));
    const socket = await signIn();
    socket.tell("order.updated", { id: "o1" });
    socket.tell("auth.expiring", { expiresIn: 60 });
    await settled();
    stop();
    socket.tell("order.updated", { id: "o2" });
    await settled();
    expect(heard).to.deep.equal([{ id: "o1" }, 60]);
    await client.close();
  });

  it("are no requests of the server: with an id they are none", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const heard: unknown[] = [];
    client.on("news", (params) => heard.push(params));
    for (const id of [1, "a", null])
      socket.receive({ jsonrpc: "2.0", id, method: "news", params: { id } });
    socket.tell("news", {});
    await settled();
    expect(heard).to.deep.equal([{}]);
    await client.close();
  });

  it("of the client's own can't be sent by a server", async () => {
    const { client, states, signIn } = scriptedClient();
    const socket = await signIn();
    const before = states.length;
    socket.tell("state", { to: "closed" });
    expect(states).to.have.length(before);
    await client.close();
  });

  it("may close the client from within", async () => {
    const { client, clock, signIn } = scriptedClient();
    client.on("state", ({ to }) => {
      if (to === "waiting") void client.close();
    });
    (await signIn()).drop();
    await settled();
    expect(client.state).to.equal("closed");
    expect(clock.pending).to.equal(0);
  });

  it("survive a listener that throws, and tell onError", async () => {
    const thrown: unknown[] = [];
    const { client, signIn } = scriptedClient({ onError: (error) => thrown.push(error) });
    client.on("order.updated", () => {
      throw new Error("broken listener");
    });
    const socket = await signIn();
    socket.tell("order.updated", {});
    const call = outcomeOf(client.call("a"));
    socket.answer(socket.last("a"), 1);
    await settled();
    expect(thrown).to.have.length(1);
    expect(call.value).to.equal(1);
    await client.close();
  });
});
