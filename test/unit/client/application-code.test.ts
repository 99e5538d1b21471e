import { expect } from "chai";
import { describe, it } from "mocha";
import { outcomeOf, scriptedClient, settled } from "../../helpers/client/scripted-client.js";

class NoUrl {
  constructor() {
    throw new SyntaxError("Invalid URL");
  }
}

const enders = {
  "a URL that is none": () =>
    scriptedClient({ connect: "lazy", token: null, WebSocket: NoUrl as never }),
  "token() that closes the client": () => {
    const script: ReturnType<typeof scriptedClient> = scriptedClient({
      connect: "lazy",
      token() {
        void script.client.close();
        return "token";
      },
    });
    return script;
  },
  "url() that closes the client": () => {
    const script: ReturnType<typeof scriptedClient> = scriptedClient({
      connect: "lazy",
      token: null,
      url() {
        void script.client.close();
        return "ws://server.test/rpc";
      },
    });
    return script;
  },
};

describe("A client that ends as it begins", () => {
  for (const [how, make] of Object.entries(enders)) {
    it(`by ${how}, tells it whoever made it begin: ready(), a call, a batch, a subscription`, async () => {
      const askers = {
        ready: (client: ReturnType<typeof make>["client"]) => client.ready(),
        call: (client: ReturnType<typeof make>["client"]) => client.call("a"),
        batch: (client: ReturnType<typeof make>["client"]) => client.batch((api) => [api.a?.()]),
        subscription: (client: ReturnType<typeof make>["client"]) =>
          client.subscribe("a")[Symbol.asyncIterator]().next(),
      };
      for (const [name, ask] of Object.entries(askers)) {
        const { client, clock } = make();
        const outcome = outcomeOf(ask(client));
        await settled();
        expect(client.state, name).to.equal("closed");
        expect(outcome.count, name).to.equal(1);
        if (name !== "subscription")
          expect(outcome.error, name).to.include({ code: "disconnected", sent: "no" });
        expect(clock.pending, name).to.equal(0);
      }
    });
  }
});

describe("url()", () => {
  it("that throws, or rejects, is temporary: it is asked again after a back-off", async () => {
    for (const fail of [
      () => {
        throw new Error("no configuration yet");
      },
      () => Promise.reject(new Error("no configuration yet")),
    ]) {
      let fails = true;
      const { client, states, signIn, sockets, pass } = scriptedClient({
        url: () => (fails ? fail() : "ws://server.test/rpc"),
      });
      const call = outcomeOf(client.call("a"));
      await settled();
      expect(states.at(-1)).to.include({ to: "waiting", reason: "url_unavailable", retryIn: 750 });
      expect(states.at(-1)?.cause).to.have.property("message", "no configuration yet");
      expect(sockets).to.have.length(0);
      fails = false;
      await pass(750);
      const socket = await signIn();
      socket.answer(socket.last("a"), 1);
      await settled();
      expect(call.value).to.equal(1);
      await client.close();
    }
  });

  it("may give a promise, which is waited for as long as for a socket", async () => {
    let give = (_url: string): void => {};
    const { client, states, sockets, socket, pass } = scriptedClient({
      url: () =>
        new Promise((resolve) => {
          give = resolve;
        }),
    });
    await settled();
    await pass(10_000);
    expect(states.at(-1)).to.include({ to: "waiting", reason: "connect_timeout" });
    give("ws://too-late.test/rpc");
    await settled();
    expect(sockets).to.have.length(0);
    await pass(1_000);
    give("ws://server.test/rpc");
    expect((await socket()).url).to.equal("ws://server.test/rpc");
    await client.close();
  });

  it("that closes the client, or connects anew, has no socket opened for what it gives", async () => {
    for (const act of ["close", "reconnect"] as const) {
      let asked = 0;
      const script: ReturnType<typeof scriptedClient> = scriptedClient({
        url() {
          if (asked++ === 0) void script.client[act]().catch(() => {});
          return `ws://node-${asked}.test/rpc`;
        },
      });
      await settled();
      await script.pass(1_000);
      expect(script.sockets.map(({ url }) => url)).to.deep.equal(
        act === "close" ? [] : ["ws://node-2.test/rpc"],
      );
      await script.client.close();
    }
  });
});

describe("A listener", () => {
  const watched = async () => {
    const script = scriptedClient();
    const socket = await script.signIn();
    const events = script.client.subscribe("orders.watch", {});
    void events[Symbol.asyncIterator]()
      .next()
      .catch(() => {});
    socket.answer(socket.last("orders.watch"), { subscription: "s" });
    await settled();
    return { ...script, socket };
  };

  it("of a gap may close the client, which stays closed", async () => {
    const { client, clock, socket, states } = await watched();
    client.on("gap", () => void client.close());
    socket.tell("auth.expired", { closeIn: 30 });
    await settled();
    socket.answer(socket.last("refresh"), {
      subject: "ada",
      expiresIn: 900,
      refreshIn: 600,
      gap: true,
    });
    await settled();
    expect(client.state).to.equal("closed");
    expect(states.at(-1)).to.include({ to: "closed", reason: "bye" });
    expect(clock.pending).to.equal(0);
  });

  it("of a gap may connect anew, and that resolves when there is a session", async () => {
    const { client, socket, signIn, states, pass } = await watched();
    let back: ReturnType<typeof outcomeOf> | undefined;
    client.on("gap", () => {
      back ??= outcomeOf(client.reconnect());
    });
    socket.tell("auth.expired", { closeIn: 30 });
    await settled();
    socket.answer(socket.last("refresh"), {
      subject: "ada",
      expiresIn: 900,
      refreshIn: 600,
      gap: true,
    });
    await settled();
    expect(back?.count).to.equal(0);
    expect(client.session).to.equal(null);
    await pass(1_000); // between two calls of token()
    const next = await signIn();
    await settled();
    expect(next).to.not.equal(socket);
    expect(back?.count).to.equal(1);
    expect(states.at(-1)).to.include({ to: "ready" });
    await client.close();
  });

  for (const name of ["state", "auth.expired", "connection.closing", "news"]) {
    it(`of ${name} may close the client, or connect anew, in the middle of anything`, async () => {
      for (const act of ["close", "reconnect"] as const) {
        const { client, clock, socket, signIn } = await watched();
        let acted = false;
        client.on(name, () => {
          if (acted) return;
          acted = true;
          void client[act]().catch(() => {});
        });
        socket.receive([
          { jsonrpc: "2.0", method: "news" },
          { jsonrpc: "2.0", method: "auth.expired", params: { closeIn: 30 } },
          {
            jsonrpc: "2.0",
            method: "connection.closing",
            params: { code: 1012, reason: "server_restart", reconnect: "yes" },
          },
        ]);
        await settled();
        expect(acted).to.equal(true);
        if (act === "reconnect") {
          clock.advance(1_000);
          await signIn();
        }
        expect(client.state).to.equal(act === "close" ? "closed" : "ready");
        await client.close();
        await settled();
        expect(clock.pending).to.equal(0);
      }
    });
  }
});

describe("After reconnect()", () => {
  it("calls are whoever's that comes next, and those that waited before are still the former user's", async () => {
    const { client, signIn } = scriptedClient();
    const first = await signIn({ subject: "ada" });
    first.tell("connection.closing", {
      code: 1012,
      reason: "server_restart",
      reconnect: "yes",
      closeIn: 10,
    });
    const before = outcomeOf(client.call("before"));
    void client.reconnect();
    const after = outcomeOf(client.call("after"));
    const second = await signIn({ subject: "bob" });
    expect(second.count("before")).to.equal(0);
    expect(before.error).to.include({ code: "subject_changed" });
    second.answer(second.last("after"), "bob's");
    await settled();
    expect(after.value).to.equal("bob's");
    await client.close();
  });
});
