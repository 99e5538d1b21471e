/**
 * Makes the client and the session of a page as one module each, for a page without a bundler:
 * dist/client/jotwire.min.js, dist/client/jotwire-session.min.js.
 */
import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";
import { classesToClosures, functionsToArrows } from "./classes-to-closures.mjs";
import { areTogether, innerMembers } from "./inner-members.mjs";
import { lettersIn, renameForGzip, withLetters } from "./rename-for-gzip.mjs";
import { inOrder, orderForGzip } from "./reorder-for-gzip.mjs";

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
await put("jotwire.min.js", await renamed(code, named));

const session = await build({
  absWorkingDir: root,
  entryPoints: ["client/login/index.ts"],
  external: ["oauth4webapi"], // loaded when a provider is asked
  bundle: true,
  write: false,
  minify: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  legalComments: "none",
  logLevel: "warning",
});
const { code: squeezed } = await minify(session.outputFiles[0].text, options);
await put("jotwire-session.min.js", squeezed);

/** A page that is loading it meanwhile gets the old one or the new one. */
async function put(name, text) {
  const path = `${root}dist/client/${name}`;
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

/**
 * `text` with the order and the letters that were found for it. The search takes two minutes; what
 * it found is kept beside this program, and belongs in the commit that changed the client.
 */
async function renamed(text, named) {
  const of = createHash("sha256").update(text).update(named).digest("hex");
  const path = new URL("client-choices.json", import.meta.url);
  let choices = JSON.parse(await readFile(path, "utf8"));
  if (choices.of !== of) {
    process.stderr.write("The client has changed: its names are chosen anew, for two minutes.\n");
    choices = { of, ...chosen(text, named) };
    await writeFile(path, `${JSON.stringify(choices)}\n`);
  }
  return withLetters(choices.orders.reduce(inOrder, text), new Map(choices.letters));
}

function chosen(text, named) {
  const nameOf = (short) => innerMembers[Number(short.slice(2, -1))];
  const orders = [];
  let [made, letters] = [text, lettersIn(text, named)];
  for (let round = 0; round < 3; round++) {
    const order = orderForGzip(made, (part) => withLetters(part, letters));
    orders.push(order);
    made = inOrder(made, order);
    letters = renameForGzip(made, letters, (one, other) => areTogether(nameOf(one), nameOf(other)));
  }
  return { orders, letters: [...letters] };
}
