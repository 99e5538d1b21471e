import { link, open, readdir, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isAlive } from "./process-alive.js";

/** Temporary files that this process is writing now: a second store on the same folder must not clean them away. */
const inFlight = new Set<string>();
const temporaryName = /^\..+\.(\d+)-\d+\.tmp$/;
let written = 0;

/** Puts a whole new file (mode 0600) in place of the old one, if any: after a crash either is there, never a part. Durable when it resolves. */
export async function replaceFile(folder: string, name: string, text: string): Promise<void> {
  await throughTemporary(folder, name, text, (temporary) => rename(temporary, join(folder, name)));
}

/** As {@link replaceFile}, but only if there is no such file. False when there is. */
export async function createFile(folder: string, name: string, text: string): Promise<boolean> {
  return throughTemporary(folder, name, text, async (temporary) => {
    const created = await unless("EEXIST", () => link(temporary, join(folder, name)));
    await unlink(temporary);
    return created;
  });
}

/** False when there was no such file. Durable when it resolves. */
export async function removeFile(folder: string, name: string): Promise<boolean> {
  const removed = await unless("ENOENT", () => unlink(join(folder, name)));
  if (removed) await syncFolder(folder);
  return removed;
}

/** Removes the temporary files that dead processes left in a folder. */
export async function removeLeftOvers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = Number(temporaryName.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || inFlight.has(join(folder, name))) continue;
    if (pid === process.pid || !isAlive(pid)) await unless("ENOENT", () => unlink(join(folder, name)));
  }
}

async function throughTemporary<T>(folder: string, name: string, text: string, place: (temporary: string) => Promise<T>): Promise<T> {
  written += 1;
  const temporary = join(folder, `.${name}.${process.pid}-${written}.tmp`);
  inFlight.add(temporary);
  try {
    await writeDurably(temporary, text);
    const result = await place(temporary);
    await syncFolder(folder);
    return result;
  } catch (error) {
    await unless("ENOENT", () => unlink(temporary));
    throw error;
  } finally {
    inFlight.delete(temporary);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A name in a folder survives a power cut only when the folder itself was synced. Windows can't, and need not. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function unless(code: string, act: () => Promise<void>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === code) return false;
    throw error;
  }
}
