import { chmod, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { claimStore, redisStoreOf } from "../../src/cli/settings/redis-place.js";
import { runCli, smallApp } from "../helpers/cli/command-line.js";
import { makeCertificate } from "../helpers/network/reverse-proxy.js";
import { hasRedis, RedisServer } from "../helpers/redis/redis-server.js";
import { requires, runs } from "../helpers/requirement.js";
import { withFolder } from "../helpers/temporary-folder.js";
import { createTestKeys } from "../helpers/tokens/tokens.js";

interface Finding {
  readonly level: string;
  readonly check: string;
  readonly advice: string;
}

async function check(...args: string[]): Promise<{ code: number | null; findings: Finding[] }> {
  const { code, stdout, stderr } = await runCli(["check", ...args, "--json"]);
  expect(stderr).to.equal("");
  return { code, findings: JSON.parse(stdout) as Finding[] };
}

const about = (findings: readonly Finding[], name: string) =>
  findings.filter((finding) => finding.check === name);

/** Key set in a file, and an issuer whose clock is `ahead` seconds. */
async function withIssuer(
  ahead: number,
  use: (args: readonly string[], url: string) => Promise<void>,
): Promise<void> {
  const provider = createServer((_request, response) => {
    response.setHeader("Date", new Date(Date.now() + ahead * 1_000).toUTCString());
    response.end();
  });
  await new Promise<void>((resolve) => provider.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
  try {
    await withFolder(async (folder) => {
      const jwks = join(folder, "jwks.json");
      await writeFile(jwks, JSON.stringify({ keys: [createTestKeys().publicJwk] }));
      const issuer = ["--issuer", url, "--audience", "urn:test", "--jwks", jwks];
      await use([...issuer, "--state", join(folder, "state")], url);
    });
  } finally {
    provider.closeAllConnections();
    provider.close();
  }
}

describe("jotwire check", function () {
  this.timeout(60_000); // many processes

  it("finds nothing unsafe in settings that are not, and ends with 0; warnings are told", async () => {
    await withFolder(async (folder) => {
      const settings = [
        "--embedded",
        "--issuer",
        "https://api.example.com",
        "--trust-proxy",
        "loopback",
        "--origin",
        "none",
      ];
      const { code, findings } = await check(smallApp, ...settings, "--state", folder);
      expect(findings.filter(({ level }) => level === "unsafe")).to.deep.equal([]);
      expect(code).to.equal(0);
      expect(about(findings, "store")).to.deep.include({
        level: "warning",
        check: "store",
        advice: "the state folder serves one process on one machine; give --redis for more",
      });
      expect(about(findings, "exposure").map(({ level }) => level)).to.deep.equal(["ok"]);
      const checks = [
        "settings",
        "exposure",
        "tls",
        "origins",
        "tokens",
        "limits",
        "store",
        "drain",
      ];
      expect([...new Set(findings.map((finding) => finding.check))]).to.deep.equal(checks);
    });
  });

  it("says that the state folder is open to others, which no command works on, and what to type", async () => {
    await withFolder(async (folder) => {
      await writeFile(join(folder, "something"), "");
      await chmod(folder, 0o755);
      const settings = [
        "--embedded",
        "--issuer",
        "https://api.example.com",
        "--trust-proxy",
        "loopback",
        "--origin",
        "none",
      ];
      const { code, findings } = await check(smallApp, ...settings, "--state", folder);
      expect(code).to.equal(3);
      const advice = `other users of this machine may enter the state folder ${folder} (mode 755): chmod 700 ${folder}`;
      expect(about(findings, "store")[0]).to.deep.equal({
        level: "unsafe",
        check: "store",
        advice,
      });
      for (const command of [
        ["serve", smallApp, "--port", "0", ...settings],
        ["user", "list"],
        ["client", "list"],
      ]) {
        const refused = await runCli([...command, "--state", folder]);
        expect(
          [refused.code, refused.stderr.includes(`chmod 700 ${folder}`)],
          command.join(" "),
        ).to.deep.equal([3, true]);
      }
      const foreign = await check(
        smallApp,
        "--issuer",
        "http://127.0.0.1:1",
        "--audience",
        "test",
        "--state",
        folder,
      );
      expect(JSON.stringify(foreign.findings), "it keeps nothing there").to.not.include("chmod");
    });
  });

  it("looks at the pages and the certificate as the server would take them", async function () {
    requires(this, "openssl", () => runs("openssl", "version"));
    await withFolder(async (folder) => {
      await makeCertificate(folder);
      const tls = [
        "--tls-cert",
        join(folder, "certificate.pem"),
        "--tls-key",
        join(folder, "key.pem"),
      ];
      const settings = [
        "--embedded",
        "--issuer",
        "https://api.example.com",
        "--host",
        "0.0.0.0",
        "--state",
        folder,
        ...tls,
      ];
      const { code, findings } = await check(
        smallApp,
        ...settings,
        "--origin",
        "http://app.example.com",
      );
      expect(code).to.equal(3);
      expect(about(findings, "tls").map(({ level }) => level)).to.deep.equal(["unsafe", "warning"]);
      expect(about(findings, "tls")[0]?.advice)
        .to.include("clients connect to api.example.com")
        .and.include("localhost");
      expect(about(findings, "origins")[0]).to.deep.include({ level: "unsafe" });
      const misspelt = await check(smallApp, ...settings, "--origin", "app.example.com");
      expect(
        about(misspelt.findings, "tokens")[0]?.advice,
        "the server would not start",
      ).to.include("is not an origin");
    });
  });

  it("says what is unsafe, one line each with what to do, and ends with 3", async () => {
    const { code, stdout } = await runCli([
      "check",
      smallApp,
      "--embedded",
      "--host",
      "0.0.0.0",
      "--issuer",
      "http://api.example.com",
      "--allow-insecure",
    ]);
    expect(code).to.equal(3);
    expect(stdout)
      .to.match(/^unsafe +exposure +no origin may connect.*--origin/m)
      .and.match(/^unsafe +exposure +--allow-insecure/m);
    expect(stdout).to.match(/^(ok|warning) +limits/m);
  });

  it("compares the clocks, and finds keys that come by http and an audience that is missing", async () => {
    await withIssuer(120, async (args) => {
      const { code, findings } = await check(smallApp, ...args);
      expect(code).to.equal(3);
      expect(about(findings, "clock")[0]).to.deep.include({ level: "unsafe" });
      expect(about(findings, "clock")[0]?.advice).to.match(
        /clock is (119|120|121) s behind the issuer's/,
      );
      expect(about(findings, "tokens")[0]?.advice).to.include("https");
      for (const name of ["algorithms", "audience"])
        expect(about(findings, name)[0]).to.deep.include({ level: "ok" });
      const client = await check(smallApp, ...args, "--audience", "shop-web");
      expect(about(client.findings, "audience")[0]).to.deep.include({ level: "warning" });
      expect(about(client.findings, "audience")[0]?.advice).to.include("--typ at+jwt");
      const typed = await check(smallApp, ...args, "--audience", "shop-web", "--typ", "at+jwt");
      expect(about(typed.findings, "audience")[0]).to.deep.include({ level: "ok" });
      const other = await check(smallApp, ...args, "--algorithm", "RS256");
      expect(about(other.findings, "algorithms")[0]).to.deep.include({ level: "unsafe" });
      expect(about(other.findings, "tokens")[0]?.advice).to.include(
        "no key of the set can be used",
      );
    });
    await withIssuer(0, async (args, url) => {
      expect(about((await check(smallApp, ...args)).findings, "clock")[0]).to.deep.include({
        level: "ok",
      });
      const { code, findings } = await check(smallApp, "--issuer", url);
      expect(code).to.equal(3);
      expect(about(findings, "tokens")[0]?.advice).to.include("--audience");
    });
  });

  it("tells an issuer without keys, a module that can't be loaded, and several workers without Redis", async () => {
    const dead = await check(smallApp, "--issuer", "http://127.0.0.1:1", "--audience", "test");
    expect(dead.code).to.equal(3);
    expect(about(dead.findings, "tokens")[0]?.advice).to.include("no keys to verify tokens with");
    const module = await check("nothing.js", "--embedded", "--workers", "2");
    expect(about(module.findings, "tokens")[0]?.advice).to.include("no module at");
    expect(about(module.findings, "store")[0]).to.deep.include({ level: "unsafe" });
  });

  it("looks at how Redis keeps what it is told", async function () {
    requires(this, "redis-server", hasRedis);
    for (const [settings, wanted] of [
      [{}, ["a restart loses"]],
      [{ appendfsync: "everysec" as const }, ["last second"]],
      [
        {
          appendfsync: "always" as const,
          options: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"],
        },
        ["noeviction"],
      ],
      [{ appendfsync: "always" as const }, ["nothing to do"]],
    ] as const) {
      const redis = await RedisServer.start(settings);
      try {
        const { findings } = await check("--embedded", "--redis", redis.url);
        const advice = about(findings, "store").map((finding) => finding.advice);
        expect(advice).to.have.length(wanted.length);
        expect(advice[0]).to.include(wanted[0]);
      } finally {
        await redis.stop();
      }
    }
    const shared = await RedisServer.start({ appendfsync: "always" });
    try {
      const place = { redis: shared.url, redisPrefix: "jotwire" };
      const store = await redisStoreOf(place);
      if (store !== undefined)
        await claimStore(store, { issuer: "https://a.example", audience: "a" });
      await store?.close();
      const served = [
        "--embedded",
        "--trust-proxy",
        "loopback",
        "--origin",
        "none",
        "--redis",
        shared.url,
      ];
      const other = await check(...served, "--issuer", "https://b.example", "--audience", "a");
      expect(other.code).to.equal(3);
      expect(about(other.findings, "store")[0]?.advice)
        .to.include("https://a.example")
        .and.include("--redis-prefix");
      expect(
        (await check(...served, "--issuer", "https://a.example", "--audience", "a")).code,
      ).to.equal(0);
      expect(
        (await check(...served, "--issuer", "https://b.example", "--redis-prefix", "b")).code,
      ).to.equal(0);
      expect(await shared.command("EXISTS", "b:deployment"), "only looked at").to.include(":0");
    } finally {
      await shared.stop();
    }
    const { code, findings } = await check("--embedded", "--redis", "redis://:hunter2@127.0.0.1:1");
    expect(code).to.equal(3);
    expect(about(findings, "store")[0]?.advice)
      .to.include("no Redis answers")
      .and.not.include("hunter2");
  });
});
