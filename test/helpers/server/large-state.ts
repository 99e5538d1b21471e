/**
 * A state folder with many records, and what it costs a process to serve from it: CPU time, which
 * is the same on a busy machine. Both sides of it: forked, this file fills a folder or serves from
 * it, and tells.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createRpc, createServer } from "../../../src/index.js";
import { createIssuer, fileStore } from "../../../src/issuer/index.js";
import { silentLogger } from "../../../src/runtime/logger.js";
import { ManualClock } from "../manual-clock.js";
import { CheapHasher } from "../tokens/cheap-hasher.js";

const program = fileURLToPath(import.meta.url);
const identity = { issuer: "http://localhost:8080", audience: "test" };
const looks = 100;

export interface Costs {
  /**
   * CPU time, in milliseconds, from the first look at the folder until the server accepts tokens.
   */
  readonly start: number;
  /**
   * CPU time of 100 looks for others' revocations, 50 s of idling; a session is renewed between,
   * which must not change that.
   */
  readonly idle: number;
  /** Revocations that are known. */
  readonly revocations: number;
}

/** Makes so many families, and as many revocations. */
export async function fillState(folder: string, records: number): Promise<void> {
  await run<string>(["fill", folder, String(records)]);
}

/** Serves from a folder with a heap of so many MB, and measures. */
export function costsOf(folder: string, heap: number): Promise<Costs> {
  return run<Costs>(["serve", folder], heap);
}

async function run<T>(args: readonly string[], heap = 1_024): Promise<T> {
  const execArgv = [
    "--import",
    "tsx",
    "--unhandled-rejections=strict",
    `--max-old-space-size=${heap}`,
  ];
  const child = fork(program, args, { execArgv });
  const exited = once(child, "exit");
  const [answer] = await Promise.race([
    once(child, "message"),
    exited.then(([code]) => Promise.reject(new Error(`it ended by itself with ${code}`))),
  ]);
  child.disconnect();
  await exited;
  return answer as T;
}

async function fill(folder: string, records: number): Promise<string> {
  const store = fileStore(folder);
  const now = Math.floor(Date.now() / 1_000);
  const numbers = Array.from({ length: records }, (_, n) => n);
  const common = {
    ...{
      clientId: "jotwire",
      scopes: ["orders:read"],
      credentialVersion: "1.aaaaaaaaaaaaaaaa",
      generation: 1,
      previousHash: "",
    },
    ...{
      createdAt: now,
      rotatedAt: now,
      endsAt: now + 2_592_000,
      idleUntil: now + 604_800,
      revoked: false,
    },
  };
  const hash = (n: number) => String(n).padStart(43, "h");
  await Promise.all(
    numbers.map((n) =>
      store.families.add({
        ...common,
        id: String(n).padStart(22, "f"),
        subject: `user-${n}`,
        currentHash: hash(n),
      }),
    ),
  );
  await Promise.all(
    numbers.map((n) =>
      store.revocations.add({ issuer: identity.issuer, jti: `token-${n}`, until: now + 3_600 }),
    ),
  );
  await store.close();
  return "filled";
}

async function serve(folder: string): Promise<Costs> {
  const clock = new ManualClock(Date.now());
  const begin = process.cpuUsage();
  const store = fileStore(folder, { testing: { clock } });
  const issuer = await createIssuer({
    ...identity,
    store,

    testing: { clock, passwordHasher: new CheapHasher() },
  });
  await store.families.sweep(clock.now() / 1_000); // takes the lock
  const server = createServer(createRpc().router({}), {
    auth: issuer,
    logger: silentLogger,
    testing: { clock },
    limits: { loopDelay: Number.POSITIVE_INFINITY, heapPercent: Number.POSITIVE_INFINITY },
  });
  await server.listen(0);
  const start = millisecondsOf(process.cpuUsage(begin));
  const idling = process.cpuUsage();
  for (let n = 0; n < looks; n++) {
    clock.advance(500);
    await stat(folder); // the look asks the same, and was before
    await turn();
  }
  const idle = millisecondsOf(process.cpuUsage(idling));
  const revocations = (await store.revocations.list(clock.now() / 1_000)).length;
  await server.close();
  await issuer.close();
  return { start, idle, revocations };
}

function millisecondsOf({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1_000;
}

if (process.argv[1] === program) {
  const [, , what, folder = "", records] = process.argv;
  const told = what === "fill" ? fill(folder, Number(records)) : serve(folder);
  told.then((answer) => process.send?.(answer));
}
