import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { build } from "esbuild"; // comes with tsx

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A module of the client as a page would load it: one file, and what went into it. */
async function bundle(entry: string, platform: "browser" | "node") {
  const options = { bundle: true, minify: true, format: "esm", write: false, metafile: true, logLevel: "silent" } as const;
  const { metafile, outputFiles } = await build({ ...options, absWorkingDir: root, entryPoints: [entry], platform });
  return { text: outputFiles[0]?.text ?? "", inputs: Object.keys(metafile.inputs) };
}

const foreign = (inputs: readonly string[]) => inputs.filter((path) => path.includes("node_modules"));

describe("The client's bundle for browsers", function () {
  this.timeout(60_000);

  it("has at most 8000 bytes, gzipped", async () => {
    const { text } = await bundle("client/index.ts", "browser");
    expect(text).to.include("authenticate");
    expect(gzipSync(text, { level: 9 }).length).to.be.within(1_000, 8_000);
  });

  it("has nothing of other packages or of Node in it, as the one for Node has", async () => {
    const browser = await bundle("client/index.ts", "browser");
    expect(foreign(browser.inputs)).to.deep.equal([]);
    expect(browser.text).to.not.match(/node:|\brequire\(/);
    const node = await bundle("client/node.ts", "node");
    expect(foreign(node.inputs).filter((path) => path.includes("node_modules/ws/"))).to.not.be.empty;
    expect(node.inputs.filter((path) => path.includes("node_modules/jose/"))).to.deep.equal([]);
  });
});
