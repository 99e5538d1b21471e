/**
 * What else than this Node runs JavaScript: packages of `test/stacks`, which the set-up
 * installs.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { requires } from "../requirement.js";

const { place } = (await import(new URL("../../stacks/place.mjs", import.meta.url).href)) as {
  readonly place: string;
};

export const stacks = join(place, "node_modules");

/** The versions of Node that the package supports. */
export const nodeVersions = ["20", "22", "24"] as const;

/** Programs by their names. */
export const programs = {
  "Node 20": join(stacks, "node-20/bin/node"),
  "Node 22": join(stacks, "node-22/bin/node"),
  "Node 24": join(stacks, "node-24/bin/node"),
  Bun: join(stacks, "@oven/bun-linux-x64/bin/bun"),
  Deno: join(stacks, "@deno/linux-x64-glibc/deno"),
  workerd: join(stacks, "@cloudflare/workerd-linux-64/bin/workerd"),
} as const;

/** The path of a program; where it is missing, the test is skipped and says so. */
export function program(context: Mocha.Context, name: keyof typeof programs): string {
  requires(context, name, () => existsSync(programs[name]));
  return programs[name];
}
