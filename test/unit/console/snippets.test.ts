import { spawnSync } from "node:child_process";
import { expect } from "chai";
import { transformSync } from "esbuild";
import { sdkCodeOf, wscatOf } from "../../../console/model/call/snippets.js";
import { methodsIn } from "../../../console/model/open-rpc.js";

const url = "ws://localhost:8080/rpc?x=it's";
const methods = methodsIn(
  {
    methods: [
      { name: "orders.create" },
      { name: "stock.list", "x-public": true },
      { name: "prices", "x-subscription": {} },
    ],
  },
  [],
);
function named(name: string) {
  const found = methods.find((method) => method.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

describe("A call as text", () => {
  it("is a command that a shell reads as it is meant, and lines of JSON without a token", () => {
    const [command = "", comment, ...lines] = wscatOf(url, named("orders.create"), { sku: "A'1" })
      .trim()
      .split("\n");
    const said = spawnSync("sh", ["-c", `printf '%s\n' ${command}`], { encoding: "utf8" });
    expect(said.stdout.trim().split("\n")).to.deep.equal(["npx", "wscat", "-c", url]);
    expect(comment).to.match(/^#/);
    expect(lines.map((line) => JSON.parse(line) as unknown)).to.deep.equal([
      { jsonrpc: "2.0", id: 1, method: "authenticate", params: { token: "<access token>" } },
      { jsonrpc: "2.0", id: 2, method: "orders.create", params: { sku: "A'1" } },
    ]);
    expect(wscatOf(url, named("stock.list"), undefined)).to.not.include("authenticate");
  });

  it("is code of the SDK, a subscription as a loop", () => {
    const code = sdkCodeOf(url, named("orders.create"), { sku: "A1" });
    expect(code).to.include('client.call("orders.create", {\n  "sku": "A1"\n})');
    const loop = sdkCodeOf(url, named("prices"), undefined);
    expect(loop).to.include('for await (const event of client.subscribe("prices"))');
    for (const text of [code, loop])
      expect(transformSync(text, { loader: "ts", format: "esm" }).warnings).to.deep.equal([]);
  });
});
