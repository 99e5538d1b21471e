import { expect } from "chai";
import { describe, it } from "mocha";
import { AuthStopError, DisconnectedError, RpcError } from "../../../client/index.js";
import { errorOf } from "../../../src/protocol/error-codes.js";
import { outcomeOf, scriptedClient, settled } from "../../helpers/client/scripted-client.js";

describe("A client that connects", () => {
  it("asks for a token, opens the socket, authenticates, and then sends what waited", async () => {
    const { client, sockets, asked, states, socket, signIn } = scriptedClient();
    const call = client.call("orders.list");
    expect(sockets).to.have.length(0);
    const opened = await socket();
    expect(asked).to.have.length(1);
    expect(asked[0]).to.include({ reason: "connect", force: false, attempt: 1, previous: null });
    opened.open();
    expect(opened.frames.map(({ method }) => method)).to.deep.equal(["authenticate"]);
    expect(opened.last("authenticate").params).to.deep.equal({ token: "token-1" });
    await signIn();
    opened.answer(opened.last("orders.list"), []);
    expect(await call).to.deep.equal([]);
    expect(states.map(({ to }) => to)).to.deep.equal(["connecting", "authenticating", "ready"]);
    expect(client.session).to.deep.include({
      subject: "ada",
      scopes: ["orders:read"],
      connectionId: "c1",
    });
    await client.close();
  });

  it("begins by itself, and when it is lazy with the first call or ready()", async () => {
    const eager = scriptedClient();
    await settled();
    expect(eager.asked).to.have.length(1);
    await eager.client.close();
    const lazy = scriptedClient({ connect: "lazy" });
    await settled();
    expect(lazy.client.state).to.equal("idle");
    expect(lazy.asked).to.have.length(0);
    const ready = lazy.client.ready();
    await lazy.signIn();
    await ready;
    expect(lazy.client.state).to.equal("ready");
    await lazy.client.close();
  });

  for (const [place, name] of [
    ["a page and its workers", "location"],
    ["a server", undefined],
  ] as const) {
    it(`begins in ${place} ${name ? "by itself" : "at the first use, and listening is none"}`, async () => {
      if (name) Object.defineProperty(globalThis, name, { value: {}, configurable: true });
      const { client, asked } = scriptedClient({ connect: undefined });
      if (name) Reflect.deleteProperty(globalThis, name);
      client.on("news", () => {});
      await settled();
      expect(asked).to.have.length(name ? 1 : 0);
      expect(client.state).to.equal(name ? "connecting" : "idle");
      client.subscribe("orders.watch");
      await settled();
      expect(asked).to.have.length(1);
      await client.close();
    });
  }

  it("says at the first use that the platform has no sockets", async () => {
    const { WebSocket } = globalThis;
    Object.assign(globalThis, { WebSocket: undefined });
    const { client, states } = scriptedClient({ WebSocket: undefined });
    Object.assign(globalThis, { WebSocket });
    const call = outcomeOf(client.call("a"));
    await settled();
    expect(states.at(-1)).to.include({ to: "closed" });
    expect(call.error).to.have.nested.property("cause.message", "option WebSocket is missing");
  });

  it("without token() is ready when the socket is open, and has no session", async () => {
    const { client, socket, states } = scriptedClient({ token: null });
    const call = client.call("time.now");
    const opened = await socket();
    opened.open();
    opened.answer(opened.last("time.now"), "noon");
    expect(await call).to.equal("noon");
    expect(opened.count("authenticate")).to.equal(0);
    expect(client.session).to.equal(null);
    expect(states.map(({ to }) => to)).to.deep.equal(["connecting", "ready"]);
    await client.close();
  });

  it("asks for the address before each connection", async () => {
    let count = 0;
    const { client, sockets, socket, pass } = scriptedClient({
      url: () => `ws://node-${++count}.test/rpc`,
    });
    (await socket()).drop();
    await pass(1_000);
    expect(sockets.map(({ url }) => url)).to.deep.equal([
      "ws://node-1.test/rpc",
      "ws://node-2.test/rpc",
    ]);
    await client.close();
  });

  it("closes for good when the address is none", async () => {
    class Refusing {
      constructor() {
        throw new SyntaxError("Invalid URL");
      }
    }
    const { client, states } = scriptedClient({ WebSocket: Refusing as never });
    const call = outcomeOf(client.call("a"));
    await settled();
    expect(states.at(-1)).to.include({ to: "closed", reason: "invalid_url" });
    expect(call.error).to.include({ code: "disconnected", sent: "no" });
  });

  it("tries again when the socket doesn't open, or authenticate isn't answered, within 10 s", async () => {
    const { client, states, socket, pass } = scriptedClient();
    const first = await socket();
    await pass(10_000);
    expect(states.at(-1)).to.include({ to: "waiting", reason: "connect_timeout", attempt: 1 });
    expect(first.closedWith).to.equal(1000);
    await pass(1_000);
    const second = await socket();
    expect(second).to.not.equal(first);
    second.open();
    await pass(10_000);
    expect(states.at(-1)).to.include({ to: "waiting", reason: "no_answer", attempt: 2 });
    await client.close();
  });
});

describe("token()", () => {
  for (const [how, token] of [
    ["gives null", () => null],
    [
      "throws AuthStopError",
      () => {
        throw new AuthStopError("signed out");
      },
    ],
  ] as const) {
    it(`ends the client when it ${how}: no socket, no retry`, async () => {
      const { client, clock, sockets, states, asked, pass } = scriptedClient({ token });
      const ready = outcomeOf(client.ready());
      const call = outcomeOf(client.call("a"));
      await settled();
      await pass(600_000);
      expect(states.at(-1)).to.include({ to: "closed", code: 1000, reason: "signed_out" });
      expect(sockets).to.have.length(0);
      expect(asked).to.have.length(1);
      expect(ready.error).to.be.instanceOf(DisconnectedError);
      expect(call.error).to.include({ code: "disconnected", sent: "no", reason: "signed_out" });
      expect(clock.pending).to.equal(0);
    });
  }

  it("is asked again, with full jitter, when it throws anything else", async () => {
    const { client, states, asked, sockets, pass } = scriptedClient({
      token: ({ attempt }) => (attempt < 3 ? Promise.reject(new Error("offline")) : "token"),
    });
    await settled();
    expect(states.at(-1)).to.include({
      to: "waiting",
      reason: "token_unavailable",
      attempt: 1,
      retryIn: 750,
    });
    expect(states.at(-1)?.cause).to.have.property("message", "offline");
    await pass(750);
    expect(states.at(-1)).to.include({ to: "waiting", attempt: 2, retryIn: 1_250 });
    await pass(1_250);
    expect(asked.map(({ attempt }) => attempt)).to.deep.equal([1, 2, 3]);
    expect(sockets).to.have.length(1);
    await client.close();
  });

  it("is given up after 10 s, and its signal tells it", async () => {
    const { client, states, asked, pass } = scriptedClient({ token: () => new Promise(() => {}) });
    await settled();
    await pass(9_999);
    expect(asked[0]?.signal.aborted).to.equal(false);
    await pass(1);
    expect(asked[0]?.signal.aborted).to.equal(true);
    expect(states.at(-1)).to.include({ to: "waiting", reason: "token_unavailable" });
    await client.close();
  });

  it("has its late answer dropped when the client has reconnected or closed meanwhile", async () => {
    const answers: ((token: string) => void)[] = [];
    const { client, sockets, asked, socket } = scriptedClient({
      token: () => new Promise((resolve) => void answers.push(resolve)),
    });
    await settled();
    const ready = outcomeOf(client.reconnect());
    await settled();
    expect(asked[0]?.signal.aborted).to.equal(true);
    answers[0]?.("ada's");
    await settled();
    expect(sockets).to.have.length(0);
    answers[1]?.("bob's");
    const opened = await socket();
    opened.open();
    expect(opened.last("authenticate").params).to.deep.equal({ token: "bob's" });
    await client.close();
    expect(ready.error).to.include({ code: "disconnected" });
  });
});

describe("A client whose token the server refuses", () => {
  it("asks once more with force, on the same socket", async () => {
    const { client, sockets, asked, socket, signIn } = scriptedClient();
    const opened = await socket();
    opened.open();
    opened.refuse(opened.last("authenticate"), errorOf("token_invalid"));
    await settled();
    expect(asked[1]).to.include({ reason: "refused", force: true, previous: "token-1" });
    await signIn();
    expect(opened.last("authenticate").params).to.deep.equal({ token: "token-2" });
    expect(client.state).to.equal("ready");
    expect(sockets).to.have.length(1);
    await client.close();
  });

  it("waits when it is given the same token again, presents it no more, and goes on with the next one", async () => {
    let token = "same";
    const { client, states, asked, sockets, socket, signIn, pass } = scriptedClient({
      token: () => token,
    });
    const call = outcomeOf(client.call("a", {}, { timeout: Number.POSITIVE_INFINITY }));
    const opened = await socket();
    opened.open();
    opened.refuse(
      opened.last("authenticate"),
      errorOf("token_expired", { action: "newToken", context: "presented" }),
    );
    await settled();
    expect(states.at(-1)).to.include({ to: "waiting", reason: "token_refused", retryIn: 750 });
    await pass(20_000);
    await pass(20_000);
    expect(opened.count("authenticate")).to.equal(1);
    expect(sockets).to.have.length(1);
    expect(asked.length).to.be.within(4, 6);
    expect(asked.slice(1).every(({ force, reason }) => force && reason === "refused")).to.equal(
      true,
    );
    token = "another";
    await pass(10_000);
    const next = await signIn();
    expect(next.last("authenticate").params).to.deep.equal({ token: "another" });
    next.answer(next.last("a"), 1);
    await settled();
    expect(call.value).to.equal(1);
    await client.close();
  });

  it("tells what the server said: the state event, and the calls and refresh() that have waited for another token", async () => {
    const { client, states, socket, pass } = scriptedClient({
      token: () => "same",
      backoff: { min: 50_000, max: 50_000 },
    });
    const call = outcomeOf(client.call("a"));
    const opened = await socket();
    opened.open();
    const refreshed = outcomeOf(client.refresh());
    opened.refuse(
      opened.last("authenticate"),
      errorOf("token_invalid", { detail: "aud does not contain our audience" }),
    );
    await settled();
    await pass(30_000);
    expect(states.at(-1)).to.include({ to: "waiting", reason: "token_refused" });
    const { cause: disconnected } = call.error as { readonly cause: DisconnectedError };
    expect(call.error).to.include({ code: "timeout" });
    expect(disconnected).to.include({ code: "disconnected", reason: "token_refused" });
    for (const { cause } of [states.at(-1), disconnected, { cause: refreshed.error }] as {
      readonly cause?: unknown;
    }[]) {
      expect(cause)
        .to.be.instanceOf(RpcError)
        .and.include({ rpcCode: -32004, code: "token_invalid" });
      expect(cause).to.have.nested.property("data.detail", "aud does not contain our audience");
    }
    const [first] = states.filter(({ to }) => to === "authenticating");
    expect(first?.from).to.equal("connecting");
    expect(first?.cause).to.equal(undefined);
    await client.close();
  });

  it("names the close that ended the session, when that token comes again", async () => {
    const { client, states, signIn, pass } = scriptedClient({ token: () => "same" });
    (await signIn()).drop(4401, "token_revoked");
    await pass(1_000);
    expect(states.at(-1)).to.include({ to: "waiting", reason: "token_refused" });
    expect(states.at(-1)?.cause)
      .to.be.instanceOf(DisconnectedError)
      .and.include({ reason: "token_revoked", closeCode: 4401 });
    await client.close();
  });

  it("has no cause to tell when the application closes it", async () => {
    const { client, states } = scriptedClient();
    const ready = outcomeOf(client.ready());
    await client.close();
    await settled();
    expect(states.at(-1)).to.include({ to: "closed", reason: "bye", cause: undefined });
    expect(ready.error).to.not.have.property("cause");
  });

  it("waits between attempts when every new token is refused", async () => {
    const { client, states, asked, socket } = scriptedClient();
    const opened = await socket();
    opened.open();
    opened.refuse(opened.last("authenticate"), errorOf("token_revoked"));
    await settled();
    opened.refuse(opened.last("authenticate"), errorOf("token_revoked"));
    await settled();
    expect(states.at(-1)).to.include({ to: "waiting", reason: "token_revoked", retryIn: 750 });
    expect(asked).to.have.length(2);
    await client.close();
  });

  it("tries again later when authentication is unavailable, no sooner than the server says", async () => {
    const { client, states, asked, socket } = scriptedClient();
    const opened = await socket();
    opened.open();
    opened.refuse(opened.last("authenticate"), errorOf("auth_unavailable", { retryAfter: 12 }));
    await settled();
    expect(states.at(-1)).to.include({
      to: "waiting",
      reason: "auth_unavailable",
      retryIn: 12_000,
    });
    expect(asked).to.have.length(1);
    await client.close();
  });

  it("stops when the server says stop", async () => {
    const { states, socket } = scriptedClient();
    const opened = await socket();
    opened.open();
    opened.refuse(opened.last("authenticate"), errorOf("forbidden"));
    await settled();
    expect(states.at(-1)).to.include({ to: "closed", reason: "forbidden" });
  });

  it("doesn't take any answer for a session", async () => {
    const { client, states, socket } = scriptedClient();
    const opened = await socket();
    opened.open();
    opened.answer(opened.last("authenticate"), { subject: 7 });
    await settled();
    expect(states.at(-1)).to.include({ to: "waiting", reason: "invalid_answer" });
    expect(client.session).to.equal(null);
    await client.close();
  });
});
