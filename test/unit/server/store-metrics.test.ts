import { expect } from "chai";
import type { RevocationListener } from "../../../src/auth/revocation/revocation.js";
import { createIssuer, memoryStore, type Store } from "../../../src/issuer/index.js";
import { defaultLimits } from "../../../src/server/limits.js";
import { EventLoopDelay } from "../../../src/server/metrics/event-loop-delay.js";
import { prometheusText } from "../../../src/server/metrics/prometheus-text.js";
import { serverMetrics } from "../../../src/server/metrics/server-metrics.js";
import { StoreMetrics } from "../../../src/server/telemetry/telemetry.js";
import { storeOperations, TimedStore } from "../../../src/store/timed-store.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { SubscriptionHarness } from "../../helpers/models/subscription-harness.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { scrape, series } from "../../helpers/server/metric-series.js";
import { TestBus } from "../../helpers/server/test-bus.js";
import { sampleApp, startServer } from "../../helpers/server/test-server.js";
import { CheapHasher } from "../../helpers/tokens/cheap-hasher.js";

const password = "correct horse battery";
const identity = {
  issuer: "https://id.test",
  audience: "test",
  testing: { passwordHasher: new CheapHasher() },
};
const count = (operation: string) =>
  `jotwire_store_operation_duration_seconds_count{operation="${operation}"}`;
const sum = (operation: string) =>
  `jotwire_store_operation_duration_seconds_sum{operation="${operation}"}`;
const failures = (operation: string) => `jotwire_store_failures_total{operation="${operation}"}`;

/** A store in which some records are as given. */
function storeWith(changed: Partial<Store>): Store {
  return Object.assign(memoryStore(), changed);
}

describe("Metrics of the store", () => {
  it("time what the issuer and the server do there, by operation, in seconds, and count what fails", async () => {
    const clock = new ManualClock();
    const { families: kept, revocations } = memoryStore();
    let isBroken = false;
    const families: Store["families"] = {
      add: async (family) => {
        clock.advance(20);
        if (isBroken) throw new Error("the disk is full");
        return kept.add(family);
      },
      get: (id) => kept.get(id),
      rotate: (rotation) => kept.rotate(rotation),
      revoke: (id) => kept.revoke(id),
      revokeSubject: (subject) => kept.revokeSubject(subject),
      sweep: (now) => kept.sweep(now),
    };
    const issuer = await createIssuer({
      ...identity,
      testing: { ...identity.testing, clock },
      store: storeWith({ families, revocations }),
    });
    await issuer.users.add("ada", password, { scopes: [] });
    await issuer.login("ada", password); // nobody watches yet
    await using server = await startServer(sampleApp(), {
      auth: issuer,
      clock,
      metrics: { port: 0 },
    });
    await issuer.login("ada", password);
    isBroken = true;
    await rejectionOf(issuer.login("ada", password));
    await server.server.revoke({ subject: "nobody" });
    const found = await scrape(server.listening.metricsPort);
    expect(found.get(count("families.add"))).to.equal(2);
    expect(found.get(sum("families.add"))).to.be.closeTo(0.04, 1e-9);
    expect(found.get(failures("families.add"))).to.equal(1);
    expect(found.get(count("users.get"))).to.be.at.least(2);
    expect(found.get(failures("users.get"))).to.equal(0);
    expect(found.get(count("revocations.add"))).to.equal(1);
    expect(found.get(count("families.rotate")), "nobody did that").to.equal(undefined);
    for (const operation of storeOperations)
      expect(found.has(failures(operation)), operation).to.equal(true);
    await issuer.close();
  });

  it("time the bus of a store, whose notifications go on reaching their recipients", async () => {
    const bus = new TestBus();
    await using server = await startServer(sampleApp(), {
      store: storeWith({ bus }),
      metrics: { port: 0 },
    });
    const client = await server.login();
    await server.server.notify("all", "numbers.changed", { sum: 1 });
    expect(
      (await client.nextWhere(({ method }) => method === "numbers.changed")).params,
    ).to.deep.equal({ sum: 1 });
    bus.isBroken = true;
    await rejectionOf(server.server.notify("all", "numbers.changed", { sum: 2 }));
    const found = await scrape(server.listening.metricsPort);
    expect(found.get(failures("bus.send"))).to.equal(1);
    expect(found.get(count("bus.send"))).to.be.at.least(2);
  });

  it("have no label that an issuer of another make could fill", () => {
    const meter = new StoreMetrics();
    for (let n = 0; n < 1_000; n++) meter.observe(`made.up${n}`, 0, true);
    expect([...meter]).to.have.length(storeOperations.length + 1);
    expect(new Map(meter).get("_OTHER")?.failures).to.equal(1_000);
  });

  it("say at each look whether the store is there", async () => {
    const { revocations } = memoryStore();
    let whenCurrent = () => Promise.resolve();
    const fickle: Store["revocations"] = {
      add: (revocation) => revocations.add(revocation),
      list: (now) => revocations.list(now),
      subscribe: (listener) => revocations.subscribe(listener),
      whenCurrent: () => whenCurrent(),
    };
    await using server = await startServer(sampleApp(), {
      store: storeWith({ revocations: fickle }),
      metrics: { port: 0 },
    });
    const up = async () => (await scrape(server.listening.metricsPort)).get("jotwire_store_up");
    expect(await up()).to.equal(1);
    whenCurrent = () => Promise.reject(new Error("gone"));
    expect(await up()).to.equal(0);
    whenCurrent = () => new Promise(() => {});
    expect(await up(), "it hangs").to.equal(0);
    whenCurrent = () => Promise.resolve();
    expect(server.server.metricsText(), "as it was at the last look").to.include(
      "\njotwire_store_up 0\n",
    );
    expect(await up()).to.equal(1);
  });

  it("tell what the store throws or answers at once as it is, with and without somebody who watches", () => {
    const watch = new TimedStore(new ManualClock());
    const bus = watch.bus(new TestBus());
    const heard: unknown[] = [];
    for (const stop of [
      () => {},
      watch.observe((operation, _duration, hasFailed) => heard.push([operation, hasFailed])),
    ]) {
      expect(() => bus.read("t", { size: 1, ttl: Number.POSITIVE_INFINITY }, undefined)).to.throw(
        "no topics here",
      );
      expect(bus.publish("t", "1", undefined)).to.equal(undefined);
      stop();
    }
    expect(heard).to.have.length(4);
    expect(heard.slice(0, 2)).to.deep.equal([
      ["bus.read", true],
      ["bus.publish", false],
    ]);
    bus.publish("t", "2", undefined);
    expect(heard, "it was stopped").to.have.length(4);
  });
});

describe("The lag of revocations", () => {
  it("is the time since another process announced one, not less than 0, and nothing where nobody knows when that was", async () => {
    const clock = new ManualClock();
    let announce: RevocationListener = () => {};
    const { revocations } = memoryStore();
    const heard: Store["revocations"] = {
      add: (revocation) => revocations.add(revocation),
      list: (now) => revocations.list(now),
      subscribe: (listener) => {
        announce = listener;
        return () => {};
      },
    };
    await using server = await startServer(sampleApp(), {
      clock,
      store: storeWith({ revocations: heard }),
      metrics: { port: 0 },
    });
    const client = await server.login();
    announce({ subject: "user-1" }, clock.now() - 1_500);
    expect((await client.closed).reason).to.equal("token_revoked");
    announce({ subject: "user-1" }, clock.now() - 9_000); // known already
    announce({ subject: "user-2" }, clock.now() + 30_000); // by a clock that is ahead
    announce({ subject: "user-3" });
    await server.server.revoke({ subject: "user-4" });
    const found = await scrape(server.listening.metricsPort);
    expect(found.get("jotwire_revocations_total")).to.equal(4);
    expect(found.get("jotwire_revocation_lag_seconds_count")).to.equal(2);
    expect(found.get("jotwire_revocation_lag_seconds_sum")).to.equal(1.5);
  });
});

describe("Metrics of pushes", () => {
  it("count those that were held and lost when there were too many, and all after them", async () => {
    const clock = new ManualClock();
    await using server = await startServer(sampleApp(), {
      clock,
      limits: { pingInterval: Number.POSITIVE_INFINITY },
      metrics: { port: 0 },
    });
    const client = await server.login({ exp: Math.floor(clock.now() / 1000) + 10 });
    clock.advance(10_000);
    await client.nextWhere(({ method }) => method === "auth.expired");
    const pushes = async (outcome: string) =>
      (await scrape(server.listening.metricsPort)).get(
        `jotwire_pushes_total{outcome="${outcome}"}`,
      );
    const notify = async (times: number) => {
      for (let n = 0; n < times; n++)
        await server.server.notify("all", "numbers.changed", { sum: n });
    };
    await notify(256);
    expect(await pushes("overflowed")).to.equal(0);
    await notify(1);
    expect(await pushes("overflowed")).to.equal(257);
    await notify(2);
    expect(await pushes("overflowed")).to.equal(259);
    expect(await pushes("held")).to.equal(259);
    expect(
      (
        await client.call("refresh", {
          token: server.token({ exp: Math.floor(clock.now() / 1000) + 900 }),
        })
      ).result,
    ).to.include({
      gap: true,
    });
    await notify(1);
    expect(await pushes("overflowed")).to.equal(259);
    expect(await pushes("sent")).to.equal(1);
  });

  it("count the connections that were closed since their peers did not read", async () => {
    const rig = new SubscriptionHarness(new ManualClock(), "end");
    const peer = rig.connect();
    peer.send({ id: 1, method: "ping" });
    await rig.settle();
    expect(new Map(rig.telemetry.limits).get("sendBufferHardBytes")).to.equal(undefined);
    peer.socket.bufferedAmount = defaultLimits.sendBufferHardBytes + 1;
    peer.send({ id: 2, method: "ping" });
    await rig.settle();
    expect(peer.isClosed).to.equal(true);
    expect(closedForSlowness(rig)).to.equal(1);
    rig.dispose();
  });
});

function closedForSlowness({ telemetry }: SubscriptionHarness): number | undefined {
  const eventLoop = new EventLoopDelay();
  const store = { wasStoreThere: true, isStoreThere: async () => true };
  const nothing = {
    issuers: [],
    members: () => [],
    rememberedRevocations: () => 0,
    isOverloaded: () => false,
  };
  const families = serverMetrics({ telemetry, store, eventLoop, ...nothing });
  return series(prometheusText(families)).get('jotwire_slow_readers_total{outcome="closed"}');
}
