import { expect } from "chai";
import { eventually } from "../../helpers/eventually.js";
import { startBoards } from "../../helpers/server/board.js";
import {
  ask,
  exchange,
  type Frame,
  leftovers,
  request,
  resultOf,
} from "../../helpers/server/frames.js";

const board = { board: "b1" };

/** Data of the events among these frames, and `ended` with its reason. */
const eventsOf = (frames: readonly Frame[]) =>
  frames
    .filter(({ method }) => method?.startsWith("subscription."))
    .map(({ params }) => params?.data ?? `ended: ${params?.reason}`);

describe("server.reauthorize", () => {
  it("ends the subscriptions of whoever lost the right, on every topic, and nobody else's", async () => {
    await using server = await startBoards();
    for (const subject of ["ada", "bob"]) server.rule.allow(subject);
    const [ada, bob] = [await server.login("ada"), await server.login("bob")];
    for (const client of [ada, bob]) {
      await resultOf(client, "cards", board);
      await resultOf(client, "past", board);
    }
    server.rule.remove("ada");
    expect(await server.server.reauthorize({ subject: "ada" })).to.deep.equal({
      asked: 2,
      ended: 2,
      complete: true,
    });
    await server.server.publish(server.app.routes.cards, board, "card");
    expect(eventsOf(await leftovers(ada))).to.deep.equal(["ended: forbidden", "ended: forbidden"]);
    expect(eventsOf(await leftovers(bob))).to.deep.equal(["card"]);
  });

  it("takes back what was sent and not written on the old right", async () => {
    for (const isMember of [true, false]) {
      await using server = await startBoards();
      server.rule.allow("ada");
      const ada = await server.login("ada");
      await resultOf(ada, "cards", board);
      if (!isMember) server.rule.remove("ada");
      await server.server.publish(server.app.routes.cards, board, "unwritten");
      await server.server.reauthorize({ subject: "ada" });
      expect(eventsOf(await leftovers(ada))).to.deep.equal(
        isMember ? ["unwritten"] : ["ended: forbidden"],
      );
    }
  });

  it("holds events while an answer is out: a yes sends them in order, a no sends none", async () => {
    for (const method of ["cards", "past"] as const)
      for (const answer of [true, false, new Error("no database")]) {
        await using server = await startBoards();
        server.rule.allow("ada");
        const ada = await server.login("ada");
        await resultOf(ada, method, board);
        const route = server.app.routes[method];
        await server.server.publish(route, board, 1);
        server.rule.isHeld = true;
        const done = server.server.reauthorize({ topic: route, params: board });
        await server.server.publish(route, board, 2);
        await server.server.publish(route, board, 3);
        expect(eventsOf(await leftovers(ada)), "while it is out").to.deep.equal([]);
        server.rule.answerAll(answer);
        const ended = answer === true ? 0 : 1;
        expect(await done).to.deep.equal({ asked: 1, ended, complete: true });
        await server.server.publish(route, board, 4);
        expect(eventsOf(await leftovers(ada))).to.deep.equal(
          answer === true ? [1, 2, 3, 4] : ["ended: forbidden"],
        );
      }
  });

  it("holds no more than the subscription's own buffer, and tells of the gap", async () => {
    await using server = await startBoards();
    server.rule.allow("ada");
    const ada = await server.login("ada");
    await resultOf(ada, "cards", board);
    server.rule.isHeld = true;
    const done = server.server.reauthorize("all");
    for (let n = 1; n <= 70; n++) await server.server.publish(server.app.routes.cards, board, n);
    server.rule.answerAll(true);
    await done;
    const frames = await leftovers(ada);
    expect(eventsOf(frames)).to.deep.equal(Array.from({ length: 64 }, (_, n) => n + 7));
    expect(frames[0]?.params).to.include({ gap: true });
  });

  it("pauses a generator, which goes on after a yes and is over after a no", async () => {
    for (const isAllowed of [true, false]) {
      await using server = await startBoards();
      server.rule.allow("ada");
      const ada = await server.login("ada");
      ada.send(request(1, "count", board));
      for (let n = 0; n < 4; n++) await ada.next<Frame>();
      server.rule.isHeld = true;
      const done = server.server.reauthorize({ topic: server.app.routes.count });
      await leftovers(ada);
      expect(eventsOf(await leftovers(ada)), "while it is out").to.deep.equal([]);
      server.rule.answerAll(isAllowed);
      await done;
      if (isAllowed) expect(eventsOf([await ada.next<Frame>()])[0]).to.be.a("number");
      else expect(eventsOf(await leftovers(ada))).to.deep.equal(["ended: forbidden"]);
      expect((await server.server.sessions()).sessions[0]?.subscriptions).to.equal(
        isAllowed ? 1 : 0,
      );
    }
  });

  it("asks anew a question that was out when the right changed, also the first one", async () => {
    for (const isFirst of [true, false]) {
      await using server = await startBoards();
      server.rule.allow("ada");
      const ada = await server.login("ada");
      if (!isFirst) await resultOf(ada, "cards", board);
      server.rule.isHeld = true;
      if (isFirst) await exchange(ada, request(1, "cards", board));
      else void server.server.reauthorize("all");
      expect(server.rule.out.length).to.equal(1);
      const done = server.server.reauthorize({ subject: "ada" });
      expect(server.rule.signals[0]?.aborted, "the old question").to.equal(true);
      server.rule.answerAll(true);
      await eventually(async () => expect(server.rule.out.length).to.equal(1));
      await server.server.publish(server.app.routes.cards, board, "secret");
      expect(eventsOf(await leftovers(ada))).to.deep.equal([]);
      server.rule.answerAll(false);
      expect(await done).to.include({ asked: 1, ended: 1 });
      const frames = await leftovers(ada);
      if (isFirst) expect(frames.map(({ error }) => error?.code)).to.deep.equal([-32003]);
      else expect(eventsOf(frames)).to.deep.equal(["ended: forbidden"]);
      expect((await server.server.sessions()).sessions[0]?.subscriptions).to.equal(0);
    }
  });

  it("has the answer of a refresh decide about what an expired session missed", async () => {
    for (const isAllowed of [true, false]) {
      await using server = await startBoards();
      server.rule.allow("ada");
      const ada = await server.login("ada");
      await resultOf(ada, "cards", board);
      server.clock.advance(900_000);
      await leftovers(ada);
      await server.server.publish(server.app.routes.cards, board, "held");
      server.rule.isHeld = true;
      await resultOf(ada, "refresh", { token: server.token({ sub: "ada", scope: "boards" }) });
      expect(eventsOf(await leftovers(ada)), "while it is out").to.deep.equal([]);
      server.rule.answerAll(isAllowed);
      expect(eventsOf(await leftovers(ada))).to.deep.equal(
        isAllowed ? ["held"] : ["ended: forbidden"],
      );
    }
  });

  it("is at hand in a handler, for its own connection", async () => {
    await using server = await startBoards();
    server.rule.allow("ada");
    const ada = await server.login("ada");
    await resultOf(ada, "cards", board);
    const frames = await exchange(ada, request(1, "leave", board));
    expect(eventsOf(frames)).to.deep.equal(["ended: forbidden"]);
    await server.server.publish(server.app.routes.cards, board, "secret");
    expect(eventsOf(await leftovers(ada))).to.deep.equal([]);
  });

  it("selects by subject, issuer, connection, topic and params, alone and together", async () => {
    await using server = await startBoards();
    for (const subject of ["ada", "bob"])
      for (const name of ["b1", "b2"]) server.rule.allow(subject, name);
    const issuer = "https://id.test";
    for (const subject of ["ada", "bob"]) {
      const client = await server.login(subject);
      for (const name of ["b1", "b2"]) await resultOf(client, "cards", { board: name });
      await resultOf(client, "past", board);
    }
    const { sessions } = await server.server.sessions({ subject: "bob" });
    const { cards } = server.app.routes;
    const asked = async (selector: Parameters<typeof server.server.reauthorize>[0]) =>
      (await server.server.reauthorize(selector)).asked;
    expect(await asked("all")).to.equal(6);
    expect(await asked({ issuer: sessions[0]?.issuer ?? issuer })).to.equal(6);
    expect(await asked({ issuer: "https://else.test" })).to.equal(0);
    expect(await asked({ subject: "ada" })).to.equal(3);
    expect(await asked({ subject: "eve" })).to.equal(0);
    expect(await asked({ connection: sessions[0]?.id ?? "" })).to.equal(3);
    expect(await asked({ topic: cards })).to.equal(4);
    expect(await server.server.reauthorize({ topic: cards, params: board })).to.include({
      asked: 2,
    });
    expect(
      await server.server.reauthorize({ subject: "ada", topic: cards, params: board }),
    ).to.include({ asked: 1 });
  });

  it("refuses a selector that makes no sense, and says what would", async () => {
    await using server = await startBoards();
    const refused = async (selector: unknown) =>
      server.server.reauthorize(selector as "all").then(
        () => "nothing",
        (error: Error) => `${error.name}: ${error.message}`,
      );
    const { cards, count } = server.app.routes;
    expect(await refused({})).to.match(
      /TypeError: reauthorize: give subject, issuer, connection or topic, or "all"/,
    );
    expect(await refused(undefined)).to.match(/give subject/);
    expect(await refused({ subject: "" })).to.match(/subject must be a string/);
    expect(await refused({ subject: 1 })).to.match(/subject must be a string/);
    expect(await refused({ subject: "ada", params: board })).to.match(/params go with topic/);
    expect(await refused({ topic: "cards" })).to.match(
      /must be a topic or subscription of this server/,
    );
    expect(await refused({ topic: cards, params: { board: 1 } })).to.match(
      /params of cards don't fit/,
    );
    expect(await refused({ topic: count, params: board })).to.match(/count is no topic/);
  });

  it("asks the application at most 64 questions at a time, and all of them in the end", async () => {
    await using server = await startBoards({
      limits: { subscriptions: 1_000, subscribeCallsPerSecond: 1_000 },
    });
    const ada = await server.login("ada");
    for (let n = 0; n < 200; n++) {
      server.rule.allow("ada", String(n));
      await resultOf(ada, "cards", { board: String(n) });
    }
    server.rule.isHeld = true;
    const done = server.server.reauthorize({ subject: "ada" });
    let answered = 0;
    while (answered < 200) {
      await eventually(async () => expect(server.rule.out.length).to.be.greaterThan(0));
      expect(server.rule.out.length).to.be.at.most(64);
      answered += server.rule.out.length;
      server.rule.answerAll(true);
    }
    expect(await done).to.deep.equal({ asked: 200, ended: 0, complete: true });
  });

  it("has an end for a rule that never settles, also without a limit for requests", async () => {
    for (const requestTimeout of [30_000, Number.POSITIVE_INFINITY]) {
      await using server = await startBoards({
        limits: { requestTimeout, sessionLifetime: Number.POSITIVE_INFINITY },
      });
      server.rule.allow("ada");
      const ada = await server.login("ada", { exp: 4_000_000_000 });
      await resultOf(ada, "cards", board);
      server.rule.isHeld = true;
      const done = server.server.reauthorize("all");
      server.clock.advance(Math.min(requestTimeout, 300_000));
      expect(await done).to.deep.equal({ asked: 1, ended: 1, complete: true });
      expect(eventsOf(await leftovers(ada))).to.deep.equal(["ended: forbidden"]);
    }
  });
});

describe("server.unsubscribe", () => {
  it("ends subscriptions whatever their rules say, and a client may come back", async () => {
    await using server = await startBoards();
    for (const subject of ["ada", "bob"]) server.rule.allow(subject);
    const [ada, bob] = [await server.login("ada"), await server.login("bob")];
    for (const client of [ada, bob]) await resultOf(client, "cards", board);
    const { cards, past } = server.app.routes;
    expect(await server.server.unsubscribe({ subject: "ada", topic: past })).to.deep.equal({
      ended: 0,
      complete: true,
    });
    expect(
      await server.server.unsubscribe({ subject: "ada", topic: cards, params: board }),
    ).to.deep.equal({ ended: 1, complete: true });
    await server.server.publish(cards, board, "card");
    expect(eventsOf(await leftovers(ada))).to.deep.equal(["ended: forbidden"]);
    expect(eventsOf(await leftovers(bob))).to.deep.equal(["card"]);
    expect((await ask(ada, "cards", board)).result).to.include({ subscription: "b1" });
  });

  it("needs to know whose", async () => {
    await using server = await startBoards();
    const failure = await server.server.unsubscribe({}).catch((error: Error) => error);
    expect(failure)
      .to.be.instanceOf(TypeError)
      .with.property("message")
      .that.matches(/give subject/);
  });
});

describe("The option reauthorize of a topic", () => {
  it("asks again every so often, and ends what is no longer allowed; without it nothing is asked", async () => {
    await using server = await startBoards();
    server.rule.allow("ada");
    const ada = await server.login("ada", { exp: 4_000_000_000 });
    await resultOf(ada, "watched", board);
    await resultOf(ada, "cards", board);
    const before = server.rule.asked;
    for (let n = 1; n <= 3; n++) {
      server.clock.advance(60_000);
      await leftovers(ada);
      expect(server.rule.asked - before).to.equal(n);
    }
    server.rule.remove("ada");
    server.clock.advance(59_999);
    expect(eventsOf(await leftovers(ada))).to.deep.equal([]);
    server.clock.advance(1);
    expect(eventsOf(await leftovers(ada))).to.deep.equal(["ended: forbidden"]);
    server.clock.advance(600_000);
    expect(server.rule.asked - before, "nobody is left to be asked for").to.equal(4);
  });
});
