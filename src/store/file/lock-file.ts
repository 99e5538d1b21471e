import { randomUUID } from "node:crypto";
import { link, readFile, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createPassingFile, isAlive, removePassingFile } from "./atomic-file.js";
import { KeyMutex } from "./key-mutex.js";

/** Who has the lock: this process, or the one with that id. */
export type LockHolder =
  | { readonly holder: "us" }
  | { readonly holder: "other"; readonly pid: number };

const timeoutMs = 2_000; // 2 s: whoever holds a record's lock only reads and writes one file
const pause = 10; // 10 ms
const inThisProcess = new KeyMutex();

/**
 * Takes a lock file that names this process's id. One left by a dead process, or by an earlier one
 * with our id, is taken over.
 */
export async function takeLock(path: string): Promise<LockHolder> {
  for (;;) {
    if (await createPassingFile(dirname(path), basename(path), `${process.pid}\n`))
      return { holder: "us" };
    const pid = await readHolder(path);
    if (pid === process.pid) return { holder: "us" };
    if (pid !== undefined && isAlive(pid)) return { holder: "other", pid };
    if (pid !== undefined) await removeStale(path, pid);
  }
}

/** Gives the lock back, if it is ours. */
export async function releaseLock(path: string): Promise<void> {
  if ((await readHolder(path)) === process.pid)
    await removePassingFile(dirname(path), basename(path));
}

/** Runs a short job that no other process or caller runs at the same time under this lock. */
export function withLock<T>(path: string, job: () => Promise<T>): Promise<T> {
  return inThisProcess.run(path, async () => {
    await waitForLock(path);
    try {
      return await job();
    } finally {
      await releaseLock(path);
    }
  });
}

async function waitForLock(path: string): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const lock = await takeLock(path);
    if (lock.holder === "us") return;
    if (performance.now() > giveUpAt)
      throw new Error(
        `process ${lock.pid} holds ${path} for more than ${timeoutMs} ms: stop it, or try again`,
      );
    await sleep(pause);
  }
}

/** Undefined: it is gone by now. An unreadable one counts as a dead process's. */
async function readHolder(path: string): Promise<number | undefined> {
  try {
    const pid = Number.parseInt(await readFile(path, "utf8"), 10);
    return Number.isInteger(pid) ? pid : 0;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Two processes may find the same stale lock. Renaming it lets one win; who finds that it moved the
 * winner's new lock puts it back.
 */
async function removeStale(path: string, deadPid: number): Promise<void> {
  const aside = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
  try {
    await rename(path, aside);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  if ((await readHolder(aside)) !== deadPid) await link(aside, path);
  await unlink(aside);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
