import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { password, RedisNode } from "../helpers/redis/redis-node.js";
import { hasRedis, RedisServer } from "../helpers/redis/redis-server.js";
import { requires } from "../helpers/requirement.js";
import type { RawClient } from "../helpers/server/raw-client.js";
import { ServerProcess } from "../helpers/server/server-process.js";
import { sampleApp } from "../helpers/server/test-server.js";

const perBatch = 50;
const localBus = fileURLToPath(new URL("../../src/pubsub/local-bus.ts", import.meta.url));

/**
 * Subscribes to so many topics that nobody ever published to, and leaves each again. Returns how
 * many were answered with a subscription.
 */
async function makeUp(client: RawClient, names: number): Promise<number> {
  let subscribed = 0;
  for (let from = 0; from < names; from += perBatch) {
    const colours = Array.from({ length: perBatch }, (_, n) => `made up ${from + n}`);
    const calls = [
      (colour: string) => ({ method: "numbers.watch", params: { colour } }),
      (colour: string) => ({
        method: "unsubscribe",
        params: { subscription: `numbers:${colour}` },
      }),
    ];
    for (const [index, call] of calls.entries()) {
      client.send(colours.map((colour, id) => ({ jsonrpc: "2.0", id, ...call(colour) })));
      const answers = await client.next<readonly { readonly result?: unknown }[]>();
      if (index === 0) subscribed += answers.filter(({ result }) => result !== undefined).length;
    }
  }
  return subscribed;
}

describe("Subscribing to made-up names of a topic with history", () => {
  it("costs no memory: a process with a heap of 256 MB reads a million and a half of them", async () => {
    const program = `
      import { LocalBus } from ${JSON.stringify(localBus)};
      const bus = new LocalBus("e", () => performance.now());
      for (let n = 0; n < 1_500_000; n++) bus.read("numbers.watch numbers:made up " + n, { size: 50, ttl: Number.POSITIVE_INFINITY }, undefined);
      process.stdout.write("survived");`;
    const child = spawn(
      process.execPath,
      ["--max-old-space-size=256", "--import", "tsx", "--input-type=module", "-e", program],
      {
        stdio: ["ignore", "pipe", "ignore"],
      },
    );
    let said = "";
    child.stdout.on("data", (chunk) => {
      said += String(chunk);
    });
    const [code] = await once(child, "close");
    expect([code, said]).to.deep.equal([0, "survived"]);
  });

  it("leaves nothing behind in a server without a store", async () => {
    await using server = await ServerProcess.start({
      subscribeCallsPerSecond: Number.POSITIVE_INFINITY,
    });
    const [attacker, observer] = [
      await server.login({ scope: "numbers:add" }),
      await server.login(),
    ];
    await makeUp(attacker, 2_000); // what is compiled and kept once
    const before = await server.memory(observer);
    const subscribed = await makeUp(attacker, 8_000);
    const { heapUsed } = await server.memory(observer);
    expect(subscribed).to.equal(8_000);
    expect((heapUsed - before.heapUsed) / subscribed, "bytes a name").to.be.below(100);
  });

  it("writes nothing to Redis, where everybody can log in, refresh and be revoked afterwards as before", async function () {
    requires(this, "Redis", hasRedis);
    const redis = await RedisServer.start({ options: ["--maxmemory-policy", "noeviction"] });
    try {
      await using node = await RedisNode.start(
        { url: redis.url, timeout: 10_000 },
        sampleApp(),
        {},
        { subscribeCallsPerSecond: Number.POSITIVE_INFINITY },
      );
      await node.issuer.users.add("ada", password, { scopes: ["numbers:add"] });
      const { access_token, refresh_token } = await node.login();
      const attacker = await node.connect(access_token);
      await makeUp(attacker, perBatch);
      const before = await redis.command("DBSIZE");
      const used = Number(/used_memory:(\d+)/.exec(await redis.command("INFO", "memory"))?.[1]);
      await redis.command("CONFIG", "SET", "maxmemory", String(used + 400_000));
      expect(await makeUp(attacker, 4_000)).to.be.above(1_000);
      expect(await redis.command("DBSIZE")).to.equal(before);
      const again = await node.login();
      const refreshed = await attacker.call("refresh", { refreshToken: refresh_token });
      expect(refreshed).to.have.nested.property("result.refreshToken");
      const victim = await node.connect(again.access_token);
      await node.server.revoke({ subject: "ada" });
      expect(await victim.closed).to.include({ code: 4401 });
    } finally {
      await redis.stop();
    }
  });
});
