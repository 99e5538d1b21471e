/** Modules that make a client, evaluated where pages are rendered or built, and not shown. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { build } from "esbuild"; // comes with tsx

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

/** A module as an application has it: a client at its top, and a page that uses it. */
const page = (from: string, options = "") => `
  import { createElement as h } from "react";
  import { renderToString } from "react-dom/server";
  import { createClient } from "${from}/client";
  import { RpcProvider, useSession, useSubscription } from "${from}/react";

  export const client = createClient({
    url: process.env.URL,
    token() { console.log("token"); return "t"; },
    ${options}
  });
  client.on("state", ({ to }) => console.log(to));
  client.on("news", console.log);
  client.resume();
  function Page() {
    const { state } = useSession();
    const { status } = useSubscription("prices", { symbol: "BTC" });
    return h("p", null, state + " " + status);
  }
  console.log(renderToString(h(RpcProvider, { client }, h(Page))));
`;

/** The same without React: its server renderer for browsers keeps a process alive. */
const plain = (options = "") =>
  page("jotwire", options)
    .replace(/import .*react.*\n/g, "")
    .replace(/ {2}function Page[\s\S]*$/, 'console.log("evaluated");');

/** Runs a module until the process ends by itself; `sockets`: how many it has opened. */
async function evaluate(code: string, ...flags: readonly string[]) {
  let sockets = 0;
  const server = createServer((socket) => {
    sockets++;
    socket.on("error", () => {}).end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const running = run("node", [...flags, "--input-type=module", "-e", code], {
    cwd: root, // where the package finds itself by its name
    env: { ...process.env, URL: `ws://127.0.0.1:${port}/rpc` },
    timeout: 30_000,
  });
  try {
    const { stdout } = await running;
    return { lines: stdout.trim().split("\n"), sockets };
  } finally {
    server.close();
  }
}

const drawn = "<p>idle waiting</p>";

describe("A client at the top of a module that a server evaluates", function () {
  this.timeout(60_000);

  it("opens nothing while a page is rendered in Node, and the process ends by itself", async () => {
    expect(await evaluate(page("jotwire"))).to.deep.equal({ lines: [drawn], sockets: 0 });
  });

  it("opens nothing in Node under the conditions of browsers and of other platforms", async () => {
    for (const flags of [["--conditions=browser"], ["--conditions=worker"], []])
      expect(await evaluate(plain(), ...flags), flags.join()).to.deep.equal({
        lines: ["evaluated"],
        sockets: 0,
      });
  });

  it("opens nothing when a build has put the client for browsers into a server's file", async () => {
    const { outputFiles } = await build({
      stdin: {
        contents: page("./dist").replace(/\.\/dist\/(\w+)/g, (_, door) =>
          door === "client" ? "./dist/client/browser.js" : "./dist/client/react/index.js",
        ),
        resolveDir: root,
      },
      bundle: true,
      write: false,
      format: "esm",
      platform: "browser",
      external: ["react", "react-dom/server"],
    });
    expect(await evaluate(outputFiles[0]?.text ?? "")).to.deep.equal({
      lines: [drawn],
      sockets: 0,
    });
  });

  it('connects there with connect: "now", and at the first use', async () => {
    const end = 'client.on("state", ({ to }) => to === "waiting" && client.close());';
    for (const code of [
      page("jotwire", 'connect: "now",') + end,
      `${page("jotwire")} client.ready().catch(() => {}); ${end}`,
    ]) {
      const { lines, sockets } = await evaluate(code);
      expect(lines).to.include.members([drawn, "token", "connecting", "closed"]);
      expect(sockets).to.be.greaterThan(0);
    }
  });
});
