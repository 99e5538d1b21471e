/** Makes dist/client/jotwire.min.js: the client as one module, for a page without a bundler. */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Members that only the client's own modules see, so that they may have any name. None of an option, a result, an event, or the wire. */
const inner =
  "answer awaiting bury cancel cancelTimer check deadline doubt emit ended flush handlers isIdempotent isReady isRepeat isResumed lose lost mayHaveRun mayRepeat notification opened outcome received release remove start tries want withdraw";

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
  mangleProps: new RegExp(`^(${inner.replaceAll(" ", "|")})$`),
});
const { code } = await minify(outputFiles[0].text, { module: true, ecma: 2020, compress: { passes: 3 } });
await writeFile(`${root}dist/client/jotwire.min.js`, code);
