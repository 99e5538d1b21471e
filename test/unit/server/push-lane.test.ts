import { setImmediate as endOfTurn } from "node:timers/promises";
import { expect } from "chai";
import { describe, it } from "mocha";
import { FlushQueue, Outbox } from "../../../src/pubsub/outbox.js";
import type { Subscription } from "../../../src/pubsub/subscription.js";
import { RpcFault } from "../../../src/rpc/dispatch/call.js";
import { ConnectionSubscriptions } from "../../../src/server/connection/connection-subscriptions.js";
import type { SubscriptionRight } from "../../../src/server/connection/subscription-right.js";
import { SubscriptionRights } from "../../../src/server/connection/subscription-rights.js";
import { Telemetry } from "../../../src/server/telemetry/telemetry.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { SubscriptionHarness } from "../../helpers/models/subscription-harness.js";
import { rejectionOf } from "../../helpers/rejection.js";

const newLane = () =>
  new ConnectionSubscriptions(
    { id: "c", state: "active", isHigh: () => false },
    new Outbox({ review() {}, write() {}, overflowed() {} }, new FlushQueue()),
    new Telemetry(),
    new SubscriptionRights(new ManualClock()),
    { subscribed() {}, unsubscribed() {}, isBehind: () => false },
  );

/** A subscription that has so many characters of a replay to send. */
const laden = (replayLength: number) =>
  ({ id: String(replayLength), replayLength }) as unknown as Subscription;
const keep = (lane: ConnectionSubscriptions, subscription: Subscription) =>
  lane.keep({
    subscription,
    right: { hasRule: false } as SubscriptionRight,
    opened: { subscription: subscription.id },
    calls: 1,
    isTold: false,
  });

describe("The histories that one connection has read", () => {
  it("are at most four at a time, the others in order; those that are there at once wait for nobody", async () => {
    const lane = newLane();
    const ends: (() => void)[] = [];
    const read = (n: number) =>
      lane.readHistory(() => new Promise<number>((resolve) => ends.push(() => resolve(n))));
    const reads = Array.from({ length: 10 }, (_, n) => read(n));
    for (let ended = 0; ended < 10; ended++) {
      expect(ends.length, `${ended} ended`).to.equal(Math.min(4 + ended, 10));
      ends[ended]?.();
      await endOfTurn();
    }
    expect(await Promise.all(reads)).to.deep.equal(Array.from({ length: 10 }, (_, n) => n));
    for (let n = 0; n < 10; n++) expect(lane.readHistory(() => n)).to.equal(n);
  });

  it("that fail give way to the next, too", async () => {
    const lane = newLane();
    const reads = Array.from({ length: 10 }, () =>
      lane.readHistory(() => Promise.reject(new Error("gone"))),
    );
    const errors = await Promise.all(reads.map((read) => rejectionOf(read as Promise<unknown>)));
    expect(errors.map(({ message }) => message)).to.deep.equal(Array(10).fill("gone"));
  });

  it("are refused when more than 8 Mi characters of others are still to be sent", async () => {
    const lane = newLane();
    const readNothing = () => [];
    keep(lane, laden(8_388_600));
    keep(lane, laden(8));
    expect(lane.readHistory(readNothing)).to.deep.equal([]);
    keep(lane, laden(1));
    expect(() => lane.readHistory(readNothing))
      .to.throw(RpcFault)
      .with.nested.property("error.data")
      .that.includes({ reason: "overloaded", temporary: true, executed: false, retryAfter: 1 });
  });
});

describe("A topic that is being read", () => {
  it("is read once for calls with the same $since that come together, and each is answered with what follows", async () => {
    const rig = new SubscriptionHarness(new ManualClock(), "drop-oldest");
    const peer = rig.connect();
    peer.send({
      id: 0,
      method: "authenticate",
      params: { token: String(rig.clock.now() / 1000 + 900) },
    });
    await rig.settle();
    for (let n = 1; n <= 3; n++) rig.publish("kept", n);
    rig.isFar = true;
    const $since = { epoch: "epoch 1.0", offset: 1 };
    peer.received();
    for (let id = 1; id <= 5; id++) peer.send({ id, method: "kept", params: { $since } });
    for (let turn = 0; turn < 5; turn++) await rig.settle();
    expect(rig.reads).to.equal(1);
    const frames = peer.received();
    const answers = frames.filter(({ id }) => id !== undefined);
    expect(answers.map(({ id }) => id)).to.deep.equal([1, 2, 3, 4, 5]);
    for (const { result } of answers)
      expect(result).to.deep.equal({
        subscription: "kept",
        $subscription: true,
        epoch: "epoch 1.0",
        offset: 3,
        recovered: true,
      });
    expect(frames.filter(({ method }) => method === "subscription.event")).to.have.length(2);
    rig.dispose();
  });

  it("is not joined by a call whose user has logged out meanwhile", async () => {
    const rig = new SubscriptionHarness(new ManualClock(), "drop-oldest");
    const peer = rig.connect();
    peer.send({
      id: 0,
      method: "authenticate",
      params: { token: String(rig.clock.now() / 1000 + 900) },
    });
    await rig.settle();
    rig.publish("kept", 1);
    rig.isFar = true;
    const $since = { epoch: "epoch 1.0", offset: 0 };
    for (const id of [1, 2]) peer.send({ id, method: "kept", params: { $since } });
    peer.send({ id: 3, method: "logout" });
    for (let turn = 0; turn < 5; turn++) await rig.settle();
    expect(rig.topics).to.equal(0);
    expect(peer.received().filter(({ method }) => method === "subscription.event")).to.deep.equal(
      [],
    );
    rig.dispose();
  });
});
