/** Makes dist/client/jotwire.min.js: the client as one module, for a page without a bundler. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";
import { renameForGzip } from "./rename-for-gzip.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * Members that only the client's own modules see, so that they may have any name. None of an
 * option, a result, an event, the wire, or the platform.
 */
const inner = `
  all allowed answer answered asked begin body cancel cancelTimer check claim closed closing
  controller deadline emit end ended ensureConnecting event failure flush forget forgetAll frame
  group hasten inbox invalidate is isAdopted isAsking isIdempotent isReady isRepeat isResumed
  keepToken lose lost mayHaveRun mayRepeat move notice notification obtain onFailure onResult open
  opened outcome owner phase ping probe pump put received refusal release remove report request
  reset signedIn signOut since socket start stop take tries unanswered use wait waiting wake`
  .trim()
  .split(/\s+/);

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: ["client/index.ts"],
  bundle: true,
  write: false,
  format: "esm",
  platform: "browser",
  target: "es2022",
  define: { "Number.POSITIVE_INFINITY": "Infinity" }, // the shorter name
  legalComments: "none",
  logLevel: "warning",
  minifySyntax: true, // and terser after it: together they find more than either
  mangleProps: new RegExp(`^(${inner.join("|")})$`),
  mangleCache: Object.fromEntries(inner.map((name, index) => [name, `$m${index}$`])),
});
const options = {
  module: true,
  ecma: 2020,
  compress: {
    sequences: false,
    comparisons: false,
    passes: 3,
    keep_fargs: false,
    hoist_funs: true,
    unsafe: true,
    unsafe_arrows: true,
  },
};
let count = 0;
const { code } = await minify(outputFiles[0].text, {
  ...options,
  mangle: { nth_identifier: { get: () => `$v${++count}$` } },
});
const { code: named } = await minify(outputFiles[0].text, options);
// a page that is loading it meanwhile gets the old one or the new one
const path = `${root}dist/client/jotwire.min.js`;
await writeFile(`${path}.new`, await renamed(code, named));
await rename(`${path}.new`, path);

/** The text that was made of `text`, from the last time if it was the same. */
async function renamed(text, named) {
  const maker = await readFile(new URL("rename-for-gzip.mjs", import.meta.url));
  const key = createHash("sha256").update(text).update(named).update(maker).digest("hex");
  const path = `${root}node_modules/.cache/jotwire/${key}.js`;
  try {
    return await readFile(path, "utf8");
  } catch {
    const made = renameForGzip(text, named);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, made);
    return made;
  }
}
