import { expect } from "chai";
import { eventually } from "../helpers/eventually.js";
import { TcpProxy } from "../helpers/network/tcp-proxy.js";
import { password, RedisNode, whoApp } from "../helpers/redis/redis-node.js";
import { hasRedis, RedisServer } from "../helpers/redis/redis-server.js";
import { rejectionOf } from "../helpers/rejection.js";
import { requires } from "../helpers/requirement.js";
import { series } from "../helpers/server/metric-series.js";
import { RawClient } from "../helpers/server/raw-client.js";

const unavailable = -32007;
const revoked = -32005;

describe("Several nodes on one Redis", () => {
  let redis: RedisServer;
  const nodes: RedisNode[] = [];
  let deployments = 0;

  /** So many nodes of a new deployment with the user ada. */
  async function deploy(
    count: number,
    issuerOptions: { readonly reuseWindow?: number } = {},
  ): Promise<RedisNode[]> {
    const prefix = `n${deployments++}`;
    const started: RedisNode[] = [];
    for (let n = 0; n < count; n++) started.push(await join(prefix, redis.url, issuerOptions));
    await started[0]?.issuer.users.add("ada", password, { scopes: ["orders:read"] });
    return started;
  }

  async function join(
    prefix: string,
    url: string,
    issuerOptions: { readonly reuseWindow?: number } = {},
  ): Promise<RedisNode> {
    const node = await RedisNode.start({ url, prefix }, whoApp(), issuerOptions);
    nodes.push(node);
    return node;
  }

  /** Nodes of a new deployment that refuse an address after so many failed tokens in a minute. */
  async function limited(count: number, authFailuresPerAddress: number): Promise<RedisNode[]> {
    const options = { url: redis.url, prefix: `n${deployments++}` };
    const started: RedisNode[] = [];
    for (let n = 0; n < count; n++)
      started.push(await RedisNode.start(options, whoApp(), {}, { authFailuresPerAddress }));
    nodes.push(...started);
    return started;
  }

  /** Presents a token that is none. */
  async function fail(node: RedisNode): Promise<void> {
    const client = await node.open();
    await client.authenticate("none");
    await client.close();
  }

  before(async function () {
    requires(this, "Redis", hasRedis);
    redis = await RedisServer.start();
  });

  afterEach(async () => {
    redis?.goOn();
    for (const node of nodes.splice(0)) await node[Symbol.asyncDispose]();
    if (await redis?.isDown()) await redis.restart();
  });

  after(() => redis?.stop());

  it("count failed tokens of an address together: each refuses its upgrades from the next failure there", async () => {
    const [a, b] = (await limited(2, 4)) as [RedisNode, RedisNode];
    for (let n = 0; n < 3; n++) await fail(a);
    await (await b.open()).close();
    await fail(b);
    await eventually(async () => expect((await rejectionOf(b.open())).message).to.include("429"));
    await fail(a); // has not heard of the fourth yet, and hears of it by its own
    await eventually(async () => expect((await rejectionOf(a.open())).message).to.include("429"));
  });

  it("let nobody wait for Redis at an upgrade, and each counts failed tokens for itself while it is away", async () => {
    const [a] = (await limited(1, 2)) as [RedisNode];
    redis.hang();
    const startedAt = performance.now();
    const client = await a.open();
    expect(performance.now() - startedAt).to.be.below(500);
    await client.authenticate("none");
    await client.authenticate("none");
    expect((await rejectionOf(a.open())).message).to.include("429");
    await client.close();
  });

  it("authenticate, refresh, log out and revoke on any of them: none needs the one where it began", async () => {
    const [a, b, c] = (await deploy(3)) as [RedisNode, RedisNode, RedisNode];
    const { access_token, refresh_token } = await a.login();
    const client = await b.connect(access_token);
    expect((await client.call("who")).result).to.equal("ada");
    const renewed = (await c.post("/token", {
      grant_type: "refresh_token",
      refresh_token,
    })) as Response;
    const { refresh_token: next } = (await renewed.json()) as { refresh_token: string };
    const refreshed = (await client.call("refresh", { refreshToken: next })).result as unknown as {
      refreshToken: string;
    };
    expect((await a.post("/revoke", { token: refreshed.refreshToken })).status).to.equal(200);
    expect(await client.closed).to.deep.equal({ code: 4401, reason: "token_revoked" });
    for (const node of [a, b, c]) {
      const again = await RawClient.connect(node.url);
      expect((await again.authenticate(access_token)).error?.code).to.equal(revoked);
      await again.close();
    }
  });

  it("close the connections of a user whom another node disables or names in revoke", async () => {
    const [a, b] = (await deploy(2)) as [RedisNode, RedisNode];
    const first = await b.connect((await a.login()).access_token);
    // none is so old
    await a.server.revoke({ subject: "ada", issuedBefore: Date.now() - 3_600_000 });
    expect((await first.call("who")).result).to.equal("ada");
    await a.issuer.users.disable("ada");
    expect((await first.closed).reason).to.equal("token_revoked");
    expect((await b.post("/login", { username: "ada", password })).status).to.equal(400);
  });

  it("end all sessions of a user from any of them, and let the user in again at once", async () => {
    const [a, b] = (await deploy(2)) as [RedisNode, RedisNode];
    const old = await a.login();
    const [here, there] = [await a.connect(old.access_token), await b.connect(old.access_token)];
    for (let turn = 0; turn < 2; turn++) {
      await a.issuer.endSessions("ada");
      const again = await b.connect((await b.login()).access_token); // within the same second
      expect((await again.call("who")).result).to.equal("ada");
      await again.close();
    }
    for (const client of [here, there])
      expect(await client.closed).to.deep.equal({ code: 4401, reason: "token_revoked" });
    for (const node of [a, b]) {
      const use = { grant_type: "refresh_token", refresh_token: old.refresh_token };
      expect((await node.post("/token", use)).status).to.equal(400);
    }
  });

  it("tell live sessions of changed scopes, and refuse older tokens from then on", async () => {
    const [a, b] = (await deploy(2)) as [RedisNode, RedisNode];
    const old = await a.login();
    const client = await b.connect(old.access_token);
    await a.issuer.users.update("ada", { scopes: ["orders:read", "orders:write"] });
    expect((await client.notification("auth.refreshRequired")).params).to.deep.include({
      reason: "claims_changed",
    });
    const renewed = await client.call("refresh", { refreshToken: old.refresh_token });
    expect(renewed.result).to.deep.include({ scopes: ["orders:read", "orders:write"] });
    const late = await b.open();
    expect((await late.authenticate(old.access_token)).error?.code).to.equal(revoked);
    await a.issuer.users.update("ada", { scopes: [] }, { margin: 0 });
    expect((await client.closed).reason).to.equal("token_revoked");
  });

  it("measure how long a revocation takes to reach the others, and show a store that is away", async () => {
    const [a, b] = (await deploy(2)) as [RedisNode, RedisNode];
    const shown = ({ server }: RedisNode, name: string) => series(server.metricsText()).get(name);
    await a.server.revoke({ subject: "nobody" });
    await eventually(() => expect(shown(b, "jotwire_revocation_lag_seconds_count")).to.equal(1));
    expect(shown(b, "jotwire_revocation_lag_seconds_sum")).to.be.within(0, 60);
    expect(shown(a, "jotwire_revocation_lag_seconds_count"), "it did that itself").to.equal(0);
    expect(
      shown(a, 'jotwire_store_operation_duration_seconds_count{operation="revocations.add"}'),
    ).to.equal(1);
    await eventually(() => expect(shown(a, "jotwire_store_up")).to.equal(1));
    redis.hang();
    await eventually(() => expect(shown(a, "jotwire_store_up")).to.equal(0));
    await rejectionOf(a.server.revoke({ subject: "somebody" }));
    expect(shown(a, 'jotwire_store_failures_total{operation="revocations.add"}')).to.equal(1);
    redis.goOn();
    await eventually(() => expect(shown(a, "jotwire_store_up")).to.equal(1));
  });

  it("let one of many uses of one refresh token win, wherever it is used", async function () {
    this.timeout(60_000);
    const [a, b] = (await deploy(2, { reuseWindow: 0 })) as [RedisNode, RedisNode];
    for (let race = 0; race < 10; race++) {
      const { refresh_token } = await a.login();
      const use = { grant_type: "refresh_token", refresh_token };
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? a : b).post("/token", use)),
      );
      const statuses = answers.map(({ status }) => status);
      expect(statuses.filter((status) => status === 200)).to.have.length(1);
      expect(statuses.filter((status) => status === 400)).to.have.length(99);
    }
  });

  it("show, notify and kick connections of each other", async () => {
    const [a, b] = (await deploy(2)) as [RedisNode, RedisNode];
    const client = await b.connect((await a.login()).access_token);
    const { sessions, complete } = await a.server.sessions({ subject: "ada" });
    expect({ seen: sessions.map(({ subject }) => subject), complete }).to.deep.equal({
      seen: ["ada"],
      complete: true,
    });
    await a.server.notify({ subject: "ada" }, "news", { text: "hello" });
    expect((await client.notification("news")).params).to.deep.equal({ text: "hello" });
    expect(await a.server.kick({ subject: "ada" })).to.deep.equal({ kicked: 1, complete: true });
    expect((await client.closed).reason).to.equal("kicked");
  });

  it("count failed logins together", async () => {
    const [a, b] = (await deploy(2)) as [RedisNode, RedisNode];
    for (let n = 0; n < 6; n++)
      await (n % 2 === 0 ? a : b).post("/login", {
        username: "ada",
        password: "wrong, but long enough",
      });
    expect((await b.post("/login", { username: "ada", password })).status).to.equal(400);
  });

  it("know of a revocation within a second, at the 99th percentile", async () => {
    const [a, b] = (await deploy(2)) as [RedisNode, RedisNode];
    const latencies: number[] = [];
    for (let n = 0; n < 200; n++) {
      const told = new Promise<void>((resolve) => {
        const stop = b.store.revocations.subscribe(({ jti }) => {
          if (jti !== `t${n}`) return;
          stop();
          resolve();
        });
      });
      const revokedAt = performance.now();
      await Promise.all([a.server.revoke({ jti: `t${n}` }), told]);
      latencies.push(performance.now() - revokedAt);
    }
    latencies.sort((x, y) => x - y);
    expect(latencies[197]).to.be.below(1_000);
  });

  it("keep two deployments with different prefixes apart", async () => {
    const [[a], [other]] = (await Promise.all([deploy(1), deploy(1)])) as [
      [RedisNode],
      [RedisNode],
    ];
    const { access_token, refresh_token } = await a.login();
    const stranger = await RawClient.connect(other.url);
    expect((await stranger.authenticate(access_token)).error?.code).to.equal(-32004);
    expect(
      (await other.post("/token", { grant_type: "refresh_token", refresh_token })).status,
    ).to.equal(400);
    await other.server.revoke({ subject: "ada" });
    const client = await a.connect(access_token);
    expect((await client.call("who")).result).to.equal("ada");
    await stranger.close();
  });

  it("that are cut off serve live sessions but accept no token, and learn first what was revoked when they are back", async () => {
    await using proxy = await TcpProxy.listen();
    proxy.leadTo(redis.port);
    const [near] = (await deploy(1)) as [RedisNode];
    const far = await join(`n${deployments - 1}`, `redis://127.0.0.1:${proxy.port}`);
    const { access_token, refresh_token } = await near.login();
    const client = await far.connect(access_token);
    proxy.blackHole();
    proxy.down(); // for new connections
    await near.server.revoke({ subject: "ada" });
    expect((await client.call("who")).result).to.equal("ada"); // goes on: it can't know
    const stranger = await RawClient.connect(far.url);
    await eventually(async () =>
      expect((await stranger.authenticate(access_token)).error?.code).to.equal(unavailable),
    );
    expect((await client.call("refresh", { token: access_token })).error?.code).to.equal(
      unavailable,
    );
    expect((await client.call("refresh", { refreshToken: refresh_token })).error?.code).to.equal(
      unavailable,
    );
    proxy.restore();
    await eventually(async () =>
      expect((await stranger.authenticate(access_token)).error?.code).to.equal(revoked),
    );
    expect((await client.closed).code).to.equal(4401);
    await stranger.close();
    await far[Symbol.asyncDispose]();
  });

  for (const [how, leave, comeBack] of [
    ["killed", () => redis.kill(), () => redis.restart()],
    ["hanging", async () => redis.hang(), async () => redis.goOn()],
  ] as const) {
    it(`whose Redis is ${how} go on with live sessions, refuse logins and refreshes in a second, and recover in five`, async () => {
      const [a] = (await deploy(1)) as [RedisNode];
      const { access_token, refresh_token } = await a.login();
      const client = await a.connect(access_token);
      await leave();
      for (const attempt of [
        async () =>
          expect(
            (await client.call("refresh", { refreshToken: refresh_token })).error?.code,
          ).to.equal(unavailable),
        async () =>
          expect((await a.post("/login", { username: "ada", password })).status).to.equal(503),
        async () =>
          expect(
            (await a.post("/token", { grant_type: "refresh_token", refresh_token })).status,
          ).to.equal(503),
      ]) {
        const startedAt = performance.now();
        await attempt();
        // 1 s, and what a busy machine adds
        expect(performance.now() - startedAt).to.be.below(2_000);
      }
      expect((await client.call("who")).result).to.equal("ada");
      await comeBack();
      await eventually(async () => {
        const other = await RawClient.connect(a.url);
        const { error } = await other.authenticate(access_token);
        await other.close();
        expect(error).to.equal(undefined);
      });
      if (how === "hanging")
        expect((await client.call("refresh", { refreshToken: refresh_token })).error).to.equal(
          undefined,
        );
      expect((await client.call("who")).result).to.equal("ada");
      await client.close();
    });
  }

  it("whose Redis came back empty refuse what they know to be revoked, on a new node too, and know their tokens", async () => {
    const [a] = (await deploy(1)) as [RedisNode];
    const [first, second] = [await a.login(), await a.login()];
    await a.post("/revoke", { token: first.refresh_token });
    await redis.kill();
    await redis.restart();
    const client = await RawClient.connect(a.url);
    await eventually(async () =>
      expect((await client.authenticate(first.access_token)).error?.code).to.equal(revoked),
    );
    const fresh = await join(`n${deployments - 1}`, redis.url);
    const other = await RawClient.connect(fresh.url);
    expect((await other.authenticate(first.access_token)).error?.code).to.equal(revoked);
    // the keys were written back
    expect((await other.authenticate(second.access_token)).error).to.equal(undefined);
    expect(
      (
        await fresh.post("/token", {
          grant_type: "refresh_token",
          refresh_token: second.refresh_token,
        })
      ).status,
    ).to.equal(400);
    await Promise.all([client.close(), other.close()]);
  });
});
