import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RedisServer } from "../helpers/redis/redis-server.js";
import type { ChildIssuer } from "../helpers/server/child-settings.js";

/** What a store holds. */
export interface StoreSize {
  readonly entries: number;
  readonly unit: "files" | "keys";
  readonly bytes: number;
}

/** A store that is gone when it is disposed. */
export interface MeasuredStore extends AsyncDisposable {
  readonly place: ChildIssuer["store"];
  readonly size: () => Promise<StoreSize>;
}

/** A file store in a new folder. */
export async function measuredFolder(): Promise<MeasuredStore> {
  const parent = await mkdtemp(join(tmpdir(), "jotwire-hostile-"));
  const folder = join(parent, "state");
  return {
    place: { folder },
    size: () => folderSize(folder),
    [Symbol.asyncDispose]: () => rm(parent, { recursive: true, force: true }),
  };
}

/** A Redis of its own. */
export async function measuredRedis(): Promise<MeasuredStore> {
  const redis = await RedisServer.start();
  const numberIn = async (pattern: RegExp, ...command: readonly string[]) =>
    Number(pattern.exec(await redis.command(...command))?.[1]);
  return {
    place: { redis: redis.url },
    size: async () => ({
      entries: await numberIn(/^:(\d+)/, "DBSIZE"),
      unit: "keys",
      bytes: await numberIn(/used_memory:(\d+)/, "INFO", "memory"),
    }),
    [Symbol.asyncDispose]: () => redis.stop(),
  };
}

/** All files below a folder, also those that come and go meanwhile. */
export async function folderSize(folder: string): Promise<StoreSize> {
  let [entries, bytes] = [0, 0];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const { size } = await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }));
    entries++;
    bytes += size;
  }
  return { entries, unit: "files", bytes };
}
