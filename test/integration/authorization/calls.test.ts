import { expect } from "chai";
import { startBoards } from "../../helpers/server/board.js";
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

const board = { board: "b1" };
const ruled = { required: [], missing: [], rule: "authorize", executed: false };

describe("The rule of a method", () => {
  it("is asked with the caller and the validated params, and only true lets the handler run", async () => {
    await using server = await startBoards();
    server.rule.allow("ada");
    const [ada, bob] = [await server.login("ada"), await server.login("bob")];
    expect(await resultOf(ada, "read", board)).to.equal(null);
    const { error } = await ask(bob, "read", board);
    expect(error?.code).to.equal(-32003);
    expect(error?.data).to.deep.include(ruled);
    expectError(await ask(ada, "read", { board: "b2" }), "forbidden");
    expect(server.ran).to.deep.equal(["read b1"]);
  });

  it("comes after the scopes and the params' schema, each of which says what is wrong", async () => {
    await using server = await startBoards();
    const reader = await server.login("ada", { scope: "" });
    const { error } = await ask(reader, "read", { board: 1 });
    expect(error?.data).to.deep.include({ required: ["boards"], missing: ["boards"] });
    expect(error?.data).to.not.have.property("rule");
    expect((await ask(await server.login(), "read", { board: 1 })).error?.code).to.equal(-32602);
    expect(server.rule.asked).to.equal(0);
  });

  it("may take its time: a yes runs the handler, a no does not, an error is a no that is logged once", async () => {
    for (const answer of [true, false, new Error("no database")]) {
      await using server = await startBoards();
      const client = await server.login();
      server.rule.isHeld = true;
      expect(await exchange(client, request(1, "read", board))).to.deep.equal([]);
      server.rule.answerAll(answer);
      const frame = await client.next<Frame>();
      if (answer === true) expect(frame).to.include({ id: 1, result: null });
      else expect(frame.error?.data).to.deep.include(ruled);
      expect(server.ran).to.deep.equal(answer === true ? ["read b1"] : []);
      expect(server.log.filter(({ level }) => level === "error").length).to.equal(
        answer instanceof Error ? 1 : 0,
      );
    }
  });

  it("that does not answer before the deadline is a no, logged once, and its signal aborts; one that answers in time is a yes", async () => {
    for (const method of ["read", "endless", "cards"])
      for (const wait of [29_999, 30_000]) {
        await using server = await startBoards();
        const client = await server.login();
        server.rule.isHeld = true;
        await exchange(client, request(1, method, board));
        server.clock.advance(wait);
        const isLate = wait === 30_000;
        expect(server.rule.signals[0]?.aborted, method).to.equal(isLate);
        server.rule.answerAll(true);
        const frame = await client.next<Frame>();
        if (isLate) expect(frame.error?.data, method).to.deep.include(ruled);
        else expect(frame, method).to.have.property("result");
        expect(await leftovers(client)).to.deep.equal([]);
        expect(
          server.log.filter(({ level }) => level === "error").map(({ fields }) => fields.event),
        ).to.deep.equal(isLate ? ["authorize.fail"] : []);
        const { sessions } = await server.server.sessions();
        expect(sessions[0]).to.include({
          inFlight: 0,
          subscriptions: !isLate && method === "cards" ? 1 : 0,
        });
      }
  });

  it("does not run the handler of a call that was cancelled, or whose user has logged out meanwhile", async () => {
    for (const frame of [notification("$/cancelRequest", { id: 1 }), request(2, "logout")])
      for (const method of ["read", "cards"]) {
        await using server = await startBoards();
        const client = await server.login();
        server.rule.isHeld = true;
        await exchange(client, request(1, method, board));
        const answers = await exchange(client, frame);
        expectError(
          answers.find(({ id }) => id === 1),
          "cancelled",
        );
        expect(server.rule.signals[0]?.aborted).to.equal(true);
        server.rule.answerAll(true);
        expect(await leftovers(client)).to.deep.equal([]);
        expect(server.ran).to.deep.equal([]);
        const { sessions } = await server.server.sessions();
        expect(sessions[0]).to.include({ inFlight: 0, subscriptions: 0 });
      }
  });

  it("of a call whose session expires while it is out says that, and not whether it would be allowed", async () => {
    for (const method of ["read", "cards"])
      for (const isAllowed of [true, false]) {
        await using server = await startBoards({ limits: { requestTimeout: 3_600_000 } });
        const client = await server.login();
        server.rule.isHeld = true;
        await exchange(client, request(1, method, board));
        server.clock.advance(900_000);
        await leftovers(client);
        server.rule.answerAll(isAllowed);
        const frame = await client.next<Frame>();
        expectError(frame, "token_expired");
        expect(frame.error?.data).to.include({ executed: false });
        expect(server.ran).to.deep.equal([]);
      }
  });

  it("is asked for a notification, too", async () => {
    await using server = await startBoards();
    server.rule.allow("ada");
    const client = await server.login();
    await exchange(client, notification("read", board), notification("read", { board: "b2" }));
    expect(server.ran).to.deep.equal(["read b1"]);
  });

  it("hides no method from rpc.discover, which knows no params", async () => {
    await using server = await startBoards();
    const { methods } = await resultOf(await server.login(), "rpc.discover");
    expect((methods as { name: string }[]).map(({ name }) => name)).to.include("read");
  });
});
