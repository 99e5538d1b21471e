import { expect } from "chai";
import type { LoadGauge } from "../../../src/server/admission/load-gauge.js";
import type { RawClient } from "../../helpers/server/raw-client.js";
import { ScriptedGauge } from "../../helpers/server/scripted-gauge.js";
import { sampleApp } from "../../helpers/server/test-server.js";
import { startTimed, type TimedServer } from "../../helpers/server/timed-server.js";
import { upgrade } from "../../helpers/server/upgrade.js";

/** The value of a series with this limit, by the server's metrics. */
function seriesOf({ server }: TimedServer, name: string, limit: string): number {
  const lines = server.metricsText().split("\n");
  const line = lines.find((text) => text.startsWith(`${name}{limit="${limit}"} `));
  return Number(line?.split(" ").at(-1));
}

const hits = (server: TimedServer, limit: string) =>
  seriesOf(server, "jotwire_limit_hits_total", limit);
const start = (limits: object, gauge?: LoadGauge) =>
  startTimed(sampleApp(), { limits, metrics: { port: 0 } }, gauge);
const asked = async (server: TimedServer, headers = {}) => {
  const { status, headers: given } = await upgrade(server.url, headers);
  return [status, given["retry-after"]];
};

describe("The limits of the whole server", () => {
  it("more connections in a second than `acceptsPerSecond` are HTTP 503 with Retry-After, and counted; a second later they get in", async () => {
    await using server = await start({ acceptsPerSecond: 2 });
    const client = await server.login();
    await server.connect();
    expect(await asked(server)).to.deep.equal([503, "1"]);
    expect(hits(server, "acceptsPerSecond")).to.equal(1);
    expect(await client.call("nothing"), "who is inside is served").to.have.property("result");
    server.clock.advance(1_000);
    expect(await asked(server)).to.deep.equal([101, undefined]);
    expect(hits(server, "acceptsPerSecond")).to.equal(1);
  });

  it("handshakes that are refused for another reason leave others their place in the second", async () => {
    await using server = await start({ acceptsPerSecond: 1 });
    for (let n = 0; n < 5; n++)
      expect(await asked(server, { Origin: "https://evil.example" })).to.deep.equal([
        403,
        undefined,
      ]);
    expect(await asked(server)).to.deep.equal([101, undefined]);
    expect(await asked(server)).to.deep.equal([503, "1"]);
  });

  it("more connections than `connections` are HTTP 503 with Retry-After, and counted; one that leaves makes room", async () => {
    await using server = await start({ connections: 2 });
    const client = await server.login();
    await server.connect();
    expect(await asked(server)).to.deep.equal([503, "5"]);
    expect(hits(server, "connections")).to.equal(1);
    await client.close();
    while (server.server.connections > 1) await new Promise((resolve) => setImmediate(resolve));
    expect(await asked(server)).to.deep.equal([101, undefined]);
  });

  it("whoever is refused stands in the log with the limit and the address: the first, and one in 10 s with how many there were before", async () => {
    await using server = await start({
      unauthenticatedConnectionsPerAddress: 1,
      authCallsPerAddress: 1,
    });
    const client = await server.connect();
    for (let n = 0; n < 3; n++) expect(await asked(server)).to.deep.equal([429, "5"]);
    await client.authenticate("no token");
    await client.authenticate("no token");
    server.clock.advance(10_000);
    expect(await asked(server)).to.deep.equal([429, "5"]);
    const lines = server.log.filter(({ level }) => level === "warn").map(({ fields }) => fields);
    expect(lines).to.deep.equal([
      {
        event: "limit.hit",
        limit: "unauthenticatedConnectionsPerAddress",
        address: "127.0.0.1",
        before: 0,
      },
      { event: "limit.hit", limit: "authCallsPerAddress", address: "127.0.0.1", before: 0 },
      {
        event: "limit.hit",
        limit: "unauthenticatedConnectionsPerAddress",
        address: "127.0.0.1",
        before: 2,
      },
    ]);
    const failed = server.log.filter(({ fields }) => fields.event === "authenticate.fail");
    expect(failed.map(({ fields }) => fields.address)).to.deep.equal(["127.0.0.1", "127.0.0.1"]);
  });

  for (const [limit, other] of [
    ["unauthenticatedConnections", "unauthenticatedConnectionsPerAddress"],
    ["unauthenticatedConnectionsPerAddress", "unauthenticatedConnections"],
  ] as const) {
    it(`a logout without room for one more that has not authenticated closes the connection, and is counted as \`${limit}\``, async () => {
      await using server = await start({
        unauthenticatedConnections: Number.POSITIVE_INFINITY,
        unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY,
        [limit]: 1,
      });
      const client = await server.login();
      await server.connect();
      client.send({ jsonrpc: "2.0", id: 1, method: "logout" });
      expect(await client.closed).to.deep.equal({ code: 1013, reason: "overloaded" });
      expect([hits(server, limit), hits(server, other)]).to.deep.equal([1, 0]);
    });
  }
});

describe("The limits of a frame's JSON", () => {
  it("are counted by their names, and what is no JSON at all is counted as none of them", async () => {
    await using server = await start({
      jsonValues: 100,
      objectMembers: 50,
      stringBytes: 500,
      jsonDepth: 50,
    });
    const client = await server.connect();
    const keyed = `{${Array(51).fill('"":1').join()}}`;
    client.send(
      JSON.stringify(Array(100).fill(1)),
      keyed,
      keyed,
      JSON.stringify("x".repeat(501)),
      "[".repeat(200),
      "{".repeat(40),
    );
    await client.call("whoami");
    expect(
      ["jsonValues", "objectMembers", "stringBytes", "jsonDepth"].map((limit) =>
        hits(server, limit),
      ),
    ).to.deep.equal([1, 2, 1, 1]);
  });
});

describe("A server that has more to do than it can", () => {
  const readiness = async ({ listening }: TimedServer) => {
    const answer = await fetch(`http://127.0.0.1:${listening.port}/readyz`);
    return [answer.status, await answer.json()];
  };

  it("refuses new connections with HTTP 503 and Retry-After, says why at /readyz, serves who is inside, and comes back by itself", async () => {
    const gauge = new ScriptedGauge();
    await using server = await start({}, gauge);
    const client = await server.login();
    server.clock.advance(20_000);
    expect(await readiness(server)).to.deep.equal([200, { status: "ready" }]);
    gauge.next = { measured: 50, over: 2 };
    server.clock.advance(10_000);
    expect(await asked(server)).to.deep.equal([503, "5"]);
    expect(hits(server, "loopDelay")).to.equal(1);
    expect(seriesOf(server, "jotwire_overloaded", "loopDelay")).to.equal(1);
    expect(seriesOf(server, "jotwire_overloaded", "heapPercent")).to.equal(0);
    const reason = "overloaded: the event loop is delayed (limits.loopDelay)";
    expect(await readiness(server)).to.deep.equal([503, { status: "not_ready", reason }]);
    expect(await client.call("nothing")).to.have.property("result");
    gauge.next = { measured: 50, over: 0 };
    server.clock.advance(10_000);
    expect(await readiness(server)).to.deep.equal([200, { status: "ready" }]);
    expect(seriesOf(server, "jotwire_overloaded", "loopDelay")).to.equal(0);
    expect(await asked(server)).to.deep.equal([101, undefined]);
  });

  it("with a heap that is nearly full closes a tenth a second: the newest without a session, then those with nothing under way", async () => {
    const gauge = new ScriptedGauge();
    await using server = await start({ authDeadline: Number.POSITIVE_INFINITY }, gauge);
    const ended: string[] = [];
    const watch = (name: string, client: RawClient) => {
      client.closed.then(({ code, reason }) => ended.push(`${name} ${code} ${reason}`));
      return client;
    };
    const subscriber = watch("subscriber", await server.login({ scope: "numbers:add" }));
    await subscriber.call("numbers.watch", { colour: "red" });
    for (const name of ["idle 1", "idle 2"]) watch(name, await server.login());
    const caller = watch("caller", await server.login());
    caller.send({ jsonrpc: "2.0", id: 1, method: "wait" });
    await caller.call("whoami");
    for (const name of ["open 1", "open 2"]) watch(name, await server.connect());
    gauge.heap = 96;
    server.clock.advance(4_000);
    expect(server.server.connections, "a peak costs nobody anything").to.equal(6);
    const order = ["open 2", "open 1", "idle 2", "idle 1"];
    for (let left = 5; left >= 2; left--) {
      server.clock.advance(1_000);
      while (server.server.connections > left || ended.length < 6 - left)
        await new Promise((resolve) => setImmediate(resolve));
    }
    expect(ended).to.deep.equal(order.map((name) => `${name} 1013 overloaded`));
    expect(hits(server, "heapPercent")).to.equal(4);
    server.clock.advance(10_000);
    expect(await subscriber.call("whoami"), "who has something under way stays").to.have.property(
      "result",
    );
    expect(await caller.call("whoami")).to.have.property("result");
    expect(server.server.connections).to.equal(2);
  });
});
