import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const program = fileURLToPath(new URL("./node-program.ts", import.meta.url));
const outfile = fileURLToPath(new URL("../../dist/chaos/node-program.mjs", import.meta.url));
let building: Promise<unknown> | undefined;

/**
 * The program of a node as one file, made once: nodes are started so often that each compiling its
 * sources would be most of the time.
 */
export async function builtProgram(): Promise<string> {
  building ??= build({
    entryPoints: [program],
    outfile,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
  });
  await building;
  return outfile;
}
