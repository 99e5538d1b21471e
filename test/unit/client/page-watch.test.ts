import { expect } from "chai";
import { describe, it } from "mocha";
import { Pages } from "../../helpers/client/pages.js";
import { granted, scriptedClient, settled } from "../../helpers/client/scripted-client.js";
import { consume } from "../../helpers/consumer.js";

const wakings: Readonly<Record<string, (pages: Pages) => void>> = {
  "is shown again": (pages) => pages.show(true),
  "is resumed after a freeze": (pages) => void pages.document.dispatchEvent(new Event("resume")),
  "comes back from the cache": (pages) => void pages.window.dispatchEvent(new Event("pageshow")),
  "is online again": (pages) => void pages.window.dispatchEvent(new Event("online")),
};

describe("A page", () => {
  for (const [what, wake] of Object.entries(wakings)) {
    it(`that ${what} makes sure of its connection with one ping, however often it is told`, async () => {
      using pages = new Pages();
      const { client, signIn, pass, states } = scriptedClient();
      const socket = await signIn();
      wake(pages);
      wake(pages);
      expect(socket.count("ping")).to.equal(1);
      socket.answer(socket.last("ping"), "pong");
      wake(pages);
      expect(socket.count("ping")).to.equal(2);
      await pass(5_000);
      expect(states.at(-1)).to.include({ to: "waiting", reason: "no_answer" });
      await client.close();
    });

    it(`that ${what} tries to connect at once, where it waits to`, async () => {
      using pages = new Pages();
      const { client, clock, signIn, sockets } = scriptedClient();
      const socket = await signIn();
      socket.drop();
      await settled();
      expect(sockets).to.have.length(1);
      wake(pages);
      expect(client.state).to.equal("connecting");
      wake(pages);
      const next = await signIn();
      expect(sockets).to.have.length(2);
      await settled();
      expect(client.state).to.equal("ready");
      next.answer(
        next.frames.find(({ method }) => method === "ping") ?? { method: "none" },
        "pong",
      );
      await client.close();
      expect(clock.pending).to.equal(0);
    });
  }

  it("that is hidden does nothing about it", async () => {
    using pages = new Pages();
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    pages.show(false);
    expect(socket.count("ping")).to.equal(0);
    await client.close();
  });

  it("pings at once, and renews too when that is due by the time that it slept", async () => {
    using pages = new Pages();
    const { client, clock, asked, signIn } = scriptedClient();
    const socket = await signIn({ refreshIn: 600 });
    clock.stepWall(700_000);
    pages.show(true);
    await settled();
    expect(asked[1]).to.include({ reason: "refresh" });
    expect(socket.frames.slice(1).map(({ method }) => method)).to.deep.equal(["ping", "refresh"]);
    socket.answer(socket.last("refresh"), granted(clock));
    expect(client.state).to.equal("ready");
    await client.close();
  });

  it("doesn't hurry when the server has said when to come back", async () => {
    for (const close of [
      { code: 1012, reason: "server_restart", reconnect: "yes", reconnectAfter: [5, 10] },
      { code: 4429, reason: "too_many_requests", reconnect: "yes" },
    ]) {
      using pages = new Pages();
      const { client, signIn } = scriptedClient();
      const socket = await signIn();
      socket.tell("connection.closing", close);
      socket.drop(close.code);
      await settled();
      pages.show(true);
      expect(client.state).to.equal("waiting");
      await client.close();
    }
  });

  it("asks for no token more often because it is shown, while token() fails", async () => {
    using pages = new Pages();
    const { client, asked } = scriptedClient({ token: () => Promise.reject(new Error("offline")) });
    await settled();
    for (let count = 0; count < 10; count++) {
      pages.show(true);
      await settled();
    }
    expect(asked).to.have.length(1);
    await client.close();
  });

  it("asks for a token at once when it is online again, though token() failed while it wasn't", async () => {
    using pages = new Pages();
    let isOffline = true;
    const { client, asked, signIn } = scriptedClient({
      token: () => (isOffline ? Promise.reject(new TypeError("fetch failed")) : "token"),
    });
    await settled();
    expect(client.state).to.equal("waiting");
    isOffline = false;
    pages.window.dispatchEvent(new Event("online"));
    expect(client.state).to.equal("connecting");
    await signIn();
    expect(client.state).to.equal("ready");
    expect(asked).to.have.length(2);
    await client.close();
  });

  it("that may go into the back/forward cache gives its socket back, and comes back with another one; one that is left for good does neither", async () => {
    using pages = new Pages();
    const { client, signIn, sockets, states } = scriptedClient();
    const socket = await signIn();
    const hide = (persisted: boolean) =>
      pages.window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted }));
    hide(false);
    expect(client.state).to.equal("ready");
    hide(true);
    await settled();
    expect(states.at(-1)).to.include({ to: "waiting", reason: "page_cached" });
    expect(socket.closedWith).to.equal(1000);
    pages.window.dispatchEvent(new Event("pageshow"));
    await signIn();
    expect(sockets).to.have.length(2);
    await client.close();
  });

  describe("that is frozen", () => {
    const freeze = (pages: Pages) => pages.document.dispatchEvent(new Event("freeze"));
    const resume = (pages: Pages) => pages.document.dispatchEvent(new Event("resume"));

    it("gives its socket back, and returns at once on resume, with the token that is still good, from where its subscriptions were", async () => {
      using pages = new Pages();
      const { client, clock, asked, signIn, sockets, states } = scriptedClient();
      const socket = await signIn();
      const got = consume(client.subscribe("orders.watch", { id: "o1" }, { gaps: true }));
      socket.answer(socket.last("orders.watch"), { subscription: "s", epoch: "e", offset: 1 });
      socket.tell("subscription.event", { subscription: "s", offset: 2, data: "two" });
      freeze(pages);
      await settled();
      expect(states.at(-1)).to.include({ to: "waiting", reason: "page_frozen" });
      expect(socket.closedWith).to.equal(1000);
      clock.advance(100_000);
      expect(sockets).to.have.length(1);
      resume(pages);
      expect(client.state).to.equal("connecting");
      const next = await signIn();
      expect(next.frames.map(({ method, params }) => ({ method, params }))).to.deep.equal([
        { method: "authenticate", params: { token: "token-1" } },
        { method: "orders.watch", params: { id: "o1", $since: { epoch: "e", offset: 2 } } },
      ]);
      next.answer(next.last("orders.watch"), {
        subscription: "t",
        epoch: "e",
        offset: 3,
        recovered: true,
      });
      next.tell("subscription.event", { subscription: "t", offset: 3, data: "three" });
      await settled();
      expect(got.events).to.deep.equal(["two", "three"]);
      expect(asked).to.have.length(1);
      await client.close();
      expect(clock.pending).to.equal(0);
    });

    it("again and again, asks for no token as long as the first one is good; a connection that is lost does", async () => {
      using pages = new Pages();
      const { client, asked, signIn, sockets, pass } = scriptedClient();
      let socket = await signIn();
      for (const times of [2, 3]) {
        freeze(pages);
        resume(pages);
        socket = await signIn();
        expect(socket.last("authenticate").params).to.deep.equal({ token: "token-1" });
        expect(sockets).to.have.length(times);
      }
      socket.drop();
      await pass(20_000);
      socket = await signIn();
      expect(socket.last("authenticate").params).to.deep.equal({ token: "token-2" });
      expect(asked).to.have.length(2);
      await client.close();
    });

    it("keeps the token for the next try when the network isn't back yet", async () => {
      using pages = new Pages();
      const { client, asked, signIn, socket, pass } = scriptedClient();
      await signIn();
      freeze(pages);
      resume(pages);
      (await socket()).drop();
      await pass(20_000);
      expect((await signIn()).last("authenticate").params).to.deep.equal({ token: "token-1" });
      expect(asked).to.have.length(1);
      await client.close();
    });

    it("for longer than its token lives, asks for another one", async () => {
      using pages = new Pages();
      const { client, clock, asked, signIn } = scriptedClient();
      await signIn();
      freeze(pages);
      clock.advance(900_000);
      resume(pages);
      expect((await signIn()).last("authenticate").params).to.deep.equal({ token: "token-2" });
      expect(asked[1]).to.include({ reason: "expired", force: true });
      await client.close();
    });

    it("asks for another token when the server refuses the one it had", async () => {
      using pages = new Pages();
      const { client, asked, signIn, socket } = scriptedClient();
      await signIn();
      freeze(pages);
      resume(pages);
      const next = await socket();
      next.open();
      next.refuse(next.last("authenticate"), {
        code: -32002,
        message: "revoked",
        data: { reason: "token_revoked", action: "newToken" },
      });
      await settled();
      expect(asked[1]).to.include({ reason: "refused", force: true });
      await signIn();
      expect(client.state).to.equal("ready");
      await client.close();
    });

    it("asks for the token of the user who has signed in since", async () => {
      using pages = new Pages();
      const { client, asked, signIn } = scriptedClient();
      await signIn();
      freeze(pages);
      const again = client.reconnect();
      freeze(pages);
      resume(pages);
      const next = await signIn();
      await again;
      expect(next.last("authenticate").params).to.deep.equal({ token: "token-2" });
      expect(asked).to.have.length(2);
      await client.close();
    });

    it("while token() is under way, goes on with its answer: token() is called once", async () => {
      using pages = new Pages();
      let give = (_token: string) => {};
      const given = new Promise<string>((resolve) => {
        give = resolve;
      });
      const { client, asked, signIn } = scriptedClient({ token: () => given });
      await settled();
      freeze(pages);
      expect(client.state).to.equal("waiting");
      resume(pages);
      give("token");
      await signIn();
      expect(client.state).to.equal("ready");
      expect(asked).to.have.length(1);
      await client.close();
    });

    it("hurries no more than before when the server has said when to come back", async () => {
      using pages = new Pages();
      const { client, signIn, states } = scriptedClient();
      const socket = await signIn();
      socket.tell("connection.closing", {
        code: 4429,
        reason: "too_many_requests",
        reconnect: "yes",
      });
      socket.drop(4429);
      await settled();
      freeze(pages);
      pages.window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
      resume(pages);
      await settled();
      expect(client.state).to.equal("waiting");
      expect(states.at(-1)).to.include({ reason: "too_many_requests" });
      await client.close();
    });
  });

  it("isn't watched any more when the client is closed, and is again when it reconnects", async () => {
    using pages = new Pages();
    const { client, signIn } = scriptedClient();
    await signIn();
    expect(pages.listeners).to.equal(6);
    await client.close();
    expect(pages.listeners).to.equal(0);
    const again = client.reconnect();
    await signIn();
    await again;
    expect(pages.listeners).to.equal(6);
    await client.close();
    expect(pages.listeners).to.equal(0);
  });
});
