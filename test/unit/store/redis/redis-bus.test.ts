import { expect } from "chai";
import type { TopicEvent } from "../../../../src/pubsub/bus.js";
import { type RedisStore, redisStore } from "../../../../src/store/redis/index.js";
import { RedisKeys } from "../../../../src/store/redis/redis-keys.js";
import { eventually } from "../../../helpers/eventually.js";
import { TcpProxy } from "../../../helpers/network/tcp-proxy.js";
import { hasRedis, RedisServer } from "../../../helpers/redis/redis-server.js";
import { requires } from "../../../helpers/requirement.js";

const history = { size: 10, ttl: 60_000 };

interface Ear {
  readonly events: TopicEvent[];
  readonly messages: string[];
  readonly heard: string[];
}

/** What a node hears, in the order in which it does. */
function listen({ bus }: RedisStore): Ear {
  const ear: Ear = { events: [], messages: [], heard: [] };
  bus.subscribe({
    event: (event) => {
      ear.events.push(event);
      ear.heard.push(event.data);
    },
    message: (message) => void ear.messages.push(message),
    gap: () => void ear.heard.push("gap"),
  });
  return ear;
}

describe("The bus on Redis", () => {
  let redis: RedisServer;
  const stores: RedisStore[] = [];
  let deployments = 0;

  const open = (prefix = `p${deployments++}`, url = redis.url, busLength = 10_000): RedisStore => {
    const logger = {
      info() {},
      warn: (fields: object) => void logged.push((fields as { event: string }).event),
    };
    const store = redisStore({ url, prefix, timeout: 5_000, busLength, logger });
    stores.push(store);
    return store;
  };
  const logged: string[] = [];
  /** As if so many half days had gone since the history of a topic began. */
  const age = async (prefix: string, topic: string, halfDays: number): Promise<void> => {
    const key = new RedisKeys(prefix).topic(topic);
    const [, epoch = ""] = (await redis.command("HGET", key, "epoch")).split("\r\n");
    const [incarnation, generation] = epoch.split(".");
    await redis.command("HSET", key, "epoch", `${incarnation}.${Number(generation) - halfDays}`);
  };
  const forget = async (prefix: string): Promise<void> => {
    for (const kind of ["topic", "history"]) {
      const keys = await redis.command("KEYS", `${prefix}:${kind}:*`);
      for (const [key] of keys.matchAll(/\S+:(topic|history):\S+/g))
        await redis.command("DEL", key);
    }
  };

  before(async function () {
    requires(this, "Redis", hasRedis);
    redis = await RedisServer.start();
  });

  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    logged.length = 0;
  });

  after(() => redis?.stop());

  it("gives events of a topic one order on all nodes, and tells each once", async () => {
    const [a, b] = [open("shared"), open("shared")];
    const ears = [listen(a), listen(b)];
    await Promise.all([a, b].map((node) => node.bus.read("t", history, undefined)));
    const data = Array.from({ length: 200 }, (_, n) => String(n));
    await Promise.all(data.map((text, n) => (n % 2 === 0 ? a : b).bus.publish("t", text, history)));
    await eventually(() =>
      expect(ears.map(({ events }) => events.length)).to.deep.equal([200, 200]),
    );
    expect(ears[0]?.events).to.deep.equal(ears[1]?.events);
    const offsets = ears[0]?.events.map(({ offset }) => offset ?? 0) ?? [];
    expect(offsets).to.deep.equal(offsets.map((_, n) => (offsets[0] ?? 0) + n));
    expect(new Set(ears[0]?.heard).size).to.equal(200);
  });

  it("keeps the order in which one node publishes", async () => {
    const store = open();
    const ear = listen(store);
    await store.bus.read("t", history, undefined);
    const data = Array.from({ length: 50 }, (_, n) => String(n));
    await Promise.all(data.map((text) => store.bus.publish("t", text, undefined)));
    await eventually(() => expect(ear.heard).to.deep.equal(data));
    // without a history it has no place
    expect(ear.events[0]).to.deep.equal({ topic: "t", data: "0" });
  });

  it("carries messages to every node, the sender's too, and to no other deployment", async () => {
    const [a, b, other] = [open("one"), open("one"), open("two")];
    const ears = [listen(a), listen(b), listen(other)];
    for (const node of [a, b, other]) await node.bus.read("t", history, undefined);
    await a.bus.send('{"to":"all"}');
    await eventually(() =>
      expect(ears.slice(0, 2).map(({ messages }) => messages)).to.deep.equal([
        ['{"to":"all"}'],
        ['{"to":"all"}'],
      ]),
    );
    await other.bus.send("own");
    await eventually(() => expect(ears[2]?.messages).to.deep.equal(["own"]));
  });

  it("gives what was missed: all of it, or nothing", async () => {
    const [a, b] = [open("history"), open("history")];
    const start = await a.bus.read("t", history, undefined);
    expect(start).to.deep.equal({ epoch: start.epoch, offset: 0, missed: [] });
    for (let n = 1; n <= 12; n++) await a.bus.publish("t", `"${n}:x"`, history);
    const { epoch } = start;
    const state = await b.bus.read("t", history, { epoch, offset: 9 });
    const missed = [10, 11, 12].map((offset) => ({ offset, data: `"${offset}:x"` }));
    expect(state).to.deep.equal({ epoch, offset: 12, recovered: true, missed });
    expect((await b.bus.read("t", history, { epoch, offset: 2 })).missed).to.have.length(10);
    for (const since of [
      { epoch, offset: 1 },
      { epoch, offset: 13 },
      { epoch, offset: -1 },
      { epoch, offset: 1.5 },
      { epoch: "other", offset: 12 },
    ]) {
      expect(await b.bus.read("t", history, since), JSON.stringify(since)).to.include({
        recovered: false,
        offset: 12,
      });
    }
    expect(await b.bus.read("t", history, { epoch, offset: 12 })).to.deep.equal({
      epoch,
      offset: 12,
      recovered: true,
      missed: [],
    });
  });

  it("forgets events by their age", async () => {
    const store = open();
    const short = { size: 10, ttl: 100 };
    const { epoch, offset } = await store.bus.read("t", short, undefined);
    await store.bus.publish("t", "1", short);
    expect(await store.bus.read("t", short, { epoch, offset })).to.include({ recovered: true });
    await eventually(async () =>
      expect(await store.bus.read("t", short, { epoch, offset })).to.include({ recovered: false }),
    );
  });

  it("never gives a place twice, though the topic was forgotten", async () => {
    const store = open("forgotten");
    const ear = listen(store);
    const empty = await store.bus.read("t", history, undefined);
    for (let n = 0; n < 3; n++) await store.bus.publish("t", "1", history);
    await age("forgotten", "t", 2); // as old as a topic is, at least, when it is forgotten
    const place = await store.bus.read("t", history, undefined);
    await forget("forgotten");
    for (let n = 0; n < 4; n++) {
      for (const before of [place, { ...place, offset: 0 }])
        expect(await store.bus.read("t", history, before)).to.include({ recovered: false });
      await store.bus.publish("t", "1", history);
    }
    await eventually(() => expect(ear.events).to.have.length(7));
    const now = await store.bus.read("t", history, undefined);
    expect(now.epoch).to.not.equal(place.epoch);
    expect(empty.epoch, "by half a day each").to.equal(now.epoch);
  });

  it("writes nothing about a topic that is not known, and gives the same place of it on all nodes", async () => {
    const [a, b] = [open("unknown"), open("unknown")];
    const { epoch } = await a.bus.read("t", history, undefined);
    const before = await redis.command("DBSIZE");
    for (let n = 0; n < 200; n++) {
      for (const node of [a, b]) {
        expect(await node.bus.read(`made up ${n}`, history, undefined)).to.deep.equal({
          epoch,
          offset: 0,
          missed: [],
        });
        const again = await node.bus.read(`made up ${n}`, history, { epoch, offset: 0 });
        expect(again).to.deep.equal({ epoch, offset: 0, recovered: true, missed: [] });
      }
    }
    expect(await a.bus.read("made up", history, { epoch, offset: 1 })).to.include({
      recovered: false,
    });
    expect(await redis.command("DBSIZE")).to.equal(before);
  });

  it("gives all events to whoever came before the first, up to a day, and to nobody else", async () => {
    const [a, b] = [open("first"), open("first")];
    const ear = listen(a);
    const { epoch } = await a.bus.read("t", history, undefined);
    await b.bus.publish("other", "0", history);
    await b.bus.publish("t", "1", history);
    await b.bus.publish("t", "2", history);
    const all = [1, 2].map((offset) => ({ offset, data: String(offset) }));
    expect(await b.bus.read("t", history, { epoch, offset: 0 })).to.deep.equal({
      epoch,
      offset: 2,
      recovered: true,
      missed: all,
    });
    await eventually(() =>
      expect(
        ear.events.filter(({ topic }) => topic === "t").map(({ offset }) => offset),
      ).to.deep.equal([1, 2]),
    );
    const [incarnation = "", generation = ""] = epoch.split(".");
    for (const [halfDays, recovered] of [
      [-2, false],
      [-1, true],
      [0, true],
      [1, false],
    ] as const) {
      const asked = `${incarnation}.${Number(generation) + halfDays}`;
      expect(await b.bus.read("t", history, { epoch: asked, offset: 0 }), asked).to.include({
        recovered,
        offset: 2,
      });
      expect(await b.bus.read("unknown", history, { epoch: asked, offset: 0 }), asked).to.include({
        recovered,
        offset: 0,
      });
    }
    for (const wrong of [
      incarnation,
      `${incarnation}.`,
      `${epoch}.0`,
      `x.${generation}`,
      `${incarnation}.x`,
      `${epoch} `,
      `.${generation}`,
      "",
    ])
      expect(await b.bus.read("t", history, { epoch: wrong, offset: 2 }), wrong).to.include({
        recovered: false,
      });
  });

  it("has told all events before a reading when that is answered", async () => {
    const [a, b] = [open("read"), open("read")];
    const ear = listen(b);
    await b.bus.read("t", history, undefined);
    for (let n = 1; n <= 20; n++) {
      await a.bus.publish("t", String(n), history);
      await b.bus.read("t", history, undefined);
      expect(ear.events).to.have.length(n);
    }
  });

  it("goes on where it was after its connection was cut, and tells a gap when events were forgotten meanwhile", async () => {
    await using proxy = await TcpProxy.listen();
    proxy.leadTo(redis.port);
    const [far, near] = [
      open("cut", `redis://127.0.0.1:${proxy.port}`, 100),
      open("cut", redis.url, 100),
    ];
    const ear = listen(far);
    await far.bus.read("t", history, undefined);
    proxy.down();
    for (let n = 0; n < 5; n++) await near.bus.publish("t", String(n), history);
    proxy.restore();
    await eventually(() => expect(ear.heard).to.deep.equal(["0", "1", "2", "3", "4"]));
    proxy.down();
    for (let n = 5; n < 605; n++) await eventually(() => near.bus.publish("t", String(n), history));
    proxy.restore();
    await eventually(() => expect(ear.heard.at(-1)).to.equal("604"));
    expect(ear.heard.slice(5).filter((heard) => heard === "gap")).to.deep.equal(["gap"]);
    expect(ear.heard[5]).to.equal("gap");
    await far.close();
  });

  it("begins another epoch, and tells a gap, when Redis has lost its memory", async () => {
    const store = open("lost");
    const ear = listen(store);
    await store.bus.publish("t", "1", history);
    const before = await store.bus.read("t", history, undefined);
    await redis.kill();
    await redis.restart();
    await eventually(() => store.bus.publish("t", "2", history));
    await eventually(() => expect(ear.heard.slice(0, 2)).to.deep.equal(["1", "gap"]));
    const after = await eventually(() => store.bus.read("t", history, before));
    expect(after.recovered).to.equal(false);
    expect(after.epoch).to.not.equal(before.epoch);
  });

  it("skips and logs junk that somebody else wrote, and hears what comes after it", async () => {
    const store = open("junk");
    const ear = listen(store);
    await store.bus.read("t", history, undefined);
    await redis.command("XADD", "junk:bus", "*", "x", "y");
    await redis.command("XADD", "junk:bus", "*", "s", "1", "t", "t", "d", "{not json");
    await redis.command("XADD", "junk:revocations", "*", "s", "1", "r", '{"jti":1}');
    await redis.command("XADD", "junk:revocations", "*", "s", "NaN", "r", '{"jti":"a"}');
    await redis.command("HSET", "junk:revoked", "field", "[]");
    await store.bus.publish("t", "1", history);
    await eventually(() => expect(ear.heard.at(-1)).to.equal("1"));
    await eventually(() =>
      expect(logged.filter((event) => event === "redis.junk").length).to.be.at.least(4),
    );
    // a gap, since nobody knows what was written over
    expect(ear.heard.filter((heard) => heard !== "gap")).to.deep.equal(["1"]);
    expect(await store.revocations.list(1)).to.deep.equal([]);
    await store.revocations.whenCurrent?.();
  });
});
