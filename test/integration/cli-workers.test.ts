import { expect } from "chai";
import { RunningCli, runCli, smallApp } from "../helpers/command-line.js";
import { RawClient } from "../helpers/raw-client.js";
import { hasRedis, RedisServer } from "../helpers/redis-server.js";
import { needs } from "../helpers/requirement.js";
import { withFolder } from "../helpers/temporary-folder.js";

const password = "correct horse battery";

interface ServingLine {
  readonly url: string;
  readonly pid: number;
  readonly metricsPort: number;
}

function serving({ stderr }: RunningCli): ServingLine[] {
  return [...stderr.matchAll(/^\{.*"msg":"serving".*$/gm)].map(([line]) => JSON.parse(line) as ServingLine);
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 25));
}

describe("jotwire serve --workers", function () {
  this.timeout(60_000); // many processes

  it("refuses several workers without a store that they can share, and names one", async () => {
    const foreign = ["--issuer", "https://id.test", "--audience", "test"];
    for (const whose of [["--embedded"], foreign]) {
      const { code, stderr } = await runCli(["serve", smallApp, "--port", "0", ...whose, "--workers", "2"]);
      expect(code).to.equal(3);
      expect(stderr).to.include("--redis redis://");
    }
    expect((await runCli(["serve", smallApp, "--workers", "0"])).code).to.equal(2);
  });

  it("tells a Redis that does not answer, without its password: exit code 4", async () => {
    const args = ["serve", smallApp, "--port", "0", "--embedded", "--redis", "redis://:hunter2@127.0.0.1:1"];
    for (const workers of ["1", "2"]) {
      const { code, stderr } = await runCli([...args, "--workers", workers]);
      expect(code).to.equal(4);
      expect(stderr).to.include("no Redis answers at redis://127.0.0.1:1").and.not.include("hunter2");
    }
  });

  it("shares one port and one Redis, replaces a worker that dies, and drains all at SIGTERM", async function () {
    needs(this, "redis-server", hasRedis);
    const redis = await RedisServer.start();
    try {
      await withFolder(async (folder) => {
        const shared = ["--redis", redis.url, "--state", folder];
        const options = [...shared, "--embedded", "--admin", "admin", "--metrics", "--metrics-port", "0", "--workers", "2"];
        await using server = new RunningCli(["serve", smallApp, "--port", "0", ...options]);
        await until(() => serving(server).length === 2);
        const [{ url = "", pid = 0 } = {}, other] = serving(server) as [Partial<ServingLine>, ServingLine];
        expect(other.url).to.equal(url);
        expect(other.pid).to.not.equal(pid);
        expect((await runCli(["user", "add", "ada", "--scope", "admin", ...shared], { input: password })).code).to.equal(0);

        const base = url.replace("ws", "http").replace("/rpc", "");
        const token = (await runCli(["token", "--url", base, "--user", "ada"], { input: password })).stdout.trim();
        const clients: RawClient[] = [];
        for (let n = 0; n < 4; n++) {
          const client = await RawClient.connect(url);
          expect((await client.authenticate(token)).error).to.equal(undefined);
          clients.push(client);
        }
        const asked = async () =>
          (await clients[0]?.call("rpc.sessions.list"))?.result as unknown as { nodes: number; sessions: { node: string }[] };
        let list = await asked();
        while (list.nodes < 2) list = await asked(); // a worker that is busy starting answers late; the test's own limit ends it
        expect(list.nodes).to.equal(2);
        expect(new Set(list.sessions.map(({ node }) => node)).size).to.equal(2);

        process.kill(pid, "SIGKILL");
        await until(() => serving(server).length === 3);
        expect(server.stderr).to.include('"event":"worker.died"');
        const late = await RawClient.connect(url);
        expect((await late.authenticate(token)).error).to.equal(undefined);
        server.signal("SIGTERM");
        expect(await late.closed).to.deep.equal({ code: 1012, reason: "server_restart" });
        expect(await server.exited).to.equal(0);
      });
    } finally {
      await redis.stop();
    }
  });
});
