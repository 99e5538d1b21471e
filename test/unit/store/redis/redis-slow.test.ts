import { expect } from "chai";
import { createIssuer, type Issuer } from "../../../../src/issuer/index.js";
import {
  type RedisStore,
  redisStore,
  StoreUnavailableError,
} from "../../../../src/store/redis/index.js";
import { eventually } from "../../../helpers/eventually.js";
import { TcpProxy } from "../../../helpers/network/tcp-proxy.js";
import { hasRedis, RedisServer } from "../../../helpers/redis/redis-server.js";
import { rejectionOf } from "../../../helpers/rejection.js";
import { requires } from "../../../helpers/requirement.js";
import { CheapHasher } from "../../../helpers/tokens/cheap-hasher.js";

const password = "correct horse battery";
// ms each way: one call takes 300 of the 750 that it may take, three of them more
const slow = { delay: 150 };

describe("Redis is slow", () => {
  let redis: RedisServer;
  let network: TcpProxy;
  let store: RedisStore;
  let issuer: Issuer;

  before(async function () {
    requires(this, "Redis", hasRedis);
    redis = await RedisServer.start();
  });

  beforeEach(async () => {
    network = await TcpProxy.listen();
    network.leadTo(redis.port);
    store = redisStore({ url: `redis://127.0.0.1:${network.port}`, prefix: `slow${network.port}` });
    issuer = await createIssuer({
      issuer: "http://localhost:8080",
      audience: "jotwire",
      store,
      testing: { passwordHasher: new CheapHasher() },
    });
    await issuer.users.add("ada", password);
  });

  afterEach(async () => {
    await store.close();
    await network[Symbol.asyncDispose]();
  });

  after(() => redis?.stop());

  /** What it rejects with, which must be soon. */
  async function soonRefused(work: () => Promise<unknown>): Promise<unknown> {
    const startedAt = performance.now();
    const error = await rejectionOf(work());
    expect(performance.now() - startedAt).to.be.within(500, 1_000);
    return error;
  }

  it("a login or a refresh is given up as soon as one call would be, and the connection is kept for others", async () => {
    const { refreshToken } = await issuer.login("ada", password);
    network.impair(slow);
    expect(
      await soonRefused(() => issuer.login("ada", password, { address: "192.0.2.1" })),
    ).to.include({ code: "auth_unavailable" });
    expect(await soonRefused(() => issuer.renew(refreshToken, "ada"))).to.include({
      code: "auth_unavailable",
    });
    expect((await store.users.get("ada"))?.username).to.equal("ada"); // one call has time enough
    network.impair({});
    await issuer.renew(refreshToken, "ada"); // if it was consumed, it was so for the one who had it
    await issuer.login("ada", password);
    expect(network.connections).to.equal(1);
  });

  it("the calls of one operation have one time together, those of two have one each", async () => {
    await store.users.get("ada");
    network.impair(slow);
    const [one, two] = [store.operation?.(), store.operation?.()];
    await one?.users.get("ada");
    await one?.attempts.fail("k", 1);
    expect(await rejectionOf(one?.secrets.get("s") ?? Promise.resolve())).to.be.instanceOf(
      StoreUnavailableError,
    );
    const startedAt = performance.now();
    expect(await rejectionOf(one?.secrets.get("s") ?? Promise.resolve())).to.be.instanceOf(
      StoreUnavailableError,
    );
    expect(performance.now() - startedAt).to.be.below(100); // there is nothing left to wait for
    expect(await two?.attempts.fail("k", 1)).to.equal(2);
  });

  it("a script that came too late for its operation says nothing about the connection", async () => {
    await store.users.get("ada");
    network.impair(slow);
    const operation = store.operation?.();
    await operation?.attempts.get("k");
    await operation?.attempts.get("k");
    network.impair({ delay: 250 }); // more than is left for the way there
    expect(
      await rejectionOf(operation?.attempts.fail("k", 1) ?? Promise.resolve()),
    ).to.be.instanceOf(StoreUnavailableError);
    // answered after the late one
    expect(await store.attempts.get("k")).to.deep.equal({ failures: 0, lastAt: 0 });
    expect(network.connections).to.equal(1);
  });

  it("a revocation that an operation could not write is written when there is time", async () => {
    await store.users.get("ada");
    network.impair({ delay: 400 });
    expect(
      await rejectionOf(store.operation?.().revocations.add({ jti: "x" }) ?? Promise.resolve()),
    ).to.be.instanceOf(StoreUnavailableError);
    network.impair({});
    await store.revocations.add({ jti: "y" });
    store.revocations.subscribe(() => {}); // joins the others: what is unsaved is written first
    await store.revocations.whenCurrent?.();
    expect((await store.revocations.list(0)).map(({ jti }) => jti)).to.have.members(["x", "y"]);
  });

  it("so it is by a node that was never cut off", async () => {
    store.revocations.subscribe(() => {});
    await store.revocations.whenCurrent?.();
    const { connections } = network;
    network.impair(slow);
    const operation = store.operation?.();
    await operation?.users.get("ada");
    await operation?.users.get("ada");
    expect(
      await rejectionOf(operation?.revocations.add({ jti: "x" }) ?? Promise.resolve()),
    ).to.be.instanceOf(StoreUnavailableError);
    network.impair({});
    await eventually(async () =>
      expect((await store.revocations.list(0)).map(({ jti }) => jti)).to.deep.equal(["x"]),
    );
    expect(network.connections).to.equal(connections);
  });
});
