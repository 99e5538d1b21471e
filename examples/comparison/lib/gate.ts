/**
 * Holds up a server that was started beside the one which it replaces: loads what it imports, and
 * waits for a line. So it is away for as long as a scenario says, however slow the machine is.
 */
import { once } from "node:events";
import { createRequire } from "node:module";

const { PROGRAM = "", PRELOAD = "" } = process.env;
for (const name of PRELOAD.split(",")) {
  // the copy of the program, and the other build of packages that have two
  await import(createRequire(PROGRAM).resolve(name)).catch(() => {});
  await import(name).catch(() => {});
}
process.stdout.write("waiting\n");
await once(process.stdin, "data");
process.stdin.destroy();
