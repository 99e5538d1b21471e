import { expect } from "chai";
import { z } from "zod";
import { createRpc } from "../../../src/index.js";
import { eventually } from "../../helpers/eventually.js";
import { startBoards } from "../../helpers/server/board.js";
import { expectError } from "../../helpers/server/expected.js";
import {
  exchange,
  type Frame,
  leftovers,
  notification,
  request,
  resultOf,
} from "../../helpers/server/frames.js";
import { startTimed } from "../../helpers/server/timed-server.js";

const board = { board: "b1" };

/** Data of the events among these frames, with `gap` where they have it, and reasons of ends. */
const eventsOf = (frames: readonly Frame[]) =>
  frames
    .filter(({ method }) => method?.startsWith("subscription."))
    .map(({ params }) => params?.reason ?? (params?.gap ? { gap: params.data } : params?.data));

/** A rule whose answers the test gives, one after the other. */
class Answers {
  readonly #out: ((answer: boolean) => void)[] = [];
  isHeld = false;
  isAllowed = true;

  get out(): number {
    return this.#out.length;
  }

  readonly ask = (): boolean | Promise<boolean> =>
    this.isHeld ? new Promise((resolve) => this.#out.push(resolve)) : this.isAllowed;

  answer(isAllowed: boolean): void {
    this.#out.shift()?.(isAllowed);
  }
}

describe("A rule that answers late, or never,", () => {
  it("is forgotten when the call of its subscription is cancelled or timed out, or its user logs out", async () => {
    const ends = [
      notification("$/cancelRequest", { id: 1 }),
      request(2, "logout"),
      undefined, // the deadline
    ];
    for (const end of ends) {
      await using server = await startBoards();
      const ada = await server.login("ada");
      server.rule.isHeld = true;
      await exchange(ada, request(1, "cards", board));
      if (end === undefined) server.clock.advance(30_000);
      else await exchange(ada, end);
      expect((await server.server.reauthorize("all")).asked).to.equal(0);
      server.rule.answerAll(true);
      await leftovers(ada);
      expect((await server.server.sessions()).sessions[0]).to.include({ subscriptions: 0 });
    }
  });

  it("of a method without a deadline is not called late when its call was cancelled", async () => {
    await using server = await startBoards();
    const ada = await server.login("ada");
    server.rule.isHeld = true;
    await exchange(ada, request(1, "endless", board));
    await exchange(ada, notification("$/cancelRequest", { id: 1 }));
    server.clock.advance(60_000);
    await leftovers(ada);
    expect(server.log.filter(({ level }) => level === "error")).to.deep.equal([]);
  });

  it("does not let a call run whose session has lost the scope meanwhile", async () => {
    for (const method of ["read", "cards"]) {
      await using server = await startBoards();
      const ada = await server.login("ada");
      server.rule.isHeld = true;
      await exchange(ada, request(1, method, board));
      server.clock.advance(1_000);
      await resultOf(ada, "refresh", { token: server.token({ sub: "ada", scope: "" }) });
      server.rule.answerAll(true);
      const [answer] = await leftovers(ada);
      expectError(answer, "forbidden");
      expect(answer?.error?.data).to.deep.include({ missing: ["boards"], executed: false });
      expect(server.ran).to.deep.equal([]);
    }
  });

  it("asks neither rule nor handler of a call whose session has expired while its params were checked", async () => {
    let go = () => {};
    const params = z.object({}).refine(async () => {
      await new Promise<void>((resolve) => (go = resolve));
      return true;
    });
    const ran: string[] = [];
    const authorize = () => ran.push("rule") > 0;
    const rpc = createRpc();
    const app = rpc.router({
      call: rpc.method({ params, authorize, handler: () => void ran.push("handler") }),
      feed: rpc.topic({ params, authorize, key: () => "feed" }),
    });
    for (const method of ["call", "feed"]) {
      await using server = await startTimed(app, { limits: { requestTimeout: 3_600_000 } });
      const client = await server.login();
      await exchange(client, request(1, method, {}));
      server.clock.advance(900_000);
      await leftovers(client);
      go();
      const [answer] = await leftovers(client);
      expectError(answer, "token_expired");
      expect(ran, method).to.deep.equal([]);
    }
  });

  it("is not asked anew for a call whose session has expired meanwhile, and is for a live one", async () => {
    for (const isExpired of [true, false]) {
      await using server = await startBoards({ limits: { requestTimeout: 3_600_000 } });
      server.rule.allow("ada");
      const ada = await server.login("ada");
      server.rule.isHeld = true;
      await exchange(ada, request(1, "cards", board));
      const done = server.server.reauthorize({ subject: "ada" });
      if (isExpired) server.clock.advance(900_000);
      await leftovers(ada);
      server.rule.isHeld = false;
      server.rule.answerAll(true);
      expect(await done).to.deep.equal({ asked: 1, ended: isExpired ? 1 : 0, complete: true });
      const [answer] = await leftovers(ada);
      if (isExpired) expectError(answer, "token_expired");
      else expect(answer?.result).to.include({ subscription: "b1" });
      expect(server.rule.asked).to.equal(isExpired ? 1 : 2);
    }
  });

  it("is one of at most 64 that are out, whatever has them asked again", async () => {
    await using server = await startBoards();
    const users = Array.from({ length: 8 }, (_, n) => `user ${n}`);
    for (const user of users) {
      const client = await server.login(user);
      for (let n = 0; n < 20; n++) {
        server.rule.allow(user, String(n));
        await resultOf(client, "cards", { board: String(n) });
      }
    }
    server.rule.isHeld = true;
    const asked = [...users.map((subject) => ({ subject })), "all" as const];
    const done = Promise.all(asked.map((selector) => server.server.reauthorize(selector)));
    let isDone = false;
    void done.then(() => {
      isDone = true;
    });
    while (!isDone) {
      expect(server.rule.out.length).to.be.at.most(64);
      server.rule.answerAll(true);
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const result of await done) expect(result).to.include({ ended: 0, complete: true });
  });

  it("holds up its own user, and nobody else", async () => {
    await using server = await startBoards();
    for (const user of ["ada", "bob"]) server.rule.allow(user);
    const [ada, bob] = [await server.login("ada"), await server.login("bob")];
    for (let n = 0; n < 100; n++) {
      server.rule.allow("ada", String(n));
      await resultOf(ada, "cards", { board: String(n) });
    }
    await resultOf(bob, "cards", board);
    server.rule.isHeld = true;
    const slow = server.server.reauthorize({ subject: "ada" });
    await leftovers(ada);
    server.rule.isHeld = false;
    const quick = server.server.reauthorize({ subject: "bob" });
    await leftovers(bob);
    const result = await Promise.race([quick, leftovers(bob).then(() => "held up")]);
    expect(result).to.deep.equal({ asked: 1, ended: 0, complete: true });
    server.rule.answerAll(true);
    expect(await slow).to.deep.equal({ asked: 100, ended: 0, complete: true });
  });

  it("may itself have rights asked again, which is another question", async () => {
    const rule = new Answers();
    let again: (() => void) | undefined;
    const rpc = createRpc();
    const app = rpc.router({
      feed: rpc.topic({
        authorize() {
          const call = again;
          again = undefined;
          call?.();
          return rule.ask();
        },
        key: () => "feed",
      }),
    });
    await using server = await startTimed(app);
    const client = await server.login();
    await resultOf(client, "feed");
    rule.isHeld = true;
    again = () => void server.server.reauthorize("all");
    const done = server.server.reauthorize("all");
    await leftovers(client);
    expect(rule.out).to.equal(1);
    await server.server.publish(app.routes.feed, undefined, "secret");
    rule.answer(true);
    await eventually(() => expect(rule.out).to.equal(1));
    expect(eventsOf(await leftovers(client))).to.deep.equal([]);
    rule.answer(false);
    await done;
    expect(eventsOf(await leftovers(client))).to.deep.equal(["forbidden"]);
  });
});

describe("An event that was held for an expired session", () => {
  /** A feed whose reader may be too slow, and a generator that the test lets yield. */
  async function start() {
    const rule = new Answers();
    let go = () => {};
    const rpc = createRpc();
    const app = rpc.router({
      feed: rpc.topic({ authorize: rule.ask, key: () => "feed", overflow: "end", buffer: 2 }),
      once: rpc.subscription({
        authorize: rule.ask,
        overflow: "drop-oldest",
        async *handler() {
          await new Promise<void>((resolve) => (go = resolve));
          yield "late";
        },
      }),
    });
    const server = await startTimed(app);
    const client = await server.login();
    const publish = (event: unknown) => server.server.publish(app.routes.feed, undefined, event);
    const expire = async () => {
      server.clock.advance(900_000);
      await leftovers(client);
    };
    const refresh = async () =>
      eventsOf(await exchange(client, request(9, "refresh", { token: server.token() })));
    return { ...server, rule, client, publish, expire, refresh, go: () => go() };
  }

  it("is not sent after a no when its subscription was too slow while the rule was out", async () => {
    await using server = await start();
    const { rule, client } = server;
    await resultOf(client, "feed");
    await server.expire();
    await server.publish("held");
    rule.isHeld = true;
    const done = server.server.reauthorize("all");
    for (const n of [1, 2, 3]) await server.publish(n);
    rule.answer(false);
    await done;
    rule.isHeld = false;
    expect([...eventsOf(await leftovers(client)), ...(await server.refresh())]).to.deep.equal([
      "slow",
    ]);
  });

  it("needs the right at the refresh, also when its generator has completed", async () => {
    for (const isAllowed of [true, false]) {
      await using server = await start();
      await resultOf(server.client, "once");
      await leftovers(server.client);
      await server.expire();
      server.go();
      expect(eventsOf(await leftovers(server.client))).to.deep.equal([]);
      server.rule.isAllowed = isAllowed;
      expect(await server.refresh()).to.deep.equal(
        isAllowed ? ["late", "completed"] : ["forbidden"],
      );
    }
  });

  it("and was lost with others is missed by the next event, also by one that waited for a rule", async () => {
    await using server = await startBoards();
    server.rule.allow("ada");
    const ada = await server.login("ada");
    await resultOf(ada, "cards", board);
    server.clock.advance(900_000);
    await leftovers(ada);
    const { cards } = server.app.routes;
    for (let n = 0; n < 300; n++) await server.server.publish(cards, board, n); // more than is held
    server.rule.isHeld = true;
    const done = server.server.reauthorize("all");
    await server.server.publish(cards, board, "next");
    await resultOf(ada, "refresh", { token: server.token({ sub: "ada", scope: "boards" }) });
    const seen: Frame[] = [];
    while (server.rule.out.length > 0) {
      server.rule.answerAll(true);
      seen.push(...(await leftovers(ada)));
    }
    await done;
    expect(eventsOf(seen)).to.deep.equal([{ gap: "next" }]);
  });
});

describe("The rule deliver of a topic that has rights asked again", () => {
  it("sends nothing more while they are asked", async () => {
    const rule = new Answers();
    let again: (() => void) | undefined;
    const rpc = createRpc();
    const app = rpc.router({
      feed: rpc.topic({
        authorize: rule.ask,
        key: () => "feed",
        deliver({ event }) {
          if (event === 2) again?.();
          return true;
        },
      }),
    });
    await using server = await startTimed(app);
    const client = await server.login();
    await resultOf(client, "feed");
    rule.isHeld = true;
    const done = server.server.reauthorize("all");
    for (const n of [1, 2, 3]) await server.server.publish(app.routes.feed, undefined, n);
    again = () => {
      again = undefined;
      void server.server.reauthorize("all");
    };
    rule.answer(true);
    await done;
    expect(eventsOf(await leftovers(client))).to.deep.equal([]);
    rule.answer(true);
    expect(eventsOf(await leftovers(client))).to.deep.equal([1, 2, 3]);
  });
});
