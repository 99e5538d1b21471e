import { expect } from "chai";
import { RawClient } from "../helpers/server/raw-client.js";
import { sampleApp } from "../helpers/server/test-server.js";
import { startTimed, type TimedServer } from "../helpers/server/timed-server.js";

/** Counts the signatures that are checked, as long as it lives. */
class SignatureCount implements Disposable {
  value = 0;
  readonly #verify = crypto.subtle.verify;

  constructor() {
    crypto.subtle.verify = (...args) => {
      this.value++;
      return this.#verify.apply(crypto.subtle, args);
    };
  }

  [Symbol.dispose](): void {
    crypto.subtle.verify = this.#verify;
  }
}

const budget = 20;
/** No other limit helps: this one alone is tried. */
const start = (more = {}) =>
  startTimed(sampleApp(), {
    trustProxy: ["loopback"],
    metrics: { port: 0 },
    limits: {
      authCallsPerAddress: budget,
      failedAuthCalls: Number.POSITIVE_INFINITY,
      authFailuresPerAddress: Number.POSITIVE_INFINITY,
      unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY,
      ...more,
    },
  });
const from = ({ url }: TimedServer, address: string) =>
  RawClient.connect(url, { headers: { "X-Forwarded-For": address } });
const hits = ({ server }: TimedServer) =>
  Number(/limit="authCallsPerAddress"} (\d+)/.exec(server.metricsText())?.[1]);

/** The codes of so many `authenticate` calls with a token that is right but for its signature. */
async function flood(
  client: RawClient,
  server: TimedServer,
  calls: number,
): Promise<(number | undefined)[]> {
  const [header, payload] = server.token().split(".");
  const [, , signature] = server.token({ jti: "another" }).split(".");
  const forged = [header, payload, signature].join(".");
  const codes = [];
  for (let n = 0; n < calls; n++) codes.push((await client.authenticate(forged)).error?.code);
  return codes;
}

describe("A flood of tokens", () => {
  it("has no more signatures checked than its address may, however many sockets it comes through", async () => {
    await using server = await start();
    const attackers = [];
    for (let n = 0; n < 10; n++) attackers.push(await from(server, "203.0.113.7"));
    using signatures = new SignatureCount();
    const codes = (
      await Promise.all(attackers.map((attacker) => flood(attacker, server, 50)))
    ).flat();
    expect(signatures.value).to.equal(budget);
    expect(codes.filter((code) => code === -32004)).to.have.length(budget);
    expect(codes.filter((code) => code === -32029)).to.have.length(500 - budget);
    expect(hits(server)).to.equal(500 - budget);
    server.clock.advance(1_000);
    expect(await flood(attackers[0] as RawClient, server, 1), "a second later").to.deep.equal([
      -32004,
    ]);
  });

  it("neither starves live sessions, nor their refreshes, nor those who come from elsewhere", async () => {
    await using server = await start();
    const live = await from(server, "198.51.100.1");
    await live.authenticate(server.token());
    const attacker = await from(server, "203.0.113.7");
    for (let round = 0; round < 3; round++) {
      expect((await flood(attacker, server, 50)).at(-1)).to.equal(-32029);
      expect(await live.call("nothing")).to.have.property("result", null);
      expect(
        await live.call("refresh", { token: server.token({ jti: `again-${round}` }) }),
      ).to.have.nested.property("result.changed", true);
      const newcomer = await from(server, "198.51.100.2");
      expect(await newcomer.authenticate(server.token())).to.have.property("result");
    }
  });

  it("is one address however it chooses among those of an IPv6 /64", async () => {
    await using server = await start();
    await flood(await from(server, "2001:db8:0:1::1"), server, budget);
    expect(await flood(await from(server, "2001:db8:0:1:ffff::2"), server, 1)).to.deep.equal([
      -32029,
    ]);
    expect(await flood(await from(server, "2001:db8:0:2::1"), server, 1)).to.deep.equal([-32004]);
  });

  it("of good ones is refused in the same way: told when to come back, with the connection as it was", async () => {
    await using server = await start({ authCallsPerAddress: 1, failedAuthCalls: 1 });
    await server.login();
    const stranger = await server.connect();
    for (let n = 0; n < 20; n++) {
      const refused = await stranger.authenticate(server.token());
      expect(refused.error?.data).to.deep.include({
        reason: "rate_limited",
        temporary: true,
        executed: false,
        retryAfter: 1,
      });
    }
    expect(await stranger.call("whoami"), "which counts as no failure").to.have.nested.property(
      "result.state",
      "open",
    );
    server.clock.advance(1_000);
    expect(await stranger.authenticate(server.token())).to.have.property("result");
  });

  it("keeps no session from its renewal, not even one of the same address", async () => {
    await using server = await start({ authCallsPerAddress: 1 });
    const client = await server.login();
    expect((await (await server.connect()).authenticate(server.token())).error?.code).to.equal(
      -32029,
    );
    for (const method of ["refresh", "authenticate", "refresh"]) {
      expect(await client.call(method, { token: server.token() }), method).to.have.property(
        "result",
      );
    }
  });

  it("spends nothing with calls that have no token to judge", async () => {
    await using server = await start({ authCallsPerAddress: 1 });
    const client = await server.connect();
    for (let n = 0; n < 5; n++)
      expect((await client.call("authenticate", {})).error?.code).to.equal(-32602);
    expect(await client.authenticate(server.token())).to.have.property("result");
  });

  it("finds no other way over HTTP, where it is told to come back", async () => {
    await using server = await start();
    const headers = { Authorization: `Bearer ${server.token()}`, "X-Forwarded-For": "203.0.113.7" };
    const get = (more = {}) =>
      fetch(`http://127.0.0.1:${server.listening.port}/openrpc.json`, {
        headers: { ...headers, ...more },
      });
    using signatures = new SignatureCount();
    const answers = await Promise.all(Array.from({ length: 50 }, () => get()));
    const refused = answers.filter(({ status }) => status === 429);
    expect([signatures.value, refused.length, hits(server)]).to.deep.equal([budget, 30, 30]);
    expect(refused[0]?.headers.get("retry-after")).to.equal("1");
    expect((await get({ "X-Forwarded-For": "203.0.113.8" })).status, "from elsewhere").to.equal(
      200,
    );
    server.clock.advance(1_000);
    expect((await get()).status, "a second later").to.equal(200);
  });

  it("has no limit where it is 0", async () => {
    await using server = await start({ authCallsPerAddress: Number.POSITIVE_INFINITY });
    expect(new Set(await flood(await server.connect(), server, 250))).to.deep.equal(
      new Set([-32004]),
    );
  });
});
