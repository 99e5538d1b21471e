import { expect } from "chai";
import type { MetricsRegistry, RegisteredMetric } from "../../../src/index.js";
import { createIssuer, memoryStore } from "../../../src/issuer/index.js";
import { defaultLimits } from "../../../src/server/limits.js";
import { histogramSamples } from "../../../src/server/metrics/metric-family.js";
import { prometheusText } from "../../../src/server/metrics/prometheus-text.js";
import { CounterMap } from "../../../src/server/telemetry/counter-map.js";
import { Histogram } from "../../../src/server/telemetry/histogram.js";
import { CallMetrics } from "../../../src/server/telemetry/telemetry.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { scrape as scrapePort } from "../../helpers/server/metric-series.js";
import { sampleApp, startServer, type TestServer } from "../../helpers/server/test-server.js";
import { CheapHasher } from "../../helpers/tokens/cheap-hasher.js";

const scrape = ({ listening }: TestServer) => scrapePort(listening.metricsPort);

const start = (options = {}) => startServer(sampleApp(), { metrics: { port: 0 }, ...options });
const callCount = (method: string, status: string, errorType?: string) =>
  `rpc_server_call_duration_seconds_count{rpc_system_name="jsonrpc",rpc_method="${method}",rpc_status_code="${status}"${errorType === undefined ? "" : `,error_type="${errorType}"`}}`;

describe("A histogram", () => {
  it("counts a value in the first bucket that it fits, its bound included, and adds it up", () => {
    const histogram = new Histogram([1, 2]);
    for (const value of [0.5, 1, 1.5, 2, 3]) histogram.observe(value);
    const samples = histogramSamples({ a: "b" }, histogram).map(({ suffix, labels, value }) => [
      suffix,
      labels.le,
      value,
    ]);
    expect(samples).to.deep.equal([
      ["_bucket", "1", 2],
      ["_bucket", "2", 4],
      ["_bucket", "+Inf", 5],
      ["_sum", undefined, 8],
      ["_count", undefined, 5],
    ]);
  });
});

describe("The text of metrics", () => {
  it("escapes what would end a label or a line", () => {
    const samples = () => [{ labels: { a: 'x"\n\\' }, value: 1 }];
    expect(prometheusText([{ name: "m", help: "one\ntwo\\", type: "gauge", samples }])).to.equal(
      '# HELP m one\\ntwo\\\\\n# TYPE m gauge\nm{a="x\\"\\n\\\\"} 1\n',
    );
  });
});

describe("/metrics", () => {
  it("counts calls by method and outcome, refused ones and notifications too", async () => {
    await using server = await start();
    const client = await server.login();
    client.send({ jsonrpc: "2.0", method: "nothing" });
    await client.call("nothing");
    await client.call("fail");
    await client.call("numbers.add", { a: 1 });
    await client.call("time.now");
    const found = await scrape(server);
    expect(found.get(callCount("nothing", "none"))).to.equal(1);
    expect(found.get(callCount("nothing", "OK"))).to.equal(1);
    expect(found.get(callCount("fail", "-32603", "internal_error"))).to.equal(1);
    expect(found.get(callCount("numbers.add", "-32003", "forbidden"))).to.equal(1);
    expect(found.get(callCount("time.now", "OK"))).to.equal(1);
  });

  it("measures how long a call took, in seconds, by the clock of the server", async () => {
    const clock = new ManualClock();
    await using server = await start({ clock, limits: { pingInterval: Number.POSITIVE_INFINITY } });
    const client = await server.login();
    client.send({ jsonrpc: "2.0", id: "slow", method: "wait" });
    await client.call("ping");
    clock.advance(2_000);
    client.send({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: "slow" } });
    await client.nextWhere(({ id }) => id === "slow");
    const found = await scrape(server);
    const labels =
      'rpc_system_name="jsonrpc",rpc_method="wait",rpc_status_code="-32011",error_type="cancelled"';
    expect(found.get(`rpc_server_call_duration_seconds_sum{${labels}}`)).to.equal(2);
    expect(found.get(`rpc_server_call_duration_seconds_bucket{${labels},le="1"}`)).to.equal(0);
    expect(found.get(`rpc_server_call_duration_seconds_bucket{${labels},le="2.5"}`)).to.equal(1);
  });

  it("has no label that a peer can fill: ten thousand made-up methods are one series", async () => {
    await using server = await start();
    const client = await server.login();
    await client.call("nope");
    const before = (await scrape(server)).size;
    for (let n = 0; n < 10_000; n++) client.send({ jsonrpc: "2.0", method: `made.up${n}` });
    await client.call("ping");
    const found = await scrape(server);
    expect(found.get(callCount("_OTHER", "-32601", "method_not_found"))).to.equal(10_001);
    expect(found.size - before).to.be.at.most(17); // ping came in
    expect([...found.keys()].some((key) => key.includes("made"))).to.equal(false);
  });

  it("bounds close codes, and the codes of declared errors", () => {
    const meter = new CallMetrics();
    for (let code = 1; code <= 1_000; code++) meter.observe("m", code, 0);
    expect([...meter].length).to.be.at.most(65);
    expect([...meter].find(({ status }) => status === "_OTHER")?.histogram.count).to.equal(
      1_000 - 64,
    );
    const tally = new CounterMap(2);
    for (const label of ["a", "b", "c", "d", "a"]) tally.add(label);
    expect([...tally]).to.deep.equal([
      ["a", 2],
      ["b", 1],
      ["_OTHER", 2],
    ]);
  });

  it("shows connections by state, how they were opened and closed, and a code that a peer made up as one of the others", async () => {
    await using server = await start();
    const [ada, bob] = [await server.login({ sub: "ada" }), await server.login({ sub: "bob" })];
    await server.connect();
    ada.socket.close(3_999);
    await ada.closed;
    await server.server.kick({ subject: "bob" });
    await bob.closed;
    while (server.server.connections > 1) await new Promise((resolve) => setImmediate(resolve));
    const found = await scrape(server);
    expect(found.get('jotwire_connections{state="open"}')).to.equal(1);
    expect(found.get('jotwire_connections{state="active"}')).to.equal(0);
    expect(found.get("jotwire_connections_opened_total")).to.equal(3);
    expect(found.get('jotwire_connections_closed_total{code="_OTHER"}')).to.equal(1);
    expect(found.get('jotwire_connections_closed_total{code="4403"}')).to.equal(1);
  });

  it("counts the outcomes of auth calls by their reason, revocations and refused handshakes", async () => {
    await using server = await start({ limits: { unauthenticatedConnectionsPerAddress: 2 } });
    const client = await server.login();
    await client.call("refresh", { token: "x" });
    await client.call("refresh", {});
    await client.call("refresh", { token: server.token({ sub: "other" }) });
    await client.call("logout");
    await server.connect();
    expect(await rejectionOf(server.connect()))
      .to.have.property("message")
      .that.includes("429");
    await server.server.revoke({ subject: "somebody" });
    const found = await scrape(server);
    for (const [method, outcome] of [
      ["authenticate", "ok"],
      ["refresh", "token_invalid"],
      ["refresh", "invalid_params"],
      ["refresh", "subject_mismatch"],
      ["logout", "ok"],
    ])
      expect(
        found.get(`jotwire_auth_calls_total{method="${method}",outcome="${outcome}"}`),
        `${method} ${outcome}`,
      ).to.equal(1);
    expect(found.get("jotwire_revocations_total")).to.equal(1);
    expect(found.get("jotwire_revocations_remembered")).to.equal(1);
    expect(found.get('jotwire_upgrades_refused_total{status="429"}')).to.equal(1);
    expect(
      found.get('jotwire_limit_hits_total{limit="unauthenticatedConnectionsPerAddress"}'),
    ).to.equal(1);
  });

  it("counts what was refused or cut for a limit, and shows the others with 0", async () => {
    const clock = new ManualClock();
    const limits = {
      requestsInFlight: 1,
      batchLength: 1,
      requestTimeout: 1_000,
      responseBytes: 200,
      failedAuthCalls: 1,
      pingInterval: Number.POSITIVE_INFINITY,
    };
    await using server = await start({ clock, limits });
    const client = await server.login();
    client.send({ jsonrpc: "2.0", id: "slow", method: "wait" });
    await client.call("wait");
    client.send([1, 2]);
    await client.nextWhere(({ id }) => id === null);
    clock.advance(1_000);
    await client.nextWhere(({ id }) => id === "slow");
    await client.call("rpc.discover");
    const stranger = await server.connect();
    await stranger.authenticate("x");
    await stranger.closed;
    const found = await scrape(server);
    for (const limit of ["requestsInFlight", "batchLength", "requestTimeout", "failedAuthCalls"])
      expect(found.get(`jotwire_limit_hits_total{limit="${limit}"}`), limit).to.equal(1);
    const shown = [...found.keys()].filter((key) => key.startsWith("jotwire_limit_hits_total"));
    expect(shown).to.have.length(Object.keys(defaultLimits).length + 2);
    expect(found.get('jotwire_limit_hits_total{limit="failedLoginsPerAddress"}')).to.equal(0);
    expect(found.get('jotwire_limit_hits_total{limit="tokensPerSubject"}')).to.equal(0);
    expect(found.get('jotwire_limit_hits_total{limit="sendBufferHardBytes"}')).to.equal(0);
  });

  it("tells what became of pushes, and the issuer's logins, refreshes and reuse", async () => {
    const issuer = await createIssuer({
      issuer: "https://id.test",
      audience: "test",
      store: memoryStore(),
      testing: { passwordHasher: new CheapHasher() },
      reuseWindow: 0,
      failedLoginsPerAddress: 1,
    });
    await issuer.users.add("ada", "correct horse battery", { scopes: ["numbers:add"] });
    await using server = await startServer(sampleApp(), { auth: issuer, metrics: { port: 0 } });
    const { token, refreshToken } = await issuer.login("ada", "correct horse battery");
    await rejectionOf(issuer.login("ada", "wrong horse battery", { address: "192.0.2.1" }));
    await rejectionOf(issuer.login("ada", "correct horse battery", { address: "192.0.2.1" }));
    const client = await server.connect();
    await client.authenticate(token);
    await client.call("numbers.add", { a: 1 });
    await issuer.renew(refreshToken);
    await rejectionOf(issuer.renew(refreshToken));
    await client.closed;
    const found = await scrape(server);
    expect(found.get('jotwire_pushes_total{outcome="sent"}')).to.equal(1);
    for (const [grant, outcome] of [
      ["login", "granted"],
      ["login", "refused"],
      ["refresh", "granted"],
      ["refresh", "refused"],
    ])
      expect(
        found.get(`jotwire_issuer_grants_total{grant="${grant}",outcome="${outcome}"}`),
        `${grant} ${outcome}`,
      ).to.equal(1);
    expect(found.get("jotwire_refresh_reuse_total")).to.equal(1);
    expect(found.get('jotwire_limit_hits_total{limit="failedLoginsPerAddress"}')).to.equal(1);
    await issuer.close();
  });

  it("is on a port of its own, on loopback, answers nothing else, and closes with the server", async () => {
    const server = await start();
    const base = `http://127.0.0.1:${server.listening.metricsPort}`;
    expect((await fetch(`${base}/`)).status).to.equal(404);
    expect((await fetch(`${base}/metrics`, { method: "POST" })).status).to.equal(404);
    expect((await fetch(`http://127.0.0.1:${server.listening.port}/metrics`)).status).to.equal(404);
    expect(server.server.metricsText()).to.include("nodejs_eventloop_delay_p99_seconds ");
    await server.close();
    expect(await fetch(`${base}/metrics`).catch(() => "refused")).to.equal("refused");
  });

  it("does not exist without the option", async () => {
    await using server = await startServer(sampleApp());
    expect(server.listening).to.not.have.property("metricsPort");
    expect(() => server.server.metricsText()).to.throw(TypeError, /option metrics/);
  });

  it("can live in the registry of the application, which then serves it", async () => {
    const metrics: RegisteredMetric[] = [];
    const registry: MetricsRegistry = { registerMetric: (metric) => void metrics.push(metric) };
    await using server = await startServer(sampleApp(), { metrics: { registry } });
    await server.login();
    expect(server.listening).to.not.have.property("metricsPort");
    const opened = await metrics
      .find(({ name }) => name === "jotwire_connections_opened_total")
      ?.get();
    expect(opened).to.deep.include({ type: "counter", aggregator: "sum" });
    expect(opened?.values).to.deep.equal([
      { value: 1, labels: {}, metricName: "jotwire_connections_opened_total" },
    ]);
  });
});
