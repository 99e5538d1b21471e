import { expect } from "chai";
import { createRpc } from "../../../src/index.js";
import { type Frame, leftovers, resultOf } from "../../helpers/server/frames.js";
import { startTimed } from "../../helpers/server/timed-server.js";

interface Card {
  readonly n: number;
  readonly visibleTo: string;
}

/** A server whose cards are each for one user, or for all. */
async function start() {
  const seen: Card[] = [];
  const rpc = createRpc();
  const isVisible = (card: Card, subject: string) =>
    card.visibleTo === subject || card.visibleTo === "all";
  const app = rpc.router({
    cards: rpc.topic({
      key: () => "cards",
      history: { size: 8, ttl: Number.POSITIVE_INFINITY },
      deliver({ auth, event }) {
        seen.push(event as unknown as Card);
        return isVisible(event as unknown as Card, auth.subject) && auth.claims.blind !== true;
      },
    }),
  });
  const server = await startTimed(app);
  let last = 0;
  const publish = (visibleTo: string) =>
    server.server.publish(app.routes.cards, undefined, { n: ++last, visibleTo });
  return { ...server, seen, publish };
}

const numbersOf = (frames: readonly Frame[]) =>
  frames.map(({ params }) => (params?.data as Card | undefined)?.n);

describe("The rule deliver of a topic", () => {
  it("decides for each subscriber and each event; nobody hears of what others received, not even a gap", async () => {
    await using server = await start();
    const clients = new Map<string, Awaited<ReturnType<typeof server.login>>>();
    for (const sub of ["ada", "bob"]) {
      const client = await server.login({ sub });
      await resultOf(client, "cards");
      clients.set(sub, client);
    }
    for (const visibleTo of ["ada", "bob", "all", "nobody", "ada"]) await server.publish(visibleTo);
    const expected = { ada: [1, 3, 5], bob: [2, 3] };
    for (const [sub, client] of clients) {
      const frames = await leftovers(client);
      expect(numbersOf(frames)).to.deep.equal(expected[sub as "ada"]);
      expect(frames.some(({ params }) => params?.gap === true)).to.equal(false);
    }
    expect(server.seen.length).to.equal(10);
    expect(new Set(server.seen).size, "parsed once for all").to.equal(5);
  });

  it("decides about what a subscriber missed, too", async () => {
    await using server = await start();
    for (const visibleTo of ["ada", "bob", "all"]) await server.publish(visibleTo);
    const [ada, bob] = [await server.login({ sub: "ada" }), await server.login({ sub: "bob" })];
    const { epoch } = await resultOf(ada, "cards");
    for (const [client, expected] of [
      [ada, [1, 3]],
      [bob, [2, 3]],
    ] as const) {
      await resultOf(client, "unsubscribe", { subscription: "cards" });
      const answer = await resultOf(client, "cards", { $since: { epoch, offset: 0 } });
      expect(answer).to.include({ recovered: true, offset: 3 });
      expect(numbersOf(await leftovers(client))).to.deep.equal(expected);
    }
  });

  it("is asked again, with the new token, about what waited for a refresh", async () => {
    for (const blind of [true, false]) {
      await using server = await start();
      const ada = await server.login({ sub: "ada" });
      await resultOf(ada, "cards");
      server.clock.advance(900_000);
      await leftovers(ada);
      await server.publish("ada");
      await resultOf(ada, "refresh", { token: server.token({ sub: "ada", blind }) });
      expect(numbersOf(await leftovers(ada))).to.deep.equal(blind ? [] : [1]);
    }
  });

  it("costs nobody a gap that belongs to somebody: the next event that is received tells of it", async () => {
    await using server = await start();
    const ada = await server.login({ sub: "ada" });
    await resultOf(ada, "cards");
    server.clock.advance(900_000);
    await leftovers(ada);
    for (let n = 0; n < 300; n++) await server.publish("ada"); // more than is held
    await resultOf(ada, "refresh", { token: server.token({ sub: "ada" }) });
    await server.publish("bob");
    await server.publish("ada");
    const [frame] = await leftovers(ada);
    expect(frame?.params).to.deep.include({ gap: true, offset: 302 });
  });
});
