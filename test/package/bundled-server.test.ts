/** A server in one file: the guide's commands, and what comes of them, far from any node_modules. */
import { execFile, spawn } from "node:child_process";
import { copyFile, cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { documents } from "../helpers/documents.js";
import { installPacked, root } from "../helpers/package/project.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { withFolder } from "../helpers/temporary-folder.js";

const run = promisify(execFile);

const guide = documents.find(({ path }) => path === "docs/guides/bundling.md")?.text ?? "";
const commands = [...guide.matchAll(/^```sh\nnpx ([\s\S]*?)\n```$/gm)].map(([, line = ""]) => line);
const esbuild = join(root, "node_modules/.bin");

const server = `
import { createRpc, createServer } from "jotwire";
import { createIssuer, memoryStore } from "jotwire/issuer";

async function main() {
  const issuer = await createIssuer({ issuer: "http://localhost:8080", audience: "sums", store: memoryStore() });
  await issuer.users.add("ada", "correct horse battery", {});
  const rpc = createRpc();
  const app = rpc.router({ sum: rpc.method({ handler: ({ params }: { params: any }) => params[0] + params[1] }) });
  const server = createServer(app, { auth: issuer, tracing: true, console: process.env.CONSOLE === "1" });
  const { port } = await server.listen(0);
  process.stdout.write("at " + port + "\\n");
}

main().catch((error) => {
  process.stderr.write(error.message + "\\n");
  process.exitCode = 1;
});
`;

/** One that verifies the tokens of others, and keeps what it shares in Redis. */
const verifier = `
import { createRpc, createServer } from "jotwire";
import { createClient } from "jotwire/client";
import { redisStore } from "jotwire/redis";

const auth = { issuer: "https://id.example.com", audience: "sums", secret: "a secret of at least thirty-two bytes" };
const server = createServer(createRpc().router({}), { auth });
server.listen(0).then(async ({ url }) => {
  const client = createClient({ url });
  process.stdout.write(typeof redisStore + " " + (await client.call("ping")) + "\\n");
  await client.close();
  await server.close();
});
`;

/** Bundles by a command of the guide, and hands out a folder with nothing but what came of it. */
async function withBundle(
  project: string,
  command: string,
  source: string,
  use: (program: string, folder: string) => Promise<void>,
): Promise<void> {
  await writeFile(join(project, "server.ts"), source);
  const { stderr } = await run("sh", ["-c", command], {
    cwd: project,
    env: { ...process.env, PATH: `${esbuild}:${process.env.PATH}` },
  });
  expect(stderr).to.not.match(/warning|error/i);
  await withFolder(async (folder) => {
    await cp(join(project, "dist"), folder, { recursive: true });
    await rm(join(project, "dist"), { recursive: true });
    const programs = (await readdir(folder)).filter((name) => /\.[cm]js$/.test(name));
    expect(programs).to.have.lengthOf(1);
    await use(join(folder, String(programs[0])), folder);
  });
}

/** Starts a bundle, and resolves with its port, or with what it says where it fails. */
async function start(program: string, env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [program], {
    cwd: "/",
    env: { PATH: process.env.PATH, ...env },
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  const port = await Promise.race([
    exited.then(() => undefined),
    new Promise<string>((resolve) =>
      child.stdout.on("data", () => {
        const [, found] = /^at (\d+)$/m.exec(output) ?? [];
        if (found !== undefined) resolve(found);
      }),
    ),
  ]);
  return {
    port,
    output: () => output,
    exited,
    async stop() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

describe("A server bundled to one file", function () {
  this.timeout(60_000);
  let project: string;

  before(async () => {
    project = await mkdtemp(join(tmpdir(), "jotwire-bundled-"));
    await installPacked(project, "@redis/client", "rate-limiter-flexible");
  });

  after(() => rm(project, { recursive: true, force: true }));

  it("is made by two commands of the guide, for ES modules and for CommonJS", () => {
    expect(commands.map((line) => /--format=(\w+)/.exec(line)?.[1])).to.deep.equal(["esm", "cjs"]);
  });

  for (const command of commands) {
    const format = /--format=(\w+)/.exec(command)?.[1];

    it(`runs in an empty folder as ${format}: a login, a session, a call, and the console`, () =>
      withBundle(project, command, server, async (program, folder) => {
        await copyFile(join(root, "dist/client/console.html"), join(folder, "console.html"));
        const running = await start(program, { CONSOLE: "1" });
        try {
          expect(running.port, running.output()).to.not.equal(undefined);
          const base = `http://127.0.0.1:${running.port}`;
          const login = await fetch(`${base}/login`, {
            method: "POST",
            body: new URLSearchParams({ username: "ada", password: "correct horse battery" }),
          });
          const { access_token: token } = (await login.json()) as { access_token: string };
          const client = await RawClient.connect(`ws://127.0.0.1:${running.port}/rpc`);
          await client.authenticate(token);
          expect(await client.call("sum", [40, 2])).to.have.property("result", 42);
          await client.close();
          expect(await (await fetch(`${base}/console`)).text()).to.match(/^<!doctype html>/i);
          expect(running.output(), "tracing").to.include("npm install @opentelemetry/api");
        } finally {
          await running.stop();
        }
      }));

    it(`says as ${format} where the console's page belongs, if it is not there`, () =>
      withBundle(project, command, server, async (program, folder) => {
        const running = await start(program, { CONSOLE: "1" });
        expect(await running.exited).to.equal(1);
        expect(running.output()).to.equal(
          `console: there is no ${join(folder, "console.html")}; copy node_modules/jotwire/dist/client/console.html there, or leave out the option "console"\n`,
        );
      }));

    it(`needs as ${format} no native part without the embedded issuer, and has the store in Redis and the SDK`, () =>
      withBundle(project, command, verifier, async (program, folder) => {
        expect(await readdir(folder)).to.have.lengthOf(1);
        const { stdout } = await run(process.execPath, [program], { cwd: "/" });
        expect(stdout).to.equal("function pong\n");
      }));
  }
});
