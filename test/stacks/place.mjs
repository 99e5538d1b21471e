/**
 * Where the set-up installs the packages of this folder: by the content of their lock file, in the
 * user's cache, since they are large and the same for every clone.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const lock = readFileSync(new URL("package-lock.json", import.meta.url));
const version = createHash("sha256").update(lock).digest("hex").slice(0, 16);

export const place = join(
  process.env.XDG_CACHE_HOME || join(homedir(), ".cache"),
  "jotwire/stacks",
  version,
);
