import { expect } from "chai";
import { describe, it } from "mocha";
import type { Overflow } from "../../src/index.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { type HarnessPeer, SubscriptionHarness } from "../helpers/models/subscription-harness.js";
import { feedApp } from "../helpers/server/generator-app.js";
import type { RawClient } from "../helpers/server/raw-client.js";
import { startServer } from "../helpers/server/test-server.js";

/**
 * A peer that has subscribed to `plain` and `kept`, on a rig whose subscriptions have room for four
 * events.
 */
async function subscribed(
  overflow: Overflow,
  ...methods: readonly string[]
): Promise<{ rig: SubscriptionHarness; peer: HarnessPeer }> {
  const rig = new SubscriptionHarness(new ManualClock(), overflow);
  const peer = rig.connect();
  peer.send({
    id: 0,
    method: "authenticate",
    params: { token: String(rig.clock.now() / 1000 + 900) },
  });
  for (const [index, method] of methods.entries()) peer.send({ id: index + 1, method });
  await rig.settle();
  expect(peer.received().filter(({ id }) => id !== undefined)).to.have.length(methods.length + 1);
  return { rig, peer };
}

const eventsOf = (frames: readonly Record<string, unknown>[]) =>
  frames.map(({ method, params }) => {
    const { data, gap, reason } = params as { data?: { n: number }; gap?: true; reason?: string };
    return method === "subscription.ended" ? reason : gap ? `gap ${data?.n}` : data?.n;
  });

describe("Protocol §5.5, slow readers", () => {
  for (const [overflow, expected] of [
    ["drop-oldest", ["gap 3", 4, 5, 6, 7]],
    ["drop-newest", [1, 2, 3, 4, "gap 7"]],
  ] as const) {
    it(`${overflow}: as many events wait as there is room for, and the gap is told with the next event`, async () => {
      const { rig, peer } = await subscribed(overflow, "plain");
      peer.stall();
      for (let n = 1; n <= 6; n++) rig.publish("plain", n);
      await rig.settle();
      expect(peer.received(), "while it does not read").to.deep.equal([]);
      peer.socket.drain();
      await rig.settle();
      rig.publish("plain", 7);
      await rig.settle();
      expect(eventsOf(peer.received())).to.deep.equal(expected);
      rig.publish("plain", 8);
      await rig.settle();
      expect(eventsOf(peer.received()), "told once").to.deep.equal([8]);
      expect(rig.telemetry.slowReaders, "and counted once").to.deep.equal({ gap: 1, ended: 0 });
      rig.dispose();
    });
  }

  it("close: the subscription ends with `slow`, the connection lives on, and it may subscribe again", async () => {
    const { rig, peer } = await subscribed("end", "plain");
    peer.stall();
    for (let n = 1; n <= 5; n++) rig.publish("plain", n);
    await rig.settle();
    peer.socket.drain();
    await rig.settle();
    expect(eventsOf(peer.received())).to.deep.equal(["slow"]);
    expect(rig.telemetry.slowReaders).to.deep.equal({ gap: 0, ended: 1 });
    expect(rig.topics).to.equal(0);
    peer.send({ id: 9, method: "plain" });
    await rig.settle();
    expect(peer.received()).to.deep.equal([
      { jsonrpc: "2.0", id: 9, result: { subscription: "plain", $subscription: true } },
    ]);
    rig.dispose();
  });

  it("what fits the room comes whole when the reader reads on, and nobody else waits for it", async () => {
    const { rig, peer } = await subscribed("end", "plain");
    const other = rig.connect();
    other.send({
      id: 1,
      method: "authenticate",
      params: { token: String(rig.clock.now() / 1000 + 900) },
    });
    other.send({ id: 2, method: "plain" });
    await rig.settle();
    other.received();
    peer.stall();
    for (let n = 1; n <= 4; n++) rig.publish("plain", n);
    await rig.settle();
    expect(eventsOf(other.received())).to.deep.equal([1, 2, 3, 4]);
    peer.socket.drain();
    await rig.settle();
    expect(eventsOf(peer.received())).to.deep.equal([1, 2, 3, 4]);
    rig.dispose();
  });

  it("a generator is not pulled while the send buffer is high, and loses nothing", async () => {
    const { rig, peer } = await subscribed("end", "count");
    peer.stall();
    await rig.settle();
    peer.received();
    await rig.settle();
    expect(peer.received(), "nothing is sent to a peer that does not read").to.deep.equal([]);
    await rig.settle();
    peer.socket.drain();
    await rig.settle();
    const first = eventsOf(peer.received()) as number[];
    expect(first).to.not.deep.equal([]);
    await rig.settle();
    const seen = [...first, ...(eventsOf(peer.received()) as number[])];
    expect(seen).to.deep.equal(
      Array.from({ length: seen.length }, (_, index) => (seen[0] as number) + index),
    );
    peer.send({ id: 5, method: "unsubscribe", params: { subscription: "1" } });
    await rig.settle();
    expect(peer.received().at(-1)).to.deep.include({ id: 5, result: { ok: true } });
    rig.dispose();
  });

  it("a real peer that stops reading costs its own room alone, and is told of the gap when it reads on", async () => {
    const { app } = feedApp();
    await using server = await startServer(app, { limits: { sendBufferBytes: 262_144 } });
    const stalled = await server.login();
    const healthy = await server.login();
    for (const client of [stalled, healthy]) await client.call("mine", { user: "user-1" });
    stalled.socket.pause();
    const size = 10_000;
    const count = 2_000; // 20 MB: more than any system's socket buffers take
    const heard = hear(healthy, count);
    for (let n = 1; n <= count; n++) {
      await server.server.publish(
        app.routes.mine,
        { user: "user-1" },
        { n, text: "x".repeat(size) },
      );
      await new Promise((resolve) => setImmediate(resolve)); // so that a healthy reader keeps up
    }
    expect(
      (await heard).filter(({ gap }) => gap),
      "the healthy one misses nothing",
    ).to.have.length(0);
    const resumed = hear(stalled, Number.POSITIVE_INFINITY, count);
    stalled.socket.resume();
    const events = await resumed;
    expect(events.length).to.be.lessThan(count);
    events.forEach(({ data, gap }, index) => {
      const before = events[index - 1]?.data.n ?? 0;
      expect(gap === true, `${before} and then ${data.n}`).to.equal(data.n !== before + 1);
    });
    for (const client of [stalled, healthy]) await client.close();
  });
});

interface Heard {
  readonly data: { readonly n: number };
  readonly gap?: true;
}

/** Reads events until there are so many, or until the one with the number `last`. */
async function hear(client: RawClient, count: number, last = Number.NaN): Promise<Heard[]> {
  const events: Heard[] = [];
  while (events.length < count && events.at(-1)?.data.n !== last) {
    const { params } = await client.notification("subscription.event");
    events.push(params as unknown as Heard);
  }
  return events;
}
