/** Next, real and built: behind a custom server as in the guide, and in its API routes. */
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { snippets } from "../helpers/documents.js";
import { link, tsx } from "../helpers/package/project.js";
import { stacks } from "../helpers/package/runtimes.js";
import { requires } from "../helpers/requirement.js";
import { RawClient } from "../helpers/server/raw-client.js";

const run = promisify(execFile);
const reportPort = new URL("../fixtures/report-port.mjs", import.meta.url).href;

const guide = (name: string) =>
  snippets.find((snippet) => snippet.name === `docs/guides/frameworks/${name}`)?.code ?? "";

const files = {
  "package.json": JSON.stringify({ type: "module" }),
  "pages/index.js": `export default () => "your own page";`,
  // Next parses the body before the route is called
  "pages/api/[...path].js": `
    export default async function handler(req, res) {
      if (!(await globalThis.rpcServer.handle(req, res))) res.status(404).end();
    }`,
  "rpc-server.ts": guide("rpc-server.ts"),
  "next.ts": guide("next.ts"),
  // its issuer's endpoints are below /api, and only the API route knows of them
  "api.ts": guide("next.ts")
    .replace("await app.prepare();", "globalThis.rpcServer = rpcServer;\nawait app.prepare();")
    .replace("!(await rpcServer.handle(req, res))", "true"),
};

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

describe("Next", function () {
  this.timeout(300_000);
  let folder: string | undefined;

  before(async function () {
    requires(this, "Next", () => existsSync(join(stacks, "next")));
    // below its packages: Next takes the folder of the lock file for the root of everything
    folder = await mkdtemp(join(stacks, "../project-"));
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text);
    }
    await link(folder, "jotwire");
    const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1" };
    await run(process.execPath, [join(stacks, "next/dist/bin/next"), "build"], {
      cwd: folder,
      env,
    });
  });

  after(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const withProgram = async (name: string, use: (base: string) => Promise<void>) => {
    const preload = [tsx, reportPort].flatMap((url) => ["--import", url]);
    const child = spawn(process.execPath, [...preload, name], {
      cwd: folder,
      env: { ...process.env, PORT: "0", NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1" },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const exited = new Promise((resolve) => child.once("exit", resolve));
    try {
      const port = await new Promise<number>((resolve, reject) => {
        child.once("message", (message) => resolve(Number(message)));
        void exited.then((code) => reject(new Error(`${name} ended with ${code}`)));
      });
      await use(`http://127.0.0.1:${port}`);
    } finally {
      child.kill("SIGKILL");
      await exited;
    }
  };

  const logIn = async (url: string, form?: URLSearchParams): Promise<Tokens> => {
    const answer = await fetch(url, {
      method: "POST",
      ...(form === undefined
        ? {
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ username: "ada", password: "correct horse battery" }),
          }
        : { body: form }),
    });
    expect(answer.status).to.equal(200);
    return (await answer.json()) as Tokens;
  };

  it("serves pages beside every endpoint and the WebSocket, by the guide's next.ts", () =>
    withProgram("next.ts", async (base) => {
      expect(await (await fetch(base)).text()).to.include("your own page");
      const { access_token: token } = await logIn(`${base}/login`);
      const client = await RawClient.connect(`${base.replace("http", "ws")}/rpc`);
      await client.authenticate(token);
      expect(await client.call("hello")).to.have.property("result", "hello ada");
      await client.close();
      for (const path of ["/livez", "/readyz", "/.well-known/jwks.json"])
        expect((await fetch(base + path)).status, path).to.equal(200);
      expect((await fetch(`${base}/nothing`)).status).to.equal(404);
    }));

  it("has read the body of an API route, from which handle takes it", async () => {
    const server = files["rpc-server.ts"].replace("localhost:8080", "localhost:8080/api");
    await writeFile(join(String(folder), "rpc-server.ts"), server);
    await withProgram("api.ts", async (base) => {
      const { refresh_token } = await logIn(`${base}/api/login`);
      const form = new URLSearchParams({ grant_type: "refresh_token", refresh_token });
      expect((await logIn(`${base}/api/token`, form)).access_token).to.be.a("string");
      const twice = "grant_type=refresh_token&refresh_token=a&refresh_token=b";
      const refused = await fetch(`${base}/api/token`, {
        method: "POST",
        body: new URLSearchParams(twice),
      });
      expect([refused.status, await refused.text()].join(" ")).to.match(/^400 .*twice/);
    });
  });
});
