import { expect } from "chai";
import { z } from "zod";
import { type Auth, createRpc } from "../../../src/index.js";
import { caller, testServer } from "../../../src/testing/index.js";
import { consume } from "../../helpers/consumer.js";
import { eventually } from "../../helpers/eventually.js";
import { rejectionOf } from "../../helpers/rejection.js";

const params = z.object({ board: z.string() });

interface Asked {
  readonly auth: Auth;
  readonly params: { readonly board: string };
}

type Answer = boolean | Promise<boolean>;

/** A board whose outer, inner and own rules answer as `answers` says, and what ran. */
function board(answers: Partial<Record<"outer" | "inner" | "own", () => Answer>> = {}) {
  const ran: string[] = [];
  const answer = (rule: "outer" | "inner" | "own", { auth, params }: Asked) => {
    ran.push(`${rule} ${auth.subject} ${params.board}`);
    return answers[rule]?.() ?? true;
  };
  const rpc = createRpc()
    .with({ authorize: (asked: Asked) => answer("outer", asked) })
    .with({ authorize: (asked: Asked) => answer("inner", asked) });
  const app = rpc.router({
    read: rpc.method({
      params,
      authorize: (asked) => answer("own", asked),
      handler: () => ran.push("handler"),
    }),
    rename: rpc.method({ params, handler: () => ran.push("handler") }),
    cards: rpc.topic({
      params,
      key: (given) => given.board,
      reauthorize: { every: 60_000 },
    }),
  });
  return { app, ran };
}

const b1 = { board: "b1" };

describe("A rule of rpc.with", () => {
  it("is asked by each method, the outermost first, and that of the method last", async () => {
    const { app, ran } = board();
    const ada = caller(app, { subject: "ada" });
    await ada.api.read(b1);
    expect(ran.splice(0)).to.deep.equal(["outer ada b1", "inner ada b1", "own ada b1", "handler"]);
    await ada.api.rename(b1);
    expect(ran).to.deep.equal(["outer ada b1", "inner ada b1", "handler"]);
  });

  for (const [name, no] of [
    ["at once", () => false],
    ["later", () => Promise.resolve(false)],
    ["with something else than true", () => "yes" as never],
    ["later with something else than true", () => Promise.resolve(1 as never)],
    ["by an error", () => Promise.reject(new Error("no database"))],
  ] as const)
    for (const rule of ["outer", "inner", "own"] as const)
      it(`refuses ${name}, as the ${rule} one, and nothing behind it is asked`, async () => {
        for (const yes of [() => true, () => Promise.resolve(true)]) {
          const rules = { outer: yes, inner: yes, own: yes };
          const { app, ran } = board({ ...rules, [rule]: no });
          const failure = await rejectionOf(caller(app, { subject: "ada" }).api.read(b1));
          expect(failure).to.include({ code: "forbidden" });
          expect(failure).to.have.nested.property("data.rule", "authorize");
          const asked = ["outer ada b1", "inner ada b1", "own ada b1"];
          expect(ran).to.deep.equal(asked.slice(0, Object.keys(rules).indexOf(rule) + 1));
        }
      });

  it("is asked again for a subscription, which a no ends", async () => {
    const members = new Set(["ada", "bob"]);
    const rpc = createRpc().with({
      authorize: async ({ auth }: Asked) => members.has(auth.subject),
    });
    const cards = rpc.topic({ params, key: (given) => given.board });
    await using server = testServer(rpc.router({ cards }));
    const [ada, bob] = [server.clientAs("ada"), server.clientAs("bob")];
    const feeds = [ada, bob].map((client) => consume(client.api.cards(b1)));
    await Promise.all([ada, bob].map((client) => client.call("ping")));
    members.delete("bob");
    await server.server.reauthorize({ subject: "bob" });
    await server.publish(cards, b1, "a card");
    await eventually(() => expect(feeds[0]?.events).to.deep.equal(["a card"]));
    await eventually(() => expect(feeds[1]?.error).to.include({ reason: "forbidden" }));
    expect(feeds[1]?.events).to.deep.equal([]);
  });

  it("makes no method public, must be a function, and is enough for reauthorize", () => {
    const rpc = createRpc().with({ authorize: () => true });
    const hello = rpc.method({ public: true, handler: () => "hello" });
    expect(() => caller(rpc.router({ hello }), { subject: "ada" })).to.throw(
      TypeError,
      "hello: a public method can't have authorize",
    );
    expect(() => createRpc().with({ authorize: true as never })).to.throw(
      TypeError,
      "rpc.with: authorize must be a function",
    );
    const ruled = { feed: rpc.topic({ key: () => "feed", reauthorize: { every: 1_000 } }) };
    expect(() => caller(rpc.router(ruled), { subject: "ada" })).to.not.throw();
    const plain = createRpc();
    const open = { feed: plain.topic({ key: () => "feed", reauthorize: { every: 1_000 } }) };
    expect(() => caller(plain.router(open), { subject: "ada" })).to.throw(
      TypeError,
      "feed: reauthorize asks authorize again, which is missing",
    );
  });
});
