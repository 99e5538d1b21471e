import { expect } from "chai";
import { RunningCli, runCli, smallApp } from "../helpers/cli/command-line.js";
import { hasRedis, RedisServer } from "../helpers/redis/redis-server.js";
import { requires } from "../helpers/requirement.js";
import { scrape } from "../helpers/server/metric-series.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { withFolder } from "../helpers/temporary-folder.js";

const password = "correct horse battery";

interface ServingLine {
  readonly url: string;
  readonly pid: number;
}

function serving({ stderr }: RunningCli): ServingLine[] {
  return [...stderr.matchAll(/^\{.*"msg":"serving".*$/gm)].map(
    ([line]) => JSON.parse(line) as ServingLine,
  );
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 25));
}

describe("jotwire serve --workers", function () {
  this.timeout(60_000); // many processes

  it("refuses several workers without a store that they can share, and names one", async () => {
    const foreign = ["--issuer", "https://id.test", "--audience", "test"];
    for (const whose of [["--embedded"], foreign]) {
      const { code, stderr } = await runCli([
        "serve",
        smallApp,
        "--port",
        "0",
        ...whose,
        "--workers",
        "2",
      ]);
      expect(code).to.equal(3);
      expect(stderr).to.include("--redis redis://");
    }
    expect((await runCli(["serve", smallApp, "--workers", "0"])).code).to.equal(2);
  });

  it("tells a Redis that does not answer, without its password: exit code 4", async () => {
    const args = [
      "serve",
      smallApp,
      "--port",
      "0",
      "--embedded",
      "--redis",
      "redis://:hunter2@127.0.0.1:1",
    ];
    for (const workers of ["1", "2"]) {
      const { code, stderr } = await runCli([...args, "--workers", workers]);
      expect(code).to.equal(4);
      expect(stderr)
        .to.include("no Redis answers at redis://127.0.0.1:1")
        .and.not.include("hunter2");
    }
  });

  it("tells a Redis URL that can't be meant, and one that lets nobody in, without a part of the password", async function () {
    requires(this, "redis-server", hasRedis);
    const redis = await RedisServer.start();
    try {
      await redis.command("CONFIG", "SET", "requirepass", "hunter2");
      const place = `127.0.0.1:${redis.port}`;
      for (const [url, code, says] of [
        [`redis://:hunter@3/4@${place}`, 2, "url must be like redis://"],
        [`redis://${place}`, 4, `the Redis at redis://${place} refuses this user: Redis: NOAUTH`],
        [
          `redis://:hunter3@${place}`,
          4,
          `the Redis at redis://${place} refuses this user: Redis: WRONGPASS`,
        ],
      ] as const) {
        const served = await runCli([
          "serve",
          smallApp,
          "--port",
          "0",
          "--embedded",
          "--redis",
          url,
        ]);
        const checked = await runCli(["check", smallApp, "--embedded", "--redis", url]);
        expect(served.code, url).to.equal(code);
        expect(served.stderr).to.include(says).and.not.include("hunter");
        expect(checked.code).to.equal(3);
        expect(checked.stdout)
          .to.match(/^unsafe +store/m)
          .and.not.include("hunter");
      }
    } finally {
      await redis.stop();
    }
  });

  it("shares one port and one Redis, replaces a worker that dies, and drains all at SIGTERM", async function () {
    requires(this, "redis-server", hasRedis);
    const redis = await RedisServer.start();
    try {
      await withFolder(async (folder) => {
        const shared = ["--redis", redis.url, "--state", folder];
        const options = [
          ...shared,
          "--embedded",
          "--admin",
          "admin",
          "--metrics",
          "--metrics-port",
          "0",
          "--workers",
          "2",
        ];
        await using server = new RunningCli(["serve", smallApp, "--port", "0", ...options]);
        await until(() => serving(server).length === 2);
        const [{ url = "", pid = 0 } = {}, other] = serving(server) as [
          Partial<ServingLine>,
          ServingLine,
        ];
        expect(other.url).to.equal(url);
        expect(other.pid).to.not.equal(pid);
        expect(other).to.not.have.property("metricsPort");
        expect(
          (await runCli(["user", "add", "ada", "--scope", "admin", ...shared], { input: password }))
            .code,
        ).to.equal(0);

        const base = url.replace("ws", "http").replace("/rpc", "");
        const token = (
          await runCli(["token", "--url", base, "--user", "ada"], { input: password })
        ).stdout.trim();
        const clients: RawClient[] = [];
        for (let n = 0; n < 4; n++) {
          const client = await RawClient.connect(url);
          expect((await client.authenticate(token)).error).to.equal(undefined);
          clients.push(client);
        }
        const asked = async () =>
          (await clients[0]?.call("rpc.sessions.list"))?.result as unknown as {
            nodes: number;
            sessions: { node: string }[];
          };
        let list = await asked();
        // a worker that is busy starting answers late; the test's own limit ends it
        while (list.nodes < 2) list = await asked();
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

  it("shows the metrics of all workers on one page, each with its number, and does not wait long for one that hangs", async function () {
    requires(this, "redis-server", hasRedis);
    const redis = await RedisServer.start();
    try {
      await withFolder(async (folder) => {
        const options = [
          "--embedded",
          "--redis",
          redis.url,
          "--state",
          folder,
          "--metrics",
          "--metrics-port",
          "0",
          "--workers",
          "2",
        ];
        await using server = new RunningCli(["serve", smallApp, "--port", "0", ...options]);
        const port = Number(await server.printed(/"event":"metrics","metricsPort":(\d+)/));
        await until(() => serving(server).length === 2);
        const [first, second] = serving(server) as [ServingLine, ServingLine];
        for (let n = 0; n < 4; n++) await RawClient.connect(first.url);
        const opened = (found: ReadonlyMap<string, number>) =>
          ["1", "2"].map((worker) =>
            found.get(`jotwire_connections_opened_total{worker="${worker}"}`),
          );
        let found = await scrape(port);
        // a worker that is busy starting is silent at first
        while (opened(found).includes(undefined)) found = await scrape(port);
        expect(opened(found).reduce<number>((sum, value) => sum + (value ?? 0), 0)).to.equal(4);
        expect(opened(found), "both have some").to.not.include(0);
        for (const worker of ["1", "2"]) {
          expect(found.get(`jotwire_store_up{worker="${worker}"}`)).to.equal(1);
          expect(
            found.get(`jotwire_revocation_lag_seconds_bucket{worker="${worker}",le="+Inf"}`),
          ).to.equal(0);
        }
        expect(found.get('jotwire_workers{state="answering"}')).to.equal(2);
        expect(found.get('jotwire_workers{state="silent"}')).to.equal(0);
        const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
        const types = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
        expect(new Set(types).size, "each is declared once").to.equal(types.length);

        process.kill(second.pid, "SIGSTOP");
        const askedAt = performance.now();
        found = await scrape(port);
        expect(performance.now() - askedAt).to.be.lessThan(8_000); // within Prometheus' 10 s
        process.kill(second.pid, "SIGCONT");
        expect(found.get('jotwire_workers{state="silent"}')).to.equal(1);
        expect(opened(found).filter((value) => value !== undefined)).to.have.length(1);

        process.kill(first.pid, "SIGKILL");
        await until(() => serving(server).length === 3);
        await until(async () => !opened(await scrape(port)).includes(undefined));
        found = await scrape(port);
        expect([...found.keys()].some((key) => key.includes('worker="3"'))).to.equal(false);
        server.signal("SIGTERM");
        expect(await server.exited).to.equal(0);
      });
    } finally {
      await redis.stop();
    }
  });

  it("says that the port of the metrics is taken: exit code 4", async function () {
    requires(this, "redis-server", hasRedis);
    const redis = await RedisServer.start();
    try {
      const taken = ["--metrics", "--metrics-port", new URL(redis.url).port];
      const args = [
        "serve",
        smallApp,
        "--port",
        "0",
        "--embedded",
        "--redis",
        redis.url,
        "--workers",
        "2",
        ...taken,
      ];
      const { code, stderr } = await runCli(args);
      expect(code).to.equal(4);
      expect(stderr).to.include("--metrics-port").and.include("EADDRINUSE");
    } finally {
      await redis.stop();
    }
  });
});
