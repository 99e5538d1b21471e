/**
 * Makes the console one file, dist/client/console.html: scripts and styles stand in it, so that it
 * needs nothing else.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: ["console/main.ts", "console/style/console.css"],
  outdir: "dist/client",
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  platform: "browser",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
});
const textOf = (extension) => outputFiles.find(({ path }) => path.endsWith(extension)).text.trim();
const page = await readFile(`${root}console/page.html`, "utf8");
const whole = page
  .replace("<style></style>", () => `<style>${textOf(".css")}</style>`)
  .replace(
    '<script type="module"></script>',
    () => `<script type="module">${textOf(".js")}</script>`,
  );

await mkdir(`${root}dist/client`, { recursive: true });
// a server that is reading it meanwhile gets the old one or the new one
const path = `${root}dist/client/console.html`;
await writeFile(`${path}.new`, whole);
await rename(`${path}.new`, path);
