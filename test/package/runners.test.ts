/** The testing kit under the runners that applications have, in a project of its own for each. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { installPacked, root } from "../helpers/package/project.js";
import { stacks } from "../helpers/package/runtimes.js";
import { requires } from "../helpers/requirement.js";
import { withFolder } from "../helpers/temporary-folder.js";

const run = promisify(execFile);

/** Tests as an application has them; `it` and the like are the runner's. */
const tests = (imports: string) => `
${imports}
import assert from "node:assert/strict";
import { createRpc } from "jotwire";
import { createClient } from "jotwire/client";
import { caller, mockServer, testServer } from "jotwire/testing";

const rpc = createRpc({ scopes: ["orders:read"] });
const any = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } };
const changes = rpc.topic({ scope: "orders:read", params: any, event: any, key: () => "all" });
const list = rpc.method({ scope: "orders:read", handler: ({ auth }) => [auth.subject] });
const app = rpc.router({ orders: { list, changes } });

it("calls a handler", async () => {
  const ada = caller(app, { subject: "ada", scopes: ["orders:read"] });
  assert.deepEqual(await ada.api.orders.list(), ["ada"]);
  await assert.rejects(caller(app).api.orders.list(), { code: "unauthenticated" });
});

it("keeps a session for an hour, and over a lost network", async () => {
  const server = testServer(app);
  const ada = server.clientAs("ada", ["orders:read"]);
  const events = ada.api.orders.changes({})[Symbol.asyncIterator]();
  await ada.ready();
  await server.clock.advance(3_600_000);
  await server.publish(changes, {}, 1);
  assert.equal((await events.next()).value, 1);
  server.network.drop();
  await server.clock.advance(1_000);
  server.network.restore();
  await server.clock.advance(20_000);
  assert.deepEqual(await ada.api.orders.list(), ["ada"]);
  await server.restart();
  await server.clock.advance(20_000);
  assert.deepEqual(await ada.api.orders.list(), ["ada"]);
  await server.close();
});

it("mocks a server", async () => {
  const server = mockServer({ "orders.list": () => ["o1"] });
  const client = createClient({ url: server.url, WebSocket: server.WebSocket });
  assert.deepEqual(await client.api.orders.list(), ["o1"]);
  await client.close();
});

it("does not hide a failure from the runner", async () => {
  const ada = caller(app, { subject: "ada" });
  const work = ada.api.orders.list();
  if (process.env.FAIL) await work;
  else await assert.rejects(work, { code: "forbidden" });
});
`;

interface Runner {
  readonly name: string;
  readonly imports: string;
  readonly file: string;
  readonly command: (folder: string) => readonly string[];
  readonly packages?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
}

const runners: readonly Runner[] = [
  {
    name: "node:test",
    imports: 'import { it } from "node:test";',
    file: "orders.test.mjs",
    command: () => ["--test", "orders.test.mjs"],
  },
  {
    name: "mocha",
    imports: "",
    file: "orders.test.mjs",
    command: () => [join(root, "node_modules/mocha/bin/mocha.js"), "orders.test.mjs"],
  },
  {
    name: "vitest",
    imports: 'import { it } from "vitest";',
    file: "orders.test.mjs",
    command: (folder) => [join(folder, "node_modules/vitest/vitest.mjs"), "run"],
    packages: ["vitest"],
  },
  {
    name: "jest",
    imports: "",
    file: "orders.test.mjs",
    // as Jest's documentation of ES modules has it
    command: (folder) => [
      "--experimental-vm-modules",
      "--no-warnings",
      join(folder, "node_modules/jest/bin/jest.js"),
    ],
    packages: ["jest"],
    files: {
      "jest.config.mjs":
        'export default { testMatch: ["**/*.test.mjs"], transform: {}, testEnvironment: "node" };',
    },
  },
];

/** How a run of the tests ends, and what it says. */
async function runIn(
  folder: string,
  { command }: Runner,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly said: string }> {
  const options = {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: "", NO_COLOR: "1", CI: "true", ...env },
    timeout: 120_000,
  };
  return run(process.execPath, [...command(folder)], options).then(
    ({ stdout, stderr }) => ({ code: 0, said: `${stdout}${stderr}` }),
    ({ code, stdout, stderr }) => ({ code: Number(code), said: `${stdout}${stderr}` }),
  );
}

describe("The testing kit, installed in a fresh project", function () {
  this.timeout(300_000);

  for (const runner of runners)
    it(`works with ${runner.name}, whose process ends by itself, and fails when a test does`, async function () {
      const { packages = [], files = {} } = runner;
      requires(this, runner.name, () => packages.every((name) => existsSync(join(stacks, name))));
      await withFolder(async (folder) => {
        await installPacked(folder);
        for (const name of packages)
          await symlink(join(stacks, name), join(folder, "node_modules", name));
        await writeFile(join(folder, runner.file), tests(runner.imports));
        for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
        const { code, said } = await runIn(folder, runner);
        expect(code, said).to.equal(0);
        expect(said).to.match(/\b4 pass(ed|ing)\b|pass 4\b/);
        const failed = await runIn(folder, runner, { FAIL: "1" });
        expect(failed.code, failed.said).to.be.above(0);
        expect(failed.said).to.match(/\b3 pass(ed|ing)\b|pass 3\b/);
      });
    });
});
