import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { build } from "esbuild"; // comes with tsx
import { scriptedClient, settled } from "../helpers/client/scripted-client.js";
import { consume } from "../helpers/consumer.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

/** A module of the client as a page would load it: one file, and what went into it. */
async function bundle(entry: string, platform: "browser" | "node") {
  const options = {
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
    metafile: true,
    logLevel: "silent",
  } as const;
  const { metafile, outputFiles } = await build({
    ...options,
    absWorkingDir: root,
    entryPoints: [entry],
    platform,
  });
  return { text: outputFiles[0]?.text ?? "", inputs: Object.keys(metafile.inputs) };
}

const foreign = (inputs: readonly string[]) =>
  inputs.filter((path) => path.includes("node_modules"));

describe("The client's bundle for browsers", function () {
  this.timeout(60_000);

  it("is ready made, with at most 8000 bytes, gzipped, and with every export of the module", async () => {
    await run("node", ["scripts/build-client.mjs"], { cwd: root });
    const path = `${root}dist/client/jotwire.min.js`;
    const text = await readFile(path, "utf8");
    expect(gzipSync(text, { level: 9 }).length).to.be.within(1_000, 8_000);
    expect(text).to.not.match(/node:|\brequire\(|\bimport\b/);
    const [ready, module] = [
      (await import(pathToFileURL(path).href)) as object,
      (await import("../../client/index.js")) as object,
    ];
    expect(Object.keys(ready)).to.have.members(Object.keys(module));
  });

  it("works as the module does, with the short names that it has inside", async () => {
    const { createClient, gap } = (await import(
      pathToFileURL(`${root}dist/client/jotwire.min.js`).href
    )) as typeof import("../../client/index.js");
    const { client, signIn, clock, pass } = scriptedClient({}, createClient);
    const socket = await signIn();
    const call = client.call("orders.list", { limit: 2 }, { idempotent: true });
    const marked = consume(client.subscribe("orders.watch", { id: "o1" }, { gaps: true }));
    socket.answer(socket.last("orders.watch"), { subscription: "t", epoch: "e", offset: 1 });
    socket.tell("subscription.event", { subscription: "t", offset: 3, data: "three" });
    socket.drop();
    await pass(20_000);
    const next = await signIn();
    expect(next.frames.map(({ method }) => method)).to.deep.equal([
      "authenticate",
      "orders.watch",
      "orders.list",
    ]);
    expect(next.last("orders.watch").params).to.deep.equal({
      id: "o1",
      $since: { epoch: "e", offset: 3 },
    });
    next.answer(next.last("orders.watch"), {
      subscription: "t",
      epoch: "e",
      offset: 3,
      recovered: true,
    });
    next.answer(next.last("orders.list"), ["o1"]);
    expect(await call).to.deep.equal(["o1"]);
    await pass(600_000);
    expect(next.last("refresh").params).to.deep.equal({ token: "token-3" });
    const ended = client.ready();
    await client.close();
    await ended;
    await settled();
    expect(marked).to.deep.equal({ events: [gap, "three"], isDone: true });
    expect(clock.pending).to.equal(0);
  });

  it("has nothing of other packages or of Node in it, as the one for Node has", async () => {
    const browser = await bundle("client/index.ts", "browser");
    expect(foreign(browser.inputs)).to.deep.equal([]);
    expect(browser.text).to.not.match(/node:|\brequire\(/);
    const node = await bundle("client/node.ts", "node");
    expect(foreign(node.inputs).filter((path) => path.includes("node_modules/ws/"))).to.not.be
      .empty;
    expect(node.inputs.filter((path) => path.includes("node_modules/jose/"))).to.deep.equal([]);
  });
});
