/** What the client costs: CPU time in Node, bytes in a browser. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { ratio, summary } from "../lib/statistics.mjs";
import { createSigner } from "../lib/tokens.mjs";

async function sdk(bench) {
  const { child: server, port } = await bench.serve("jotwire");
  const token = createSigner(bench.keys.privateJwk)();
  const subjects = {};
  for (const name of ["ws-map", "sdk"]) {
    const child = bench.start(`clients/${name}.mjs`);
    await child.ask("connect", { url: `ws://127.0.0.1:${port}/rpc`, token });
    subjects[name] = { child, measure: (duration) => child.ask("run", { duration }) };
  }
  const costs = await bench.interleave(subjects);
  for (const { child } of Object.values(subjects)) await bench.stop(child);
  await bench.stop(server);
  const work =
    "client SDK in Node, 32 calls at a time, over a bare ws client with a Map of pending ids";
  const named = { "bare ws client with a Map": costs["ws-map"], "jotwire client": costs.sdk };
  return [{ id: "sdk", work, target: 0.9, value: ratio(costs.sdk, costs["ws-map"]), costs: named }];
}

/**
 * Size in kB of a module and all that it imports, minified for browsers and gzipped. Fails where a
 * platform's module is needed.
 */
async function browserSize(entry) {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const packages = Object.keys(metafile.inputs).filter((path) => path.includes("node_modules/"));
  return { size: gzipSync(outputFiles[0].contents, { level: 9 }).length / 1_000, packages };
}

async function bundle() {
  const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
  const own = await browserSize(path("../../dist/client/index.js"));
  if (own.packages.length > 0)
    throw new Error(`the browser's client bundles ${own.packages.join(", ")}`);
  const ready =
    gzipSync(readFileSync(path("../../dist/client/jotwire.min.js")), { level: 9 }).length / 1_000;
  const other = await browserSize(path("../node_modules/json-rpc-2.0/dist/index.js"));
  const costs = {
    "jotwire client, ready made": [ready],
    "jotwire client, bundled by esbuild": [own.size],
    "json-rpc-2.0 alone": [other.size],
  };
  const work = "client SDK as a browser bundle, minified and gzipped, whole";
  return [
    {
      id: "bundle",
      work: `${work}: the ready-made module`,
      target: 8,
      unit: " kB",
      value: summary([ready]),
      costs,
      costUnit: "kB",
    },
    {
      id: "ownBundle",
      work: `${work}: an application's own bundle by esbuild`,
      unit: " kB",
      value: summary([own.size]),
    },
  ];
}

export const clientScenarios = { sdk, bundle };
