import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../helpers/redis/redis-server.js";
import { RawClient } from "../helpers/server/raw-client.js";
import type { Fault } from "./fault.js";
import { login, Refused, refresh, type Tokens } from "./login.js";
import { NodeProcess } from "./node-process.js";
import type { Tally } from "./tally.js";

const recoveryLimit = 10_000; // 10 s
const logins = 5;

const mount = (...args: readonly string[]): boolean =>
  spawnSync("mount", args, { stdio: "ignore" }).status === 0;
const unmount = (folder: string) =>
  spawnSync("umount", ["--lazy", folder], { stdio: "ignore" }).status === 0;

interface Trouble {
  readonly name: string;
  /** Refreshes of one login that may still be acknowledged, and must outlive the process then. */
  readonly maxAcknowledged: number;
  readonly begin: (folder: string) => Promise<void>;
  readonly end: (folder: string) => Promise<void>;
}

const troubles: readonly Trouble[] = [
  {
    name: "is full",
    maxAcknowledged: 20, // the last block of a file has some room
    begin: fill,
    end: (folder) => rm(join(folder, "filler")),
  },
  {
    name: "is read-only",
    maxAcknowledged: 0,
    begin: async (folder) => remount(folder, "ro"),
    end: async (folder) => remount(folder, "rw"),
  },
];

/**
 * The file store on a file system of its own, in memory, which only root may mount. No right that
 * is taken away binds root.
 */
export const diskFaults: readonly Fault[] = troubles.map((trouble) => ({
  name: `The disk of the file store ${trouble.name}`,
  obstacle: () => (mayMount() ? undefined : "the right to mount a file system"),
  async run({ times }, tally) {
    const folder = await mkdtemp(join(tmpdir(), "jotwire-disk-"));
    const ledger = join(tmpdir(), `jotwire-disk-${process.pid}.log`);
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder);
    try {
      const store = { folder: join(folder, "state") };
      await using node = await NodeProcess.start({
        port: await freePort(),
        store,
        ledger,
        tokenTtl: 60_000,
        drain: 0,
      });
      await node.addUsers();
      let refused = 0;
      let known = await Promise.all(Array.from({ length: logins }, (_, n) => login(node.url, n)));
      for (let n = 0; n < times; n++) {
        known = await Promise.all(known.map((tokens) => refresh(node.url, tokens.refresh_token)));
        const client = await session(node.url, known[0], tally);
        await trouble.begin(folder);
        for (const [index, tokens] of known.entries()) {
          const last = await refreshUntilUnavailable(node.url, tokens, trouble, tally);
          known[index] = last.tokens;
          if (last.isUnavailable) refused++;
        }
        if ((await client.call("record", { id: `d${n}`, work: 0 })).error !== undefined)
          tally.violation("a live session was not served");
        else tally.answered++;
        await trouble.end(folder);
        const endedAt = performance.now();
        known = await Promise.all(known.map((tokens) => recovered(node.url, tokens, tally)));
        tally.recoveries.push(performance.now() - endedAt);
        await client.close();
        await node.kill(); // what was acknowledged is on the disk
        await node.restart();
        known = await Promise.all(known.map((tokens) => recovered(node.url, tokens, tally)));
        await (await session(node.url, known[0], tally)).close();
      }
      if (refused === 0) tally.violation("nothing was refused: the trouble was none");
      return `${times} times, ${refused} refreshes refused as unavailable meanwhile, none of them spent its token`;
    } finally {
      unmount(folder);
      await rm(folder, { recursive: true, force: true });
      await rm(ledger, { force: true });
    }
  },
}));

function mayMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "jotwire-mount-"));
  const may = mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", folder);
  if (may) unmount(folder);
  rmSync(folder, { recursive: true, force: true });
  return may;
}

function remount(folder: string, mode: "ro" | "rw"): void {
  if (!mount("-o", `remount,${mode}`, folder)) throw new Error(`can't remount ${mode}`);
}

/** Writes until nothing goes in any more. */
async function fill(folder: string): Promise<void> {
  const file = await open(join(folder, "filler"), "w");
  try {
    for (;;) await file.write(Buffer.alloc(512));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    await file.close();
  }
}

async function session(url: string, tokens: Tokens | undefined, tally: Tally): Promise<RawClient> {
  const client = await RawClient.connect(url);
  const { error } = await client.authenticate(tokens?.access_token ?? "");
  if (error !== undefined) tally.violation(`an acknowledged token was refused: ${error.code}`);
  return client;
}

/** It must fail in the end, as a matter of the store, not of the token. */
async function refreshUntilUnavailable(
  url: string,
  first: Tokens,
  { maxAcknowledged }: Trouble,
  tally: Tally,
): Promise<{ readonly tokens: Tokens; readonly isUnavailable: boolean }> {
  let tokens = first;
  try {
    for (let count = 0; count <= maxAcknowledged; count++)
      tokens = await refresh(url, tokens.refresh_token);
    tally.violation("a refresh was acknowledged that can't have been written");
    return { tokens, isUnavailable: false };
  } catch (error) {
    const isRefused = error instanceof Refused;
    if (isRefused) tally.falselyRevoked++;
    return { tokens, isUnavailable: !isRefused };
  }
}

/** Refreshes as soon as the store takes it. */
async function recovered(url: string, tokens: Tokens, tally: Tally): Promise<Tokens> {
  const endsAt = performance.now() + recoveryLimit;
  for (;;) {
    try {
      const next = await refresh(url, tokens.refresh_token);
      tally.refreshes++;
      return next;
    } catch (error) {
      if (error instanceof Refused) tally.falselyRevoked++;
      if (error instanceof Refused || performance.now() > endsAt) throw error;
      await pause(20);
    }
  }
}
