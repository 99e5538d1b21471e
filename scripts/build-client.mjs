/** Makes dist/client/jotwire.min.js: the client as one module, for a page without a bundler. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";
import { classesToClosures, functionsToArrows } from "./classes-to-closures.mjs";
import { areTogether, innerMembers } from "./inner-members.mjs";
import { lettersIn, renameForGzip, withLetters } from "./rename-for-gzip.mjs";
import { reorderForGzip } from "./reorder-for-gzip.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

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
  mangleProps: new RegExp(`^(${innerMembers.join("|")})$`),
  mangleCache: Object.fromEntries(innerMembers.map((name, index) => [name, `$m${index}$`])),
});
const bundle = functionsToArrows(classesToClosures(outputFiles[0].text));
const options = {
  module: true,
  ecma: 2020,
  compress: {
    sequences: false,
    comparisons: false,
    lhs_constants: false,
    passes: 6,
    keep_fargs: false,
    unsafe: true,
    unsafe_arrows: true,
    hoist_vars: true,
  },
};
let count = 0;
const { code } = await minify(bundle, {
  ...options,
  mangle: { nth_identifier: { get: () => `$v${++count}$` } },
});
const { code: named } = await minify(bundle, options);
// a page that is loading it meanwhile gets the old one or the new one
const path = `${root}dist/client/jotwire.min.js`;
await writeFile(`${path}.new`, await renamed(code, named));
await rename(`${path}.new`, path);

/** The text that was made of `text`, from the last time if it was the same. */
async function renamed(text, named) {
  const hash = createHash("sha256").update(text).update(named);
  for (const maker of [
    "build-client.mjs",
    "rename-for-gzip.mjs",
    "reorder-for-gzip.mjs",
    "inner-members.mjs",
  ])
    hash.update(await readFile(new URL(maker, import.meta.url)));
  const key = hash.digest("hex");
  const path = `${root}node_modules/.cache/jotwire/${key}.js`;
  try {
    return await readFile(path, "utf8");
  } catch {
    const nameOf = (short) => innerMembers[Number(short.slice(2, -1))];
    let [made, letters] = [text, lettersIn(text, named)];
    for (let round = 0; round < 3; round++) {
      made = reorderForGzip(made, (part) => withLetters(part, letters));
      letters = renameForGzip(made, letters, (one, other) =>
        areTogether(nameOf(one), nameOf(other)),
      );
    }
    made = withLetters(made, letters);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, made);
    return made;
  }
}
