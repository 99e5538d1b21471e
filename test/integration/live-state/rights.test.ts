import { expect } from "chai";
import { LocalBus } from "../../../src/pubsub/local-bus.js";
import { expectError } from "../../helpers/server/expected.js";
import {
  ask,
  exchange,
  type Frame,
  leftovers,
  notification,
  request,
  resultOf,
} from "../../helpers/server/frames.js";
import { startLiveBoards } from "../../helpers/server/live-board.js";

const board = { board: "b1" };
const secret = ["secret"];

/** A server whose next snapshot waits, and a client that has asked for it. */
async function startAsking() {
  const server = await startLiveBoards({ limits: { requestTimeout: 120_000 } });
  const ada = await server.login("ada", { exp: server.seconds() + 60 });
  server.desk.isHeld = true;
  expect(await exchange(ada, request(1, "cards", board))).to.deep.equal([]);
  expect(server.desk.out).to.have.length(1);
  const counts = async () => (await server.server.sessions({ subject: "ada" })).sessions[0];
  return { ...server, ada, counts, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** Nothing of the state, nor of what came meanwhile, was sent. */
function expectNoState(frames: readonly Frame[]): void {
  expect(JSON.stringify(frames)).to.not.include("secret").and.not.include("subscription.event");
}

describe("A right that is lost while a snapshot is made", () => {
  it("keeps the state from a user whom server.unsubscribe has named, but not from another", async () => {
    await using server = await startAsking();
    const bob = await server.login("bob");
    await exchange(bob, request(1, "cards", board));
    await server.put("c1", "secret", ["cards"]);
    const { ended } = await server.server.unsubscribe({ subject: "ada" });
    expect(ended).to.equal(1);
    const frames = await leftovers(server.ada);
    expect(frames, "at once").to.have.length(1);
    expectError(frames[0], "forbidden", { rule: "authorize" });
    expectNoState(frames);
    expect(await server.counts()).to.include({ subscriptions: 0, inFlight: 0 });
    server.desk.finish(secret);
    server.desk.finish(secret);
    expectNoState(await leftovers(server.ada));
    const [answer] = await leftovers(bob);
    expect(answer?.result).to.deep.include({ snapshot: secret });
  });

  it("waits for the answer of a rule that is asked again meanwhile: a no refuses, a yes sends", async () => {
    for (const isAllowed of [false, true]) {
      await using server = await startAsking();
      server.rule.isHeld = true;
      const asked = server.server.reauthorize({ subject: "ada" });
      await server.put("c1", "secret", ["cards"]);
      server.desk.finish(secret);
      expect(await leftovers(server.ada), "not before the answer").to.deep.equal([]);
      server.rule.answerAll(isAllowed);
      expect(await asked).to.include({ asked: 1, ended: isAllowed ? 0 : 1 });
      const [answer, ...events] = await leftovers(server.ada);
      if (isAllowed) {
        expect(answer?.result).to.deep.include({ snapshot: secret });
        expect(events).to.have.length(1);
      } else {
        expectError(answer, "forbidden", { rule: "authorize" });
        expectNoState([answer as Frame, ...events]);
      }
      expect(await server.counts()).to.include({ subscriptions: isAllowed ? 1 : 0 });
    }
  });

  it("refuses after a refresh without the scope, and sends after one with it", async () => {
    for (const scope of ["", "boards"]) {
      await using server = await startAsking();
      server.clock.advance(1_000);
      await resultOf(server.ada, "refresh", { token: server.token({ sub: "ada", scope }) });
      server.desk.finish(secret);
      const frames = await leftovers(server.ada);
      if (scope === "") {
        expectError(frames[0], "forbidden", { missing: ["boards"] });
        expectNoState(frames);
      } else expect(frames[0]?.result).to.deep.include({ snapshot: secret });
    }
  });

  it("refuses once the session has expired, and nothing is subscribed after the refresh", async () => {
    await using server = await startAsking();
    server.clock.advance(60_000);
    server.desk.finish(secret);
    const frames = await leftovers(server.ada);
    expectError(frames.at(-1), "token_expired");
    expectNoState(frames);
    await resultOf(server.ada, "refresh", {
      token: server.token({ sub: "ada", scope: "boards", exp: server.seconds() + 900 }),
    });
    expect(await server.counts()).to.include({ subscriptions: 0, inFlight: 0 });
  });

  it("answers at once when the call is cancelled, its deadline passes or the user logs out", async () => {
    for (const [reason, end] of [
      ["cancelled", notification("$/cancelRequest", { id: 1 })],
      ["cancelled", request(2, "logout")],
      ["timeout", undefined],
    ] as const) {
      await using server = await startAsking();
      const [out] = server.desk.out;
      const lifetime = { exp: server.seconds() + 900 };
      const token = server.token({ sub: "ada", scope: "boards", ...lifetime });
      await resultOf(server.ada, "refresh", { token });
      if (end === undefined) server.clock.advance(120_000);
      const frames = await exchange(server.ada, ...(end === undefined ? [] : [end]));
      const answer = frames.find(({ id }) => id === 1);
      expectError(answer, reason);
      expect(out?.signal.aborted).to.equal(true);
      server.desk.finish(secret);
      expectNoState(await leftovers(server.ada));
      const { sessions } = await server.server.sessions();
      for (const session of sessions) expect(session).to.include({ subscriptions: 0, inFlight: 0 });
    }
  });

  it("gives the next user of the connection nothing of the state", async () => {
    await using server = await startAsking();
    const token = server.token({ sub: "bob", scope: "boards" });
    await exchange(server.ada, request(2, "logout"), request(3, "authenticate", { token }));
    await server.put("c1", "secret", ["cards"]);
    server.desk.finish(secret);
    expectNoState(await leftovers(server.ada));
    const next = request(4, "cards", board);
    expect(await exchange(server.ada, next)).to.deep.equal([]);
    server.desk.finish(["bob's"]);
    expect((await leftovers(server.ada))[0]?.result).to.deep.include({ snapshot: ["bob's"] });
  });

  it("refuses the answer that waits for the slower members of its batch", async () => {
    for (const isRemoved of [true, false]) {
      await using server = await startLiveBoards();
      const ada = await server.login();
      server.desk.isHeld = true;
      const batch = [request(1, "cards", board), request(2, "plain", board)];
      await exchange(ada, batch);
      server.desk.out.shift()?.resolve(secret); // that of the first
      expect(await leftovers(ada)).to.deep.equal([]);
      if (isRemoved)
        await server.server.unsubscribe({ subject: "ada", topic: server.app.routes.cards });
      server.desk.finish(["plain"]);
      const [answers] = (await leftovers(ada)) as unknown as [Frame[]];
      if (isRemoved) expectError(answers?.[0], "forbidden", { rule: "authorize" });
      else expect(answers?.[0]?.result).to.deep.include({ snapshot: secret });
      expect(answers?.[1]?.result).to.deep.include({ snapshot: ["plain"] });
    }
  });
});

describe("The right to a snapshot", () => {
  it("is asked for after the session, the scopes, the params and the rule", async () => {
    await using server = await startLiveBoards();
    const stranger = await server.connect();
    expectError(await ask(stranger, "cards", board), "unauthenticated");
    const unscoped = await server.login("ada", { scope: "" });
    expectError(await ask(unscoped, "cards", board), "forbidden", { missing: ["boards"] });
    const ada = await server.login();
    expect((await ask(ada, "cards", { board: 1 })).error?.code).to.equal(-32602);
    const kim = await server.login("kim");
    expectError(await ask(kim, "cards", board), "forbidden", { rule: "authorize" });
    expect(server.desk.made, "no snapshot for any of them").to.equal(0);
    expect((await resultOf(ada, "cards", board)).snapshot).to.deep.equal([]);
    expect(server.desk.made).to.equal(1);
  });

  it("gives each user the state that was made with its own auth", async () => {
    await using server = await startLiveBoards();
    server.desk.isHeld = true;
    const subjects = ["ada", "bob", "eve"];
    const clients = await Promise.all(subjects.map((subject) => server.login(subject)));
    for (const client of clients) await exchange(client, request(1, "mine", board));
    expect(server.desk.out.map(({ subject }) => subject)).to.deep.equal(subjects);
    for (const { subject } of [...server.desk.out]) server.desk.finish([subject]);
    for (const [n, client] of clients.entries())
      expect((await leftovers(client))[0]?.result?.snapshot).to.deep.equal([subjects[n]]);
  });
});

/** The bus of several nodes, which is read when the test says so. */
class SlowBus extends LocalBus {
  readonly reads: (() => void)[] = [];

  override read(...asked: Parameters<LocalBus["read"]>): never {
    const state = super.read(...asked);
    return new Promise((resolve) => this.reads.push(() => resolve(state))) as never;
  }
}

describe("A session that expires before the snapshot is asked for", () => {
  it("gets none, and nothing is left half subscribed; one that lives on gets it", async () => {
    for (const isOver of [true, false]) {
      const bus = new SlowBus("epoch", () => 0);
      await using server = await startLiveBoards({}, bus);
      const ada = await server.login("ada", { exp: server.seconds() + 5 });
      await exchange(ada, request(1, "cards", board));
      if (isOver) server.clock.advance(5_000);
      for (const read of bus.reads.splice(0)) read();
      const answer = (await leftovers(ada)).find(({ id }) => id === 1);
      if (isOver) expectError(answer, "token_expired");
      else expect(answer?.result).to.deep.include({ snapshot: [] });
      expect(server.desk.made).to.equal(isOver ? 0 : 1);
      expect((await server.server.sessions()).sessions[0]).to.include({
        subscriptions: isOver ? 0 : 1,
      });
    }
  });
});
