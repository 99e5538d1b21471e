import { fileURLToPath } from "node:url";
import { build } from "esbuild";

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

async function bundle(path: string): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [path],
    bundle: true,
    format: "iife",
    platform: "browser",
    target: "es2022",
    write: false,
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}
