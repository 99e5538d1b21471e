import { expect } from "chai";
import { z } from "zod";
import { createRpc } from "../../../src/index.js";
import {
  ask,
  exchange,
  type Frame,
  leftovers,
  request,
  resultOf,
} from "../../helpers/server/frames.js";
import { startTimed } from "../../helpers/server/timed-server.js";

/** A team whose methods act on others than the caller. */
async function start() {
  const rpc = createRpc({ notifications: { removed: z.object({ by: z.string() }) } });
  const members = new Set(["ada", "bob"]);
  const user = z.object({ user: z.string() });
  const news = rpc.topic({
    event: z.object({ text: z.string() }),
    authorize: ({ auth }) => members.has(auth.subject),
    key: () => "news",
  });
  const app = rpc.router({
    news,
    tell: rpc.method({
      params: z.object({ text: z.string() }),
      handler: ({ params, publish }) => publish(news, undefined, params),
    }),
    remove: rpc.method({
      params: user,
      async handler({ params, auth, notify, reauthorize }) {
        members.delete(params.user);
        await notify({ subject: params.user }, "removed", { by: auth.subject });
        await reauthorize({ subject: params.user });
      },
    }),
    expel: rpc.method({
      params: user,
      handler: ({ params, revoke }) => revoke({ subject: params.user }),
    }),
    /** A generator may act, too. */
    announce: rpc.subscription({
      async *handler({ publish }) {
        await publish(news, undefined, { text: "announced" });
        yield "done";
      },
    }),
  });
  const server = await startTimed(app);
  const [ada, bob] = [await server.login({ sub: "ada" }), await server.login({ sub: "bob" })];
  for (const client of [ada, bob]) await resultOf(client, "news");
  return { ...server, ada, bob };
}

const told = (frames: readonly Frame[]) =>
  frames.map(({ method, params }) => [method, params?.data ?? params?.by ?? params?.reason]);

describe("A handler", () => {
  it("publishes to the subscribers of a topic, and is refused an event that does not fit", async () => {
    await using server = await start();
    await exchange(server.ada, request(1, "tell", { text: "hello" }));
    expect(told(await leftovers(server.bob))).to.deep.equal([
      ["subscription.event", { text: "hello" }],
    ]);
    await exchange(server.ada, request(2, "announce"));
    expect(told(await leftovers(server.bob))).to.deep.equal([
      ["subscription.event", { text: "announced" }],
    ]);
  });

  it("that has removed a member with reauthorize leaves no event for that member", async () => {
    await using server = await start();
    await resultOf(server.ada, "remove", { user: "bob" });
    await resultOf(server.ada, "tell", { text: "a secret" });
    expect(told(await leftovers(server.bob))).to.deep.equal([
      ["removed", "ada"],
      ["subscription.ended", "forbidden"],
    ]);
    expect((await ask(server.bob, "news")).error?.data).to.include({ rule: "authorize" });
  });

  it("revokes the tokens of a user, whose sockets close", async () => {
    await using server = await start();
    await resultOf(server.ada, "expel", { user: "bob" });
    expect((await server.bob.closed).code).to.equal(4401);
    expect((await ask(server.ada, "ping")).result).to.equal("pong");
  });
});
