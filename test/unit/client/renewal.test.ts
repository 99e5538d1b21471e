import { expect } from "chai";
import { describe, it } from "mocha";
import { errorOf } from "../../../src/protocol/error-codes.js";
import {
  granted,
  outcomeOf,
  scriptedClient,
  settled,
} from "../../helpers/client/scripted-client.js";

describe("A session", () => {
  it("is renewed when the server advised it, without leaving ready, and again after that", async () => {
    const { client, clock, asked, states, signIn, pass } = scriptedClient();
    const socket = await signIn({ refreshIn: 600 });
    await pass(599_999);
    expect(asked).to.have.length(1);
    await pass(1);
    expect(asked[1]).to.include({
      reason: "refresh",
      force: true,
      attempt: 1,
      previous: "token-1",
    });
    expect(socket.last("refresh").params).to.deep.equal({ token: "token-2" });
    socket.answer(socket.last("refresh"), granted(clock, { refreshIn: 100 }));
    await pass(100_000);
    expect(socket.count("refresh")).to.equal(2);
    expect(states.at(-1)).to.include({ to: "ready" });
    await client.close();
  });

  it("isn't renewed later for a wall clock that was set back", async () => {
    const { client, clock, asked, signIn, pass } = scriptedClient();
    await signIn({ refreshIn: 600 });
    clock.stepWall(-86_400_000);
    await pass(600_000);
    expect(asked).to.have.length(2);
    await client.close();
  });

  for (const notification of ["auth.expiring", "auth.refreshRequired"]) {
    it(`is renewed at once, and once, upon ${notification}`, async () => {
      const { client, asked, signIn } = scriptedClient({
        token: ({ reason }) => (reason === "connect" ? "token" : new Promise(() => {})),
      });
      const socket = await signIn();
      socket.tell(notification, { within: 30 });
      socket.tell(notification, { within: 30 });
      await settled();
      expect(asked.slice(1).map(({ reason, force }) => ({ reason, force }))).to.deep.equal([
        { reason: "refresh", force: true },
      ]);
      expect(client.state).to.equal("ready");
      await client.close();
    });
  }

  it("that has expired holds calls until it is renewed", async () => {
    const { client, clock, asked, signIn } = scriptedClient();
    const socket = await signIn();
    socket.tell("auth.expired", { closeIn: 30 });
    expect(client.state).to.equal("refreshing");
    const call = outcomeOf(client.call("a"));
    await settled();
    expect(asked[1]).to.include({ reason: "expired", force: true });
    expect(socket.count("a")).to.equal(0);
    socket.answer(socket.last("refresh"), granted(clock));
    expect(client.state).to.equal("ready");
    socket.answer(socket.last("a"), 1);
    await settled();
    expect(call.value).to.equal(1);
    await client.close();
  });

  it("isn't touched when token() fails: it is asked again with full jitter", async () => {
    let isOffline = false;
    const { client, asked, signIn, pass } = scriptedClient({
      token: ({ reason }) =>
        isOffline ? Promise.reject(new Error("offline")) : `token for ${reason}`,
    });
    const socket = await signIn({ refreshIn: 600 });
    isOffline = true;
    await pass(600_000);
    expect(asked).to.have.length(2);
    expect(client.state).to.equal("ready");
    await pass(749);
    expect(asked).to.have.length(2);
    await pass(1);
    expect(asked[2]).to.include({ reason: "refresh", attempt: 2 });
    isOffline = false;
    await pass(1_250);
    expect(socket.last("refresh").params).to.deep.equal({ token: "token for refresh" });
    expect(client.session).to.include({ subject: "ada" });
    await client.close();
  });

  it("waits as long as the server says when it can't judge the new token, and starts over after a success", async () => {
    const { client, clock, asked, signIn, pass } = scriptedClient();
    const socket = await signIn();
    await pass(600_000);
    for (const tokens of [3, 4]) {
      socket.refuse(socket.last("refresh"), errorOf("auth_unavailable", { retryAfter: 30 }));
      await pass(29_999);
      expect(asked).to.have.length(tokens - 1);
      await pass(1);
      expect(asked).to.have.length(tokens);
    }
    socket.answer(socket.last("refresh"), granted(clock));
    await pass(600_000);
    expect(asked).to.have.length(5);
    socket.refuse(socket.last("refresh"), errorOf("auth_unavailable"));
    await pass(749);
    expect(asked).to.have.length(5);
    await pass(1);
    expect(asked, "as after a first failure").to.have.length(6);
    expect(client.state).to.equal("ready");
    await client.close();
  });

  it("is renewed once, however many reasons there are at a time", async () => {
    const { client, asked, signIn } = scriptedClient();
    const socket = await signIn();
    socket.tell("auth.expiring", { expiresIn: 60 });
    socket.tell("auth.refreshRequired", { within: 60, reason: "x" });
    await settled();
    socket.tell("auth.expired", { closeIn: 30 });
    await settled();
    expect(asked).to.have.length(2);
    expect(socket.count("refresh")).to.equal(1);
    await client.close();
  });

  it("that has expired isn't renewed with its own token, but with the next one, as long as the grace lasts", async () => {
    let isCached = true; // by its `exp`, and this machine's clock is 2 s slow
    const { client, clock, asked, states, signIn, pass } = scriptedClient({
      token: () => (isCached ? "eyJold" : "eyJnew"),
    });
    const socket = await signIn();
    socket.tell("auth.expired", { closeIn: 30 });
    const call = outcomeOf(client.call("a"));
    await settled();
    await pass(750);
    await pass(1_250);
    expect(asked.map(({ reason, force }) => `${reason} ${force}`)).to.deep.equal([
      "connect false",
      "expired true",
      "expired true",
      "expired true",
    ]);
    expect(socket.count("refresh")).to.equal(0);
    isCached = false;
    await pass(2_500);
    expect(socket.last("refresh").params).to.deep.equal({ token: "eyJnew" });
    socket.answer(socket.last("refresh"), granted(clock));
    socket.answer(socket.last("a"), 1);
    await settled();
    expect(call.value).to.equal(1);
    expect(states.slice(-2).map(({ to }) => to)).to.deep.equal(["refreshing", "ready"]);
    await client.close();
  });

  it("that has expired, and whose token comes again until the grace is over, is taken up by the next connection", async () => {
    let isCached = true;
    const { client, asked, signIn, sockets, pass } = scriptedClient({
      token: () => (isCached ? "eyJold" : "eyJnew"),
    });
    const socket = await signIn();
    socket.tell("auth.expired", { closeIn: 30 });
    await pass(30_000);
    socket.tell("connection.closing", {
      code: 4401,
      reason: "token_expired",
      reconnect: "new_token",
    });
    socket.drop(4401, "token_expired");
    await pass(1_000);
    expect(asked.at(-1)).to.include({ reason: "expired", force: true });
    expect(client.state).to.equal("waiting");
    expect(sockets).to.have.length(1);
    isCached = false;
    await pass(5_000);
    const next = await signIn();
    expect(next.last("authenticate").params).to.deep.equal({ token: "eyJnew" });
    expect(client.state).to.equal("ready");
    await client.close();
  });

  it("that has expired is renewed with its own token where that is opaque, on this connection and on the next", async () => {
    const { client, clock, asked, signIn } = scriptedClient({ token: () => "an API key" });
    const socket = await signIn();
    socket.tell("auth.expired", { closeIn: 30 });
    await settled();
    expect(asked.at(-1)).to.include({ reason: "expired", force: true });
    expect(socket.last("refresh").params).to.deep.equal({ token: "an API key" });
    socket.answer(socket.last("refresh"), granted(clock));
    await settled();
    expect(client.state).to.equal("ready");
    await client.close();
  });

  it("ends with sign-out when token() gives null", async () => {
    const { client, states, signIn, pass } = scriptedClient({
      token: ({ reason }) => (reason === "connect" ? "token" : null),
    });
    const socket = await signIn();
    await pass(600_000);
    expect(states.at(-1)).to.include({ to: "closed", code: 1000, reason: "signed_out" });
    expect(socket.closedWith).to.equal(1000);
    expect(client.session).to.equal(null);
  });

  it("is renewed with a second token when the first is refused, and then waits", async () => {
    const { client, asked, signIn, pass } = scriptedClient();
    const socket = await signIn();
    await pass(600_000);
    socket.refuse(socket.last("refresh"), errorOf("token_invalid"));
    await settled();
    expect(asked[2]).to.include({ reason: "refused", force: true, previous: "token-2" });
    socket.refuse(socket.last("refresh"), errorOf("token_invalid"));
    await settled();
    expect(asked).to.have.length(3);
    expect(client.state).to.equal("ready");
    await pass(750);
    expect(asked).to.have.length(4);
    await client.close();
  });

  it("isn't asked for in a loop when token() gives the token that is in force", async () => {
    const { client, clock, asked, signIn, pass } = scriptedClient({ token: () => "same" });
    const socket = await signIn({ expiresIn: 1, refreshIn: 0 });
    await pass(500);
    expect(asked).to.have.length(2);
    socket.answer(socket.last("refresh"), granted(clock, { changed: false, refreshIn: 0 }));
    await pass(4_999);
    expect(asked).to.have.length(2);
    await client.close();
  });

  it("ends when the refresh was for somebody else", async () => {
    const { states, signIn, pass } = scriptedClient();
    const socket = await signIn();
    await pass(600_000);
    socket.refuse(socket.last("refresh"), errorOf("subject_mismatch", { claim: "sub" }));
    await settled();
    expect(states.at(-1)).to.include({ to: "closed", reason: "subject_mismatch" });
  });
});

describe("refresh()", () => {
  it("asks for another token now, and resolves when the server took it", async () => {
    const { client, clock, asked, signIn } = scriptedClient();
    const socket = await signIn();
    const refreshed = outcomeOf(client.refresh());
    await settled();
    expect(asked[1]).to.include({ reason: "refresh", force: true });
    expect(refreshed.count).to.equal(0);
    socket.answer(socket.last("refresh"), granted(clock, { scopes: ["orders:write"] }));
    await settled();
    expect(refreshed).to.have.property("count", 1).and.not.equal(undefined);
    expect(client.session?.scopes).to.deep.equal(["orders:write"]);
    await client.close();
  });

  it("rejects when this try failed, and the session lives on", async () => {
    const { client, signIn } = scriptedClient({
      token: ({ reason }) =>
        reason === "connect" ? "token" : Promise.reject(new Error("offline")),
    });
    await signIn();
    const refreshed = outcomeOf(client.refresh());
    await settled();
    expect(refreshed.error).to.have.property("message", "offline");
    expect(client.state).to.equal("ready");
    await client.close();
  });

  it("is a mistake on a client without token()", async () => {
    const { client } = scriptedClient({ token: null });
    const refreshed = outcomeOf(client.refresh());
    await settled();
    expect(refreshed.error).to.be.instanceOf(TypeError);
    await client.close();
  });
});

describe("A client that wakes up", () => {
  it("makes sure of its connection with a ping, and reconnects when that isn't answered within 5 s", async () => {
    const { client, clock, states, signIn, pass } = scriptedClient();
    const socket = await signIn({ refreshIn: 600 });
    clock.stepWall(60_000);
    await pass(30_000);
    expect(socket.count("ping")).to.equal(1);
    socket.answer(socket.last("ping"), "pong");
    await pass(30_000);
    expect(socket.count("ping")).to.equal(1);
    clock.stepWall(60_000);
    await pass(30_000);
    await pass(4_999);
    expect(client.state).to.equal("ready");
    await pass(1);
    expect(states.at(-1)).to.include({ to: "waiting", reason: "no_answer" });
    expect(socket.closedWith).to.equal(1000);
    await client.close();
  });

  it("pings at once, and renews too when that is due by the time that it slept", async () => {
    const { client, clock, asked, signIn, pass } = scriptedClient();
    const socket = await signIn({ refreshIn: 600 });
    clock.stepWall(3_600_000);
    await pass(30_000);
    expect(socket.frames.slice(1).map(({ method }) => method)).to.deep.equal(["ping", "refresh"]);
    expect(asked[1]).to.include({ reason: "refresh", force: true });
    socket.answer(socket.last("refresh"), granted(clock));
    await pass(60_000);
    expect(client.state).to.equal("ready");
    expect(socket.count("ping")).to.equal(1);
    await client.close();
  });

  it("doesn't take a small step of the clock for sleep", async () => {
    const { client, clock, signIn, pass } = scriptedClient();
    const socket = await signIn();
    clock.stepWall(9_000);
    await pass(30_000);
    expect(socket.count("ping")).to.equal(0);
    await client.close();
  });
});

describe("clockSkew", () => {
  it("is told when the clocks differ by more than 30 s, in either direction, and not below", async () => {
    for (const [difference, expected] of [
      [40, [40_000]],
      [-40, [-40_000]],
      [29, []],
    ] as const) {
      const { client, clock, signIn } = scriptedClient();
      const told: number[] = [];
      client.on("clockSkew", ({ skew }) => told.push(skew));
      await signIn({ serverTime: clock.now() / 1_000 + difference });
      expect(told).to.deep.equal(expected);
      await client.close();
    }
  });
});
