import { expect } from "chai";
import { describe, it } from "mocha";
import type { Limits } from "../../src/index.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { ConnectionHarness } from "../helpers/server/connection-harness.js";
import { request } from "../helpers/server/frames.js";
import type { Message } from "../helpers/server/raw-client.js";
import { sampleApp } from "../helpers/server/test-server.js";
import { startTimed } from "../helpers/server/timed-server.js";

const soft = 10_000;
const size = 3_000;
/** The bytes of the answer to `text` with that number of characters, and a few more for its id. */
const answer = size + 60;

/** A connection with a session, whose peer has stopped reading. */
async function stalled(limits: Partial<Limits> = {}): Promise<ConnectionHarness> {
  const rig = await started({ sendBufferBytes: soft, ...limits });
  rig.stopReading();
  return rig;
}

async function started(limits: Partial<Limits> = {}): Promise<ConnectionHarness> {
  const rig = new ConnectionHarness(new ManualClock(), limits);
  login(rig, "first");
  await rig.settle();
  rig.received();
  return rig;
}

function login(rig: ConnectionHarness, name: string): void {
  const issuedAt = Math.floor(rig.clock.now() / 1_000);
  rig.issue({
    name,
    subject: name,
    issuedAt,
    expiresAt: issuedAt + 900,
    mayWrite: false,
    kind: "genuine",
  });
  rig.send({ id: name, method: "authenticate", params: [name] });
  rig.finishVerification();
}

const call = (id: unknown, method = "text", number = size) => ({
  jsonrpc: "2.0",
  id,
  method,
  params: { number },
});
const ids = (messages: readonly Message[]) => messages.map(({ id }) => id);

/** Reads until nothing more comes; gives all that came. */
async function readOn(rig: ConnectionHarness): Promise<readonly Message[]> {
  const all: Message[] = [];
  for (let round = 0; round < 200; round++) {
    rig.readAll();
    await rig.settle();
    all.push(...rig.received());
  }
  return all;
}

describe("Back-pressure", () => {
  it("runs no more frames than the send buffer has room for, and one; goes on when the peer reads, in order", async () => {
    const rig = await stalled();
    for (let id = 0; id < 100; id++) rig.send(call(id));
    for (let turn = 0; turn < 5; turn++) {
      expect(rig.runs).to.have.lengthOf(4); // the fourth is the one that is over the limit
      expect(rig.unread).to.be.within(soft, soft + answer);
      expect(rig.isPaused).to.equal(true);
      await rig.settle();
    }
    rig.readAll();
    await rig.settle();
    expect(rig.runs).to.have.lengthOf(8);
    const answers = [...rig.received(), ...(await readOn(rig))];
    expect(ids(answers)).to.deep.equal(Array.from({ length: 100 }, (_, id) => id));
    expect(rig.isPaused).to.equal(false);
    rig.dispose();
  });

  it("begins no element of a batch while the send buffer is full, and goes on with the rest when the peer reads", async () => {
    const rig = await stalled();
    for (let id = 0; id < 4; id++) rig.send(call(id));
    rig.sendText(JSON.stringify(Array.from({ length: 10 }, (_, n) => call(`b${n}`))));
    rig.send(call("last"));
    await rig.settle();
    expect(rig.runs).to.have.lengthOf(4);
    rig.readAll();
    await rig.settle();
    await rig.settle();
    expect(rig.runs, "the batch, which is one answer; not what follows").to.have.lengthOf(14);
    expect(rig.unread).to.be.below(10 * answer + 100);
    const [, , , , batch, last] = [...rig.received(), ...(await readOn(rig))] as unknown as [
      0,
      0,
      0,
      0,
      Message[],
      Message,
    ];
    expect(ids(batch)).to.deep.equal(Array.from({ length: 10 }, (_, n) => `b${n}`));
    expect(last.id).to.equal("last");
    rig.dispose();
  });

  it("encodes no answer of an asynchronous handler before there is room for it; until then the request counts as in flight", async () => {
    const rig = await stalled({ requestsInFlight: 20 });
    for (let id = 0; id < 20; id++) rig.send(call(id, "laterText"));
    for (let n = 1; n <= 20; n++) rig.finishCall(n);
    await rig.settle();
    expect(rig.unread).to.be.within(soft, soft + answer);
    expect(rig.connection.pending.size).to.equal(16);
    expect(ids([...rig.received(), ...(await readOn(rig))])).to.deep.equal(
      Array.from({ length: 20 }, (_, id) => id),
    );
    expect(rig.connection.pending.size).to.equal(0);
    rig.dispose();
  });

  it("keeps no more answers for slow members of batches than one batch may have: further members are refused", async () => {
    const rig = await started({ responseBytes: 20_000 });
    const batch = (name: string) =>
      JSON.stringify([
        call(`${name} slow`, "laterText"),
        ...[1, 2, 3, 4].map((n) => call(`${name}${n}`)),
      ]);
    for (const name of ["a", "b", "c"]) rig.sendText(batch(name));
    expect(
      rig.runs,
      "two batches, of which the second one filled it, and not the third",
    ).to.have.lengthOf(10);
    rig.send(call("alone"));
    await rig.settle();
    const [third, alone] = rig.received() as unknown as [Message[], Message];
    expect(third.map(({ error }) => error?.code)).to.deep.equal(Array(5).fill(-32009));
    expect(alone).to.have.property("result");
    for (const run of [1, 6]) rig.finishCall(run);
    await rig.settle();
    rig.sendText(batch("d"));
    await rig.settle();
    expect(rig.runs.length, "they were answered, so there is room").to.equal(16);
    rig.dispose();
  });

  it("gives a connection 64 requests of a turn, elements of batches among them, or 32 KiB, or 2 ms", async () => {
    const small = await started();
    for (const name of ["a", "b", "c"])
      small.sendText(
        JSON.stringify(Array.from({ length: 40 }, (_, n) => call(`${name}${n}`, "text", 1))),
      );
    expect(small.runs.length).to.be.within(60, 64);
    await small.settle();
    await small.settle();
    expect(small.runs).to.have.lengthOf(120);
    expect(small.received().map((batch) => (batch as unknown as Message[]).length)).to.deep.equal([
      40, 40, 40,
    ]);
    small.dispose();

    for (const [what, message] of [
      ["frames", { id: 1, method: "text", params: { number: 1, padding: "x".repeat(size) } }],
      ["answers", call(1)],
    ] as const) {
      const large = await started();
      for (let n = 0; n < 30; n++) large.send(message);
      expect(large.runs.length, what).to.be.within(10, 12);
      expect(large.isPaused).to.equal(true);
      for (let turn = 0; turn < 3; turn++) await large.settle();
      expect(large.runs, what).to.have.lengthOf(30);
      expect(large.isPaused).to.equal(false);
      large.dispose();
    }

    const slow = await started();
    for (let n = 0; n < 30; n++) slow.send(call(n, "age", 1)); // 1 ms
    expect(slow.runs).to.have.lengthOf(16);
    for (let turn = 0; turn < 3; turn++) await slow.settle();
    expect(slow.runs).to.have.lengthOf(30);
    slow.dispose();
  });

  it("closes above the hard limit at once, and keeps nothing of what there was too much of", async () => {
    const rig = await stalled({ sendBufferHardBytes: 50_000 });
    for (let n = 0; n < 2_000; n++) {
      rig.push(n);
      expect(rig.unread).to.be.at.most(50_000);
    }
    expect(rig.connection.isClosing).to.equal(true);
    await rig.settle();
    expect(rig.received().at(-1)).to.have.nested.property("params.reason", "overloaded");
    expect(rig.unread).to.be.below(1_000);
    rig.dispose();
  });

  it("sends what a user's calls were answered before the answer to that user's logout, and nothing of it to the next", async () => {
    const rig = await stalled();
    for (let id = 0; id < 10; id++) rig.send(call(id, "laterText"));
    rig.send({ id: "refresh", method: "refresh", params: ["first"] });
    rig.send({ id: "logout", method: "logout" });
    for (let n = 1; n <= 10; n++) rig.finishCall(n);
    await rig.settle();
    expect(rig.connection.pending.size, "answers that wait for room").to.equal(6);
    rig.finishVerification();
    await rig.settle();
    const all = [...rig.received(), ...(await readOn(rig))].filter(({ id }) => id !== undefined);
    expect(ids(all)).to.deep.equal([0, 1, 2, 3, "refresh", 4, 5, 6, 7, 8, 9, "logout"]);
    expect(all.filter(({ error }) => error !== undefined)).to.deep.equal([]);
    rig.dispose();
  });

  it("cuts a peer that reads nothing from one ping to the next, and no other; nor takes what it does not read itself for a slow message", async () => {
    for (const reads of [false, true]) {
      const rig = await stalled();
      for (let id = 0; id < 10; id++) rig.send(call(id));
      await rig.settle();
      expect(rig.connection.ping()).to.equal(true);
      expect(rig.connection.isAlive, "an answer to a ping could not be heard").to.equal(true);
      if (reads) rig.readAll();
      await rig.settle();
      expect(rig.isPaused).to.equal(true);
      expect(rig.connection.ping(), `reads: ${reads}`).to.equal(reads);
      rig.dispose();
    }
  });

  it("reads on when it has closed, so that the peer's close is heard", async () => {
    const rig = await stalled();
    for (let id = 0; id < 10; id++) rig.send(call(id));
    await rig.settle();
    rig.connection.close("kicked");
    await rig.settle();
    expect([rig.isClosed, rig.isPaused]).to.deep.equal([true, false]);
    expect(rig.runs, "and runs nothing any more").to.have.lengthOf(4);
    rig.dispose();
  });

  it("goes on with the frames behind a refresh whose answer alone fills a small send buffer", async () => {
    for (const sendBufferBytes of [64, 1_048_576]) {
      await using server = await startTimed(sampleApp(), { limits: { sendBufferBytes } });
      const client = await server.login();
      server.clock.advance(901_000);
      client.send(
        request("refresh", "refresh", { token: server.token() }),
        request("next", "ping"),
      );
      for (const method of ["auth.expiring", "auth.expired"])
        expect(await client.next()).to.include({ method });
      for (const id of ["refresh", "next"]) expect((await client.next()).id).to.equal(id);
    }
  });
});
