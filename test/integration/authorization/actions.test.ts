import { expect } from "chai";
import { z } from "zod";
import { createRpc } from "../../../src/index.js";
import { testServer } from "../../../src/testing/index.js";
import { consume } from "../../helpers/consumer.js";
import { eventually } from "../../helpers/eventually.js";
import { rejectionOf } from "../../helpers/rejection.js";

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
  const server = testServer(app);
  const join = async (subject: string) => {
    const client = server.clientAs(subject);
    const heard: string[] = [];
    const feed = consume(client.api.news());
    client.on("removed", ({ by }) =>
      heard.push(`removed by ${by}${feed.error === undefined ? ", subscribed" : ""}`),
    );
    await client.ready();
    await client.call("ping"); // the subscription was sent before
    return { client, api: client.api, heard, feed };
  };
  const [ada, bob] = [await join("ada"), await join("bob")];
  return { server, ada, bob, [Symbol.asyncDispose]: () => server.close() };
}

describe("A handler", () => {
  it("publishes to the subscribers of a topic, and is refused an event that does not fit", async () => {
    await using team = await start();
    await team.ada.api.tell({ text: "hello" });
    await eventually(() => expect(team.bob.feed.events).to.deep.equal([{ text: "hello" }]));
    const announced = consume(team.ada.api.announce());
    await eventually(() => expect(announced).to.deep.include({ events: ["done"], isDone: true }));
    expect(team.bob.feed.events).to.deep.equal([{ text: "hello" }, { text: "announced" }]);
  });

  it("that has removed a member with reauthorize leaves no event for that member", async () => {
    await using team = await start();
    await team.ada.api.remove({ user: "bob" });
    await team.ada.api.tell({ text: "a secret" });
    await eventually(() => expect(team.ada.feed.events).to.deep.equal([{ text: "a secret" }]));
    await team.bob.client.call("ping"); // whatever was sent before has come
    expect(team.bob.heard).to.deep.equal(["removed by ada, subscribed"]);
    expect(team.bob.feed.events).to.deep.equal([]);
    expect(team.bob.feed.error).to.include({ code: "subscription_ended", reason: "forbidden" });
    const refused = await rejectionOf(team.bob.client.call("news" as never) as Promise<unknown>);
    expect(refused).to.have.nested.property("data.rule", "authorize");
  });

  it("revokes the tokens of a user, whose sockets close", async () => {
    await using team = await start();
    const lost = new Promise<number | undefined>(
      (resolve) =>
        void team.bob.client.on("state", ({ to, code }) => to === "waiting" && resolve(code)),
    );
    await team.ada.api.expel({ user: "bob" });
    expect(await lost).to.equal(4401);
    expect(await team.ada.client.call("ping")).to.equal("pong");
  });
});
