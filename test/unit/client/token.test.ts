import { expect } from "chai";
import { describe, it } from "mocha";
import { AuthStopError, type TokenRequest } from "../../../client/index.js";
import { errorOf } from "../../../src/protocol/error-codes.js";
import {
  granted,
  outcomeOf,
  type ScriptedSocket,
  scriptedClient,
  settled,
} from "../../helpers/client/scripted-client.js";

/** A `token()` that the test answers, and how many of its calls are open at a time. */
function openCalls() {
  const calls: {
    readonly request: TokenRequest;
    give(token: string | null): void;
    fail(error: unknown): void;
  }[] = [];
  let open = 0;
  let most = 0;
  const token = (request: TokenRequest) => {
    most = Math.max(most, ++open);
    return new Promise<string | null>(
      (give, fail) => void calls.push({ request, give, fail }),
    ).finally(() => open--);
  };
  return { calls, token, most: () => most };
}

describe("token(), which may take its time", () => {
  it("is aborted after 10 s, and not called again while that call goes on: its token is taken when it comes", async () => {
    const { calls, token, most } = openCalls();
    const { client, states, signIn, pass } = scriptedClient({ token });
    await settled();
    await pass(9_999);
    expect(calls[0]?.request.signal.aborted).to.equal(false);
    await pass(1);
    expect(calls[0]?.request.signal.aborted).to.equal(true);
    expect(states.at(-1)).to.include({ to: "waiting", reason: "token_unavailable" });
    expect(states.at(-1)?.cause).to.include({ code: "timeout" });
    await pass(20_000); // a person logs in
    expect(calls).to.have.length(1);
    calls[0]?.give("late");
    const socket = await signIn();
    expect(socket.last("authenticate").params).to.deep.equal({ token: "late" });
    expect([calls.length, most()]).to.deep.equal([1, 1]);
    await client.close();
  });

  it("has its late token taken too when it comes while the client waits to try again", async () => {
    const { calls, token } = openCalls();
    const { client, signIn, pass } = scriptedClient({ token });
    await settled();
    await pass(10_000);
    calls[0]?.give("late");
    await settled();
    expect(client.state).to.equal("waiting");
    await pass(1_000);
    expect((await signIn()).last("authenticate").params).to.deep.equal({ token: "late" });
    expect(calls).to.have.length(1);
    await client.close();
  });

  it("is called again as soon as it heeds its signal", async () => {
    const { calls, token } = openCalls();
    const { client, pass } = scriptedClient({ token });
    await settled();
    await pass(10_000);
    calls[0]?.fail(calls[0].request.signal.reason);
    await settled();
    await pass(1_000);
    expect(calls).to.have.length(2);
    expect(calls[1]?.request).to.include({ reason: "connect", attempt: 2 });
    await client.close();
  });

  it("has as long as tokenTimeout says, for ever if that is Infinity", async () => {
    for (const [tokenTimeout, limit] of [
      [60_000, 60_000],
      [Number.POSITIVE_INFINITY, 3_600_000],
    ] as const) {
      const { calls, token } = openCalls();
      const { client, pass } = scriptedClient({ token, tokenTimeout });
      await settled();
      await pass(limit - 1);
      expect(calls[0]?.request.signal.aborted).to.equal(false);
      await pass(1);
      expect(calls[0]?.request.signal.aborted).to.equal(Number.isFinite(tokenTimeout));
      expect(calls).to.have.length(1);
      await client.close();
    }
  });

  it("is never called twice at once by repeated reconnect()s, and what it gives for an earlier one is dropped", async () => {
    const { calls, token, most } = openCalls();
    const { client, sockets, signIn } = scriptedClient({ token });
    await settled();
    const waits = [1, 2, 3].map(() => outcomeOf(client.reconnect()));
    await settled();
    expect(calls).to.have.length(1);
    expect(calls[0]?.request.signal.aborted).to.equal(true);
    calls[0]?.give("of an earlier user");
    await settled();
    expect(calls).to.have.length(2);
    expect(sockets).to.have.length(0);
    calls[1]?.give("of the new one");
    expect((await signIn()).last("authenticate").params).to.deep.equal({ token: "of the new one" });
    await settled();
    expect(waits.map(({ count }) => count)).to.deep.equal([1, 1, 1]);
    expect([calls.length, most()]).to.deep.equal([2, 1]);
    await client.close();
  });

  it("doesn't keep reconnect() waiting for longer than tokenTimeout, when it neither ends nor heeds its signal", async () => {
    const { calls, token } = openCalls();
    const { client, pass, signIn } = scriptedClient({ token });
    await settled();
    void client.reconnect();
    await settled();
    await pass(9_999);
    expect(calls).to.have.length(1);
    await pass(1);
    expect(calls).to.have.length(2);
    calls[1]?.give("token");
    await signIn();
    expect(client.state).to.equal("ready");
    await client.close();
  });
});

describe("token(), and what it gives", () => {
  for (const nothing of [undefined, "", 7, {}]) {
    it(`that is ${JSON.stringify(nothing)} is asked again, and signs nobody out`, async () => {
      let gives: unknown = nothing;
      const { client, states, signIn, pass } = scriptedClient({ token: () => gives as string });
      await settled();
      expect(states.at(-1)).to.include({ to: "waiting", reason: "token_unavailable" });
      expect(states.at(-1)?.cause)
        .to.be.instanceOf(TypeError)
        .with.property("message")
        .that.includes(`token() gave ${typeof nothing}`);
      gives = "token";
      await pass(1_000);
      await signIn();
      expect(client.state).to.equal("ready");
      await client.close();
    });
  }

  it("may be a thenable; one that is rejected with AuthStopError signs out under a live session too", async () => {
    const { states, signIn, pass } = scriptedClient({
      token: ({ reason }) =>
        ({
          // biome-ignore lint/suspicious/noThenProperty: a thenable that is no promise
          then: (give: (token: string) => void, fail: (error: unknown) => void) =>
            reason === "connect" ? give("token") : fail(new AuthStopError()),
        }) as unknown as Promise<string>,
    });
    await signIn();
    await pass(600_000);
    expect(states.at(-1)).to.include({ to: "closed", reason: "signed_out" });
  });
});

describe("token() that asks its own client", () => {
  it("is told so, rather than wait for itself", async () => {
    for (const ask of ["call", "ready", "refresh"] as const) {
      const failures: unknown[] = [];
      const { client, pass }: ReturnType<typeof scriptedClient> = scriptedClient({
        token: async () => {
          try {
            await client[ask]("token");
          } catch (error) {
            failures.push(error);
          }
          return "token";
        },
      });
      await settled();
      await pass(0);
      expect(failures, ask).to.have.length(1);
      expect(failures[0])
        .to.be.instanceOf(TypeError)
        .with.property("message")
        .that.includes("its own client");
      await client.close();
    }
  });

  it("may do so where there is a session", async () => {
    const script: ReturnType<typeof scriptedClient> = scriptedClient({
      token: async ({ reason }) =>
        reason === "connect" ? "first" : String(await script.client.call("renew")),
    });
    const { client, clock, signIn, pass } = script;
    const socket = await signIn();
    await pass(600_000);
    socket.answer(socket.last("renew"), "second");
    await settled();
    expect(socket.last("refresh").params).to.deep.equal({ token: "second" });
    socket.answer(socket.last("refresh"), granted(clock));
    await client.close();
  });
});

describe("A server that asks for new tokens without end", () => {
  const nagging: Readonly<Record<string, (socket: ScriptedSocket) => void>> = {
    "auth.refreshRequired": (socket) =>
      socket.tell("auth.refreshRequired", { within: 30, reason: "x" }),
    "auth.expiring": (socket) => socket.tell("auth.expiring", { expiresIn: 60 }),
    "auth.expired": (socket) => socket.tell("auth.expired", { closeIn: 30 }),
  };
  for (const [name, nag] of Object.entries(nagging)) {
    it(`by ${name}, whenever it has got one, gets two a second`, async () => {
      const { client, clock, asked, signIn, pass }: ReturnType<typeof scriptedClient> =
        scriptedClient();
      const socket = await signIn();
      let answered = "";
      for (let ms = 0; ms < 5_000; ms += 10) {
        nag(socket);
        await settled();
        const last = socket.frames.findLast(({ method }) => method === "refresh");
        if (last && last.id !== answered) {
          answered = String(last.id);
          socket.answer(last, granted(clock));
        }
        nag(socket);
        await pass(10);
      }
      expect(asked.length).to.be.within(8, 12);
      expect(client.state).to.be.oneOf(["ready", "refreshing"]);
      await client.close();
    });
  }

  it("by refusing every one, gets no more either", async () => {
    const { client, asked, sockets, pass } = scriptedClient();
    for (let ms = 0; ms < 5_000; ms += 50) {
      await settled();
      const socket = sockets.at(-1);
      if (socket?.readyState === 0) socket.open();
      for (const frame of socket?.readyState === 1 ? socket.frames.slice(-1) : [])
        socket?.refuse(frame, errorOf("token_invalid"));
      await pass(50);
    }
    expect(asked.length).to.be.within(4, 11);
    await client.close();
  });
});

describe("refresh()", () => {
  it("isn't content with a token from a cache: one that was asked for to connect is followed by another", async () => {
    const { client, clock, asked, signIn } = scriptedClient({
      token: ({ force }) => (force ? "new" : "cached"),
    });
    const refreshed = outcomeOf(client.refresh());
    const socket = await signIn();
    expect(socket.last("authenticate").params).to.deep.equal({ token: "cached" });
    expect(refreshed.count).to.equal(0);
    expect(asked[1]).to.include({ reason: "refresh", force: true });
    socket.answer(socket.last("refresh"), granted(clock));
    await settled();
    expect(refreshed).to.include({ count: 1 }).and.to.not.have.property("error");
    await client.close();
  });

  it("settles where there is no server", async () => {
    const { client, socket, pass } = scriptedClient();
    const refreshed = outcomeOf(client.refresh());
    (await socket()).drop(1006, "nobody there");
    await settled();
    expect(refreshed.error).to.include({ code: "disconnected", reason: "nobody there" });
    const again = outcomeOf(client.refresh());
    await pass(1_000);
    (await socket()).drop(1006, "nobody there");
    await settled();
    expect(again.error).to.include({ code: "disconnected" });
    await client.close();
  });

  it("settles when the connection is lost under it, replaced or closed", async () => {
    for (const end of ["drop", "reconnect", "close"] as const) {
      const { client, signIn } = scriptedClient();
      const socket = await signIn();
      const refreshed = outcomeOf(client.refresh());
      await settled();
      if (end === "drop") socket.drop();
      else void client[end]().catch(() => {});
      await settled();
      expect(refreshed.error, end).to.include({ code: "disconnected" });
      await client.close();
    }
  });
});
