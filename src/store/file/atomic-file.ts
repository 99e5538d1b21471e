import { link, open, readdir, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Temporary files that this process is writing now: a second store on the same folder must not
 * clean them away.
 */
const inFlight = new Set<string>();
const temporaryName = /^\..+\.(\d+)-\d+\.tmp$/;
let written = 0;

/** A whole file, or its parts in order. */
type Content = string | Iterable<string>;

/**
 * Puts a whole new file (mode 0600) in place of the old one, if any: after a crash either is there,
 * never a part. Durable when it resolves.
 */
export async function replaceFile(folder: string, name: string, content: Content): Promise<void> {
  await throughTemporary(folder, name, async (temporary) => {
    await writeDurably(temporary, content);
    await rename(temporary, join(folder, name));
    await syncFolder(folder);
  });
}

/** As {@link replaceFile}, but only if there is no such file. False when there is. */
export async function createFile(folder: string, name: string, content: Content): Promise<boolean> {
  return throughTemporary(folder, name, async (temporary) => {
    await writeDurably(temporary, content);
    const created = await linkTo(temporary, join(folder, name));
    await syncFolder(folder);
    return created;
  });
}

/**
 * As {@link createFile}, for what nobody needs after a power cut, such as a lock: it waits for no
 * disk.
 */
export async function createPassingFile(
  folder: string,
  name: string,
  text: string,
): Promise<boolean> {
  return throughTemporary(folder, name, async (temporary) => {
    await writeFile(temporary, text, { flag: "wx", mode: 0o600 });
    return linkTo(temporary, join(folder, name));
  });
}

/** False when there was no such file. Durable when it resolves. */
export async function removeFile(folder: string, name: string): Promise<boolean> {
  const removed = await removePassingFile(folder, name);
  if (removed) await syncFolder(folder);
  return removed;
}

/** As {@link removeFile}, without waiting for the disk. */
export function removePassingFile(folder: string, name: string): Promise<boolean> {
  return unless("ENOENT", () => unlink(join(folder, name)));
}

/** Removes the temporary files that dead processes left in a folder. */
export async function removeLeftOvers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = Number(temporaryName.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || inFlight.has(join(folder, name))) continue;
    if (pid === process.pid || !isAlive(pid))
      await unless("ENOENT", () => unlink(join(folder, name)));
  }
}

/** Gives a file its name, unless another one has it. False when one has. */
async function linkTo(temporary: string, path: string): Promise<boolean> {
  const created = await unless("EEXIST", () => link(temporary, path));
  await unlink(temporary);
  return created;
}

/** `place`: writes the file of that name, and moves it to its place. */
async function throughTemporary<T>(
  folder: string,
  name: string,
  place: (temporary: string) => Promise<T>,
): Promise<T> {
  written += 1;
  const temporary = join(folder, `.${name}.${process.pid}-${written}.tmp`);
  inFlight.add(temporary);
  try {
    return await place(temporary);
  } catch (error) {
    await unless("ENOENT", () => unlink(temporary));
    throw error;
  } finally {
    inFlight.delete(temporary);
  }
}

async function writeDurably(path: string, content: Content): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await writeFile(file, content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * A name in a folder survives a power cut only when the folder itself was synced. Windows can't,
 * and need not.
 */
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

/** Does a process of this id run on this machine? */
export function isAlive(pid: number): boolean {
  if (pid <= 0) return false; // not a process: 0 would ask about our own group
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // it is there, and somebody else's
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
