import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { compile } from "svelte/compiler";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const bundles = new Map<string, Promise<string>>();

/**
 * A script of TypeScript, as a page can run it: bundled with all that it imports, once a run.
 * `path`: from the project's root.
 */
export function pageScript(path: string): Promise<string> {
  let text = bundles.get(path);
  if (text === undefined) {
    text = bundle(path);
    bundles.set(path, text);
  }
  return text;
}

/** Components of Svelte as JavaScript. */
const svelte: Plugin = {
  name: "svelte",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.svelte$/ }, async ({ path }) => ({
      contents: compile(await readFile(path, "utf8"), { filename: path }).js.code,
    })),
};

async function bundle(path: string): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [path],
    bundle: true,
    format: "iife",
    platform: "browser",
    target: "es2022",
    write: false,
    plugins: [svelte],
    conditions: ["browser"],
    define: {
      "process.env.NODE_ENV": '"development"',
      __VUE_OPTIONS_API__: "false",
      __VUE_PROD_DEVTOOLS__: "false",
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
    },
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}
