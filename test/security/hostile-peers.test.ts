import { setTimeout as pause } from "node:timers/promises";
import { expect } from "chai";
import { describe, it } from "mocha";
import { type Attack, HostilePeer } from "../helpers/server/attack.js";
import type { RawClient } from "../helpers/server/raw-client.js";
import { ServerProcess } from "../helpers/server/server-process.js";

const heap = 512; // MiB

/** The middle of so many round trips, in milliseconds. */
async function medianPing(client: RawClient, count: number): Promise<number> {
  const times = [];
  for (let n = 0; n < count; n++) {
    const startedAt = performance.now();
    await client.call("ping");
    times.push(performance.now() - startedAt);
    await pause(5);
  }
  return times.sort((a, b) => a - b)[Math.floor(count / 2)] as number;
}

const startAttack = (server: ServerProcess, name: Attack["name"], connections: number) =>
  HostilePeer.start({ name, url: server.url, token: server.token(), connections });

describe("Peers that ask for more than they read", () => {
  for (const [name, connections, what] of [
    ["replays", 1, "one connection with batches of re-subscriptions to a topic with a history"],
    ["results", 12, "connections with batches of calls whose results are large"],
    ["discoveries", 12, "connections with batches of rpc.discover"],
  ] as const) {
    it(`do not end a process with a heap of ${heap} MB, nor keep others waiting: ${what}`, async () => {
      await using server = await ServerProcess.start({}, heap);
      const [healthy, observer] = [await server.login(), await server.login()];
      const before = (await server.memory(observer)).heapUsed;
      await using peer = await startAttack(server, name, connections);
      const ping = await medianPing(healthy, 100);
      // what the server does not read is not sent
      await Promise.race([peer.whenDone(), pause(1_000)]);
      const held = (await server.memory(observer)).heapUsed - before;
      expect(server.isUp, server.complaints.join("\n")).to.equal(true);
      expect(held / connections, "bytes of the heap for one connection").to.be.below(4 * 1_048_576);
      // it was seconds; 1 ms where nobody else uses the machine
      expect(ping, "ms").to.be.below(100);
      expect(server.complaints).to.deep.equal([]);
    });
  }
});

describe("Peers that send as fast as they can", () => {
  for (const [name, connections, what] of [
    ["escapes", 20, "20 anonymous sockets with frames of 16 KB that have an escape"],
    ["large", 1, "one authenticated connection with frames of 20 KB"],
  ] as const) {
    it(`do not keep others waiting: ${what}`, async () => {
      await using server = await ServerProcess.start();
      const healthy = await server.login();
      const quiet = await medianPing(healthy, 100);
      await using _peer = await startAttack(server, name, connections);
      const ping = await medianPing(healthy, 200);
      // 2 where nobody else uses the machine; it was 266 and more
      expect(ping, `ms; ${quiet.toFixed(1)} before`).to.be.below(50 + 5 * quiet);
      expect(server.complaints).to.deep.equal([]);
    });
  }
});
