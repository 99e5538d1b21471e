import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../helpers/redis/redis-server.js";
import { runs } from "../helpers/requirement.js";
import { RawClient } from "../helpers/server/raw-client.js";
import type { Fault } from "./fault.js";
import { login } from "./login.js";
import { NodeProcess } from "./node-process.js";
import type { Tally } from "./tally.js";

const descriptors = 256;
const arrivals = 300;
const timeoutMs = 1_000; // 1 s for one to get in
const recoveryLimit = 10_000; // 10 s

/** More come than there are file descriptors for. */
export const fewDescriptors: Fault = {
  name: `\`ulimit -n ${descriptors}\`, and ${arrivals} connections`,
  obstacle: () => (runs("bash", "--version") ? undefined : "bash"),
  async run({ times }, tally) {
    const folder = await mkdtemp(join(tmpdir(), "jotwire-few-"));
    try {
      const settings = {
        port: await freePort(),
        store: { folder: join(folder, "state") },
        ledger: join(folder, "ledger"),
      };
      await using node = await NodeProcess.start(
        { ...settings, tokenTtl: 600_000, drain: 0 },
        { descriptors },
      );
      await node.addUsers();
      const { access_token: token } = await login(node.url, 0);
      let most = 0;
      for (let n = 0; n < times; n++) {
        const inside = await crowdIn(node.url, token);
        try {
          most = Math.max(most, inside.length);
          if (inside.length >= arrivals) tally.violation("the limit was never reached");
          await callAll(inside, tally);
          const leaving = inside.splice(0, Math.ceil(inside.length / 2));
          await Promise.all(leaving.map((client) => client.close()));
          const roomAt = performance.now();
          inside.push(await entered(node.url, token));
          tally.recoveries.push(performance.now() - roomAt);
          await callAll(inside, tally);
        } finally {
          for (const client of inside) client.socket.terminate();
        }
      }
      return `${times} times; at most ${most} sessions at once`;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** Those who got in. */
async function crowdIn(url: string, token: string): Promise<RawClient[]> {
  const inside: RawClient[] = [];
  for (let n = 0; n < arrivals; n += 20) {
    const some = await Promise.all(Array.from({ length: 20 }, () => tryToEnter(url, token)));
    inside.push(...some.filter((client) => client !== undefined));
  }
  return inside;
}

async function tryToEnter(url: string, token: string): Promise<RawClient | undefined> {
  // refused, or left waiting
  const given = RawClient.connect(url, { handshakeTimeout: timeoutMs }).catch(() => undefined);
  const client = await given;
  if (client === undefined) return undefined;
  const answer = await Promise.race([client.authenticate(token), client.closed, pause(timeoutMs)]);
  if (answer !== undefined && "result" in answer) return client;
  client.socket.terminate();
  return undefined;
}

async function entered(url: string, token: string): Promise<RawClient> {
  const endsAt = performance.now() + recoveryLimit;
  for (;;) {
    const client = await tryToEnter(url, token);
    if (client !== undefined) return client;
    if (performance.now() > endsAt) throw new Error("nobody gets in, though there is room");
    await pause(20);
  }
}

async function callAll(clients: readonly RawClient[], tally: Tally): Promise<void> {
  for (const [n, client] of clients.entries()) {
    const answer = await Promise.race([
      client.call("record", { id: `f${n}`, work: 0 }),
      client.closed,
      pause(10 * timeoutMs),
    ]);
    if (answer !== undefined && "result" in answer) tally.answered++;
    else tally.violation("a live session got no answer at the limit");
  }
}
