import { expect } from "chai";
import { Dice, mutate } from "../helpers/models/mutator.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { Bystander, type Memory, ServerProcess } from "../helpers/server/server-process.js";

const framesEach = 50_000;
const warmUp = 10_000;
const burst = 25;
const limits = {
  openFramesPerSecond: Number.POSITIVE_INFINITY,
  failedAuthCalls: Number.POSITIVE_INFINITY,
  authFailuresPerAddress: Number.POSITIVE_INFINITY,
  requestTimeout: 500,
  unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY,
};

/** Valid frames of every kind. */
function corpusOf(token: string): readonly string[] {
  const call = (method: string, params?: unknown, id: unknown = 1) =>
    JSON.stringify({ jsonrpc: "2.0", id, method, params });
  return [
    call("authenticate", { token }),
    call("authenticate", [token]),
    call("refresh", { token }),
    call("refresh", { refreshToken: "opaque" }),
    call("logout"),
    call("whoami"),
    call("ping", { a: [1, 2, { b: null }] }, 0),
    call("time.now", {}, null),
    call("subtract", [42, 23], ""),
    call("numbers.add", { a: 1, b: 2 }, 1.5),
    call("wait"),
    call("admin.reset"),
    call("nothing"),
    call("rpc.discover"),
    JSON.stringify({ jsonrpc: "2.0", method: "numbers.add", params: { a: 1 } }),
    JSON.stringify({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: 1 } }),
    `[${call("subtract", [2, 1])},${call("ping", [1], 2)},{"jsonrpc":"2.0","method":"ping"}]`,
  ];
}

interface Attack {
  readonly server: ServerProcess;
  readonly token: string;
  readonly corpus: readonly string[];
  readonly dice: Dice;
  readonly isAuthenticated: boolean;
}

/**
 * Sends so many mutated frames, and comes back each time it is thrown out. After each burst that it
 * survives, a ping is answered.
 */
async function attack(
  { server, token, corpus, dice, isAuthenticated }: Attack,
  frames: number,
): Promise<number> {
  let client = await RawClient.connect(server.url);
  let pings = 0;
  for (let sent = 0; sent < frames; sent += burst) {
    if (client.socket.readyState !== client.socket.OPEN)
      client = await RawClient.connect(server.url);
    if (isAuthenticated)
      client.send({ jsonrpc: "2.0", id: "in", method: "authenticate", params: { token } });
    for (let count = 0; count < burst; count++)
      client.socket.send(mutate(corpus, dice), { binary: false });
    if (dice.roll(20) === 0)
      // the last one: it ends the socket
      client.socket.send(dice.bytes(dice.roll(200)), { binary: dice.roll(2) === 0 });
    const id = `ping-${sent}`;
    client.send({ jsonrpc: "2.0", id, method: "ping" });
    const answer = await Promise.race([
      client.closed,
      client.nextWhere((message) => message.id === id),
    ]);
    if ("id" in answer) pings++;
  }
  client.socket.close();
  await client.closed;
  return pings;
}

function expectNoGrowth(before: Memory, after: Memory): void {
  const most = Math.max(before.heapUsed * 1.2, before.heapUsed + 10 * 2 ** 20);
  expect(after.heapUsed, `heap, ${before.heapUsed} bytes after warming up`).to.be.below(most);
  expect(after.rss, `resident set, ${before.rss} bytes after warming up`).to.be.below(
    before.rss * 1.5 + 50 * 2 ** 20,
  );
}

describe("A server that is sent 100,000 mutated frames", () => {
  for (const isAuthenticated of [false, true]) {
    it(`stays up, flat and at everybody else's service, ${isAuthenticated ? "after" : "before"} authentication`, async () => {
      await using server = await ServerProcess.start(limits);
      const token = server.token({ scope: "numbers:add admin" });
      const assault = {
        server,
        token,
        corpus: corpusOf(token),
        dice: new Dice(isAuthenticated ? 2 : 1),
        isAuthenticated,
      };
      const bystander = new Bystander(await server.login({ sub: "bystander" }));
      const observer = await server.login({ sub: "observer" });

      await attack(assault, warmUp);
      const before = await server.memory(observer);
      const pings = await attack(assault, framesEach - warmUp);
      await bystander.stop();
      const after = await server.memory(observer);
      await observer.close();

      expect(server.isUp).to.equal(true);
      expect(server.complaints).to.deep.equal([]);
      expect(pings, "bursts after which a ping was answered").to.be.above(100);
      expect(bystander.asked).to.be.above(50);
      expect(bystander.answered).to.equal(bystander.asked);
      expectNoGrowth(before, after);
    }).timeout(60_000);
  }
});
