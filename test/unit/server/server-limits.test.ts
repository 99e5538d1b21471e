import { expect } from "chai";
import { sampleApp } from "../../helpers/test-server.js";
import { startTimed, type TimedServer } from "../../helpers/timed-server.js";
import { upgrade } from "../../helpers/upgrade.js";

/** How often a limit was hit, by the server's metrics. */
function hits({ server }: TimedServer, limit: string): number {
  const line = server
    .metricsText()
    .split("\n")
    .find((text) => text.startsWith(`jotwire_limit_hits_total{limit="${limit}"} `));
  return Number(line?.split(" ").at(-1));
}

const start = (limits: object, options = {}) => startTimed(sampleApp(), { limits, metrics: { port: 0 }, ...options });
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
    for (let n = 0; n < 5; n++) expect(await asked(server, { Origin: "https://evil.example" })).to.deep.equal([403, undefined]);
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

  for (const [limit, other] of [
    ["open", "openPerAddress"],
    ["openPerAddress", "open"],
  ] as const) {
    it(`a logout without room for one more that has not authenticated closes the connection, and is counted as \`${limit}\``, async () => {
      await using server = await start({ open: 0, openPerAddress: 0, [limit]: 1 });
      const client = await server.login();
      await server.connect();
      client.send({ jsonrpc: "2.0", id: 1, method: "logout" });
      expect(await client.closed).to.deep.equal({ code: 1013, reason: "overloaded" });
      expect([hits(server, limit), hits(server, other)]).to.deep.equal([1, 0]);
    });
  }
});
