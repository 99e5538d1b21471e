import { expect } from "chai";
import { type Leaver, Shutdown } from "../../../src/server/lifecycle/shutdown.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { expectClose, expectError } from "../../helpers/server/expected.js";
import { ask, exchange, request, told } from "../../helpers/server/frames.js";
import { protocolApp } from "../../helpers/server/protocol-app.js";
import { startTimed } from "../../helpers/server/timed-server.js";

class FakeConnection implements Leaver {
  readonly pending = { size: 0 };
  isClosing = false;
  toldAt: number | undefined;
  closeIn: number | undefined;
  closedAt: number | undefined;
  reconnectAfter: readonly [number, number] | undefined;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  announceClose(_reason: string, closeIn: number): void {
    this.toldAt = this.#now();
    this.closeIn = closeIn;
  }

  close(_reason: string, details: { reconnectAfter?: readonly [number, number] } = {}): void {
    this.isClosing = true;
    this.closedAt = this.#now();
    this.reconnectAfter = details.reconnectAfter;
  }

  terminate(): void {}
}

function crowd(size: number) {
  const clock = new ManualClock();
  const start = clock.monotonic();
  const connections = Array.from(
    { length: size },
    () => new FakeConnection(() => clock.monotonic() - start),
  );
  const whenEmpty = () => Promise.resolve();
  return {
    clock,
    connections,
    shutdown: new Shutdown(
      { whenEmpty, [Symbol.iterator]: () => connections[Symbol.iterator]() },
      clock,
    ),
  };
}

describe("A shutdown", () => {
  it("lets 1,000 connections go evenly over half of the time, each told a second ahead", async () => {
    const { clock, connections, shutdown } = crowd(1_000);
    let isDone = false;
    const drained = shutdown.drain(10_000).then(() => (isDone = true));
    clock.advance(5_000);
    await Promise.resolve();
    expect(isDone).to.equal(false);
    clock.advance(1_100);
    await drained;
    for (let second = 1; second < 6; second++) {
      const gone = connections.filter(
        ({ closedAt = Infinity }) => closedAt >= second * 1_000 && closedAt < (second + 1) * 1_000,
      );
      expect(gone.length, `closed in second ${second}`).to.be.within(180, 220);
    }
    for (const { toldAt = 0, closedAt = 0, closeIn, reconnectAfter } of connections) {
      expect(closedAt - toldAt).to.be.within(1_000, 1_100);
      expect(closeIn).to.equal((10_000 - toldAt) / 1_000);
      expect(reconnectAfter).to.deep.equal([0, 5]);
    }
  });

  it("is quick with few connections", async () => {
    const { clock, connections, shutdown } = crowd(3);
    const drained = shutdown.drain(30_000);
    clock.advance(1_100);
    await drained;
    expect(connections.every(({ isClosing }) => isClosing)).to.equal(true);
    await crowd(0).shutdown.drain(10_000);
  });

  it("waits for what is in flight on a connection and lets the others go, but not longer than it was told", async () => {
    const { clock, connections, shutdown } = crowd(3);
    const [busy, stuck, idle] = connections as [FakeConnection, FakeConnection, FakeConnection];
    busy.pending.size = 1;
    stuck.pending.size = 1;
    const drained = shutdown.drain(10_000);
    clock.advance(4_000);
    expect([busy.isClosing, stuck.isClosing, idle.isClosing]).to.deep.equal([false, false, true]);
    busy.pending.size = 0;
    clock.advance(100);
    expect([busy.isClosing, stuck.isClosing]).to.deep.equal([true, false]);
    clock.advance(5_800);
    expect(stuck.isClosing).to.equal(false);
    clock.advance(100);
    await drained;
    await shutdown.closeAll(10_000);
    expect(stuck.isClosing).to.equal(true);
  });
});

describe("Closing all", () => {
  it("cuts those who don't answer, after 3 s, and waits for nobody else", async () => {
    for (const answers of [true, false]) {
      let isEmpty = (): void => {};
      const empty = new Promise<void>((resolve) => (isEmpty = resolve));
      const cut: boolean[] = [];
      const peer = new FakeConnection(() => 0);
      peer.close = () => {
        peer.isClosing = true;
        if (answers) isEmpty();
      };
      peer.terminate = () => {
        cut.push(true);
        isEmpty();
      };
      const roster = {
        whenEmpty: () => empty,
        [Symbol.iterator]: () => (answers && peer.isClosing ? [] : [peer])[Symbol.iterator](),
      };
      const startedAt = performance.now();
      await new Shutdown(roster, new ManualClock()).closeAll(0);
      expect(cut).to.deep.equal(answers ? [] : [true]);
      if (answers) expect(performance.now() - startedAt).to.be.below(2_000);
    }
  });

  it("leaves no timer, whatever is under way", async () => {
    const { app } = protocolApp();
    const server = await startTimed(app, { limits: { pingInterval: 25_000 } });
    const [client] = [await server.login(), await server.connect()];
    await exchange(client, request(1, "stubborn"), request(2, "wait"));
    expect(server.clock.pending).to.be.above(0);
    await server.close();
    expect(server.clock.pending).to.equal(0);
  });
});

describe("A server that drains", () => {
  it("is not ready from the first moment and says why, is alive, and serves those who were not told yet", async () => {
    const { app, ...seen } = protocolApp();
    const server = await startTimed(app, {
      limits: { unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY },
    });
    const clients = [];
    for (let n = 0; n < 40; n++) clients.push(await server.login());
    const [first, last] = [clients[0]!, clients.at(-1)!];
    const base = server.url.replace("ws", "http").replace("/rpc", "");
    expect((await fetch(`${base}/readyz`)).status).to.equal(200);
    const stopped = server.server.close({ drain: 10_000 });
    const readiness = await fetch(`${base}/readyz`);
    expect([readiness.status, await readiness.json()]).to.deep.equal([
      503,
      { status: "not_ready", reason: "draining" },
    ]);
    expect((await fetch(`${base}/livez`)).status).to.equal(200);
    expect(await told(first, "connection.closing")).to.include({
      closeIn: 10,
      reason: "server_restart",
    });
    expectError(await ask(first, "echo"), "overloaded");
    await exchange(last, request("slow", "wait"));
    expect((await ask(last, "echo", { a: 1 })).result).to.deep.equal({ a: 1 });
    server.clock.advance(400);
    expect(await told(last, "connection.closing")).to.include({ reason: "server_restart" });
    expectError(await ask(last, "echo"), "overloaded");
    server.clock.advance(1_000);
    await expectClose(first, "server_restart");
    expect((await ask(last, "ping")).result).to.equal("pong");
    seen.answers[0]?.();
    expect(await last.next()).to.deep.equal({ jsonrpc: "2.0", id: "slow", result: "answered" });
    server.clock.advance(100);
    await stopped;
    expect(await last.closed).to.include({ code: 1012 });
    expect(await fetch(`${base}/readyz`).catch(() => "refused")).to.equal("refused");
  });
});
