import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { projectFolder, RunningCli, smallApp } from "../helpers/cli/command-line.js";
import { buildImage, type ImageSettings } from "../helpers/cli/dockerfile.js";
import { freePort, hasRedis, RedisServer } from "../helpers/redis/redis-server.js";
import { requires, runs } from "../helpers/requirement.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { withFolder } from "../helpers/temporary-folder.js";

const examples = join(projectFolder, "examples/deploy");
const python = "/usr/bin/python3"; // Debian's, which sees Debian's packages
const overtime = 15; // s that a process may take after its drain

type Yaml = { readonly [member: string]: Yaml } & readonly Yaml[] & string;

/** The documents of a YAML file. */
async function yaml(name: string): Promise<readonly Yaml[]> {
  const program =
    "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)";
  const { stdout, stderr } = spawnSync(python, ["-c", program], {
    input: await readFile(join(examples, name)),
    encoding: "utf8",
  });
  if (stderr !== "") throw new Error(stderr);
  return JSON.parse(stdout) as readonly Yaml[];
}

const ok = async (url: string) => (await fetch(url)).status;

describe("examples/deploy/jotwire.service", function () {
  this.timeout(30_000);

  const unit = () => readFile(join(examples, "jotwire.service"), "utf8");
  const value = (text: string, name: string) =>
    new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "";

  it("is a unit that systemd takes without a complaint that it has not of any unit here", async function () {
    requires(this, "systemd-analyze", () => runs("systemd-analyze", "--version"));
    await withFolder(async (folder) => {
      const path = join(folder, "orders.service");
      const verdictOf = async (text: string) => {
        await writeFile(path, text);
        return verified(path);
      };
      const here = (await unit()).replace("/usr/bin/node", process.execPath);
      // says what this systemd says of this machine
      const least = await verdictOf(`[Service]\nExecStart=${process.execPath}\n`);
      expect(await verdictOf(here)).to.deep.equal(least);
      expect((await verdictOf(here.replace("KillMode=mixed", "KillMode=gently"))).said).to.include(
        "gently",
      ); // it does look
    });
  });

  it("starts a server that is ready, and that ends in order within the time that it gives", () =>
    withFolder(async (folder) => {
      const text = await unit();
      await mkdir(join(folder, "node_modules/.bin"), { recursive: true });
      await symlink(
        join(projectFolder, "dist/src/cli/main.js"),
        join(folder, "node_modules/.bin/jotwire"),
      );
      await symlink(projectFolder, join(folder, "node_modules/jotwire"));
      await cp(smallApp, join(folder, "app.js"));
      await writeFile(join(folder, "package.json"), '{ "type": "module" }');
      const port = await freePort();
      const settings = [...text.matchAll(/^Environment=(\w+)=(.*)$/gm)].map(
        ([, name = "", given = ""]) => [name, given],
      );
      const metricsPort = await freePort();
      const own = {
        JOTWIRE_STATE: join(folder, "state"),
        JOTWIRE_PORT: String(port),
        JOTWIRE_METRICS_PORT: String(metricsPort),
      };
      const env = { ...Object.fromEntries(settings), ...own };
      expect(settings.map(([name]) => name)).to.include.members(Object.keys(own));
      const [program, ...args] = value(text, "ExecStart").split(" ");
      expect(program).to.equal("/usr/bin/node");
      await using service = new RunningCli(args, { command: [process.execPath], env, cwd: folder });
      await service.printed(/"serving"/);
      expect(await ok(`http://127.0.0.1:${port}/readyz`)).to.equal(200);
      expect(await ok(`http://127.0.0.1:${metricsPort}/metrics`)).to.equal(200);
      service.signal(value(text, "KillSignal") as NodeJS.Signals);
      expect(await service.exited).to.equal(0);
      expect(Number(value(text, "TimeoutStopSec"))).to.be.greaterThan(
        Number(env.JOTWIRE_DRAIN) / 1000 + overtime,
      );
    }));
});

function verified(path: string): { readonly status: number | null; readonly said: string } {
  const { status, stderr } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
  return { status, said: stderr };
}

describe("The image of examples/deploy", function () {
  this.timeout(90_000); // npm ci
  let folder: string;
  let image: ImageSettings;
  let redis: RedisServer;
  let compose: Yaml;
  let kubernetes: readonly Yaml[];
  let node: RunningCli;
  let env: Record<string, string>;
  let base: string;

  const of = (kind: string) => kubernetes.find((document) => document.kind === kind) as Yaml;
  const pod = () => of("Deployment").spec?.template?.spec as Yaml;
  const container = () => pod().containers?.[0] as Yaml;
  const member = (value: Yaml, path: string) =>
    path.split(".").reduce<Yaml | undefined>((part, name) => part?.[name], value);
  const runIn = (command: string, input = "") =>
    spawnSync("sh", ["-c", command], {
      cwd: image.folder,
      env: { ...process.env, ...env },
      input,
      encoding: "utf8",
      timeout: 20_000,
    });

  before(async function () {
    requires(this, "Redis", hasRedis);
    requires(this, "python3-yaml", () => runs(python, "-c", "import yaml"));
    [compose] = (await yaml("compose.yaml")) as [Yaml];
    kubernetes = await yaml("kubernetes.yaml");
    folder = await mkdtemp(join(tmpdir(), "jotwire-image-"));
    const context = join(folder, "context");
    await cp(examples, context, { recursive: true });
    npm(projectFolder, "pack", "--ignore-scripts", "--pack-destination", context);
    npm(context, "install", "--package-lock-only", "--prefer-offline", "--no-audit", "--no-fund");
    image = await buildImage(context, folder);
    const [, ...options] = String(member(compose, "services.redis.command")).split(" ");
    redis = await RedisServer.start({ options });
    const given = member(compose, "services.node.environment") as unknown as Record<string, string>;
    env = {
      ...image.env,
      ...given,
      JOTWIRE_REDIS: redis.url,
      JOTWIRE_ISSUER: "https://api.example.com",
      JOTWIRE_ORIGIN: "none",
    };
    Object.assign(env, {
      JOTWIRE_PORT: String(await freePort()),
      JOTWIRE_METRICS_PORT: String(await freePort()),
    });
    env.JOTWIRE_TRUST_PROXY = "127.0.0.1";
    base = `http://127.0.0.1:${env.JOTWIRE_PORT}`;
    const [program = "", ...args] = image.command;
    node = new RunningCli(args, { command: [program], env, cwd: image.folder });
    await node.printed(/"serving"/);
  });

  after(async () => {
    await node?.[Symbol.asyncDispose]();
    await redis?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it("serves a user that was added in it: login, a session, a call", async () => {
    const command =
      /run --rm -T node (node .*) < password\.txt/.exec(
        await readFile(join(examples, "compose.yaml"), "utf8"),
      )?.[1] ?? "";
    expect(command).to.include("user add ada");
    const added = runIn(command, "correct horse battery\n");
    expect(added.status, added.stderr).to.equal(0);
    const body = JSON.stringify({ username: "ada", password: "correct horse battery" });
    const login = await fetch(`${base}/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    const { access_token: token } = (await login.json()) as { readonly access_token: string };
    const client = await RawClient.connect(`${base.replace("http", "ws")}/rpc`);
    expect((await client.authenticate(token)).result).to.include({ subject: "ada" });
    expect((await client.call("orders.count")).result).to.equal(0);
    await client.close();
  });

  it("listens on the ports that it exposes when no other is given, and Kubernetes and Compose know them", async () => {
    const { stdout } = runIn("node node_modules/.bin/jotwire serve --help");
    const defaultOf = (flag: string) =>
      Number(new RegExp(`${flag} <port>[^(]*\\(default:\\s+(\\d+)\\)`).exec(stdout)?.[1]);
    expect(["--port", "--metrics-port"].map(defaultOf)).to.deep.equal(image.ports);
    const ports = (container().ports as readonly Yaml[]).map(({ containerPort }) =>
      Number(containerPort),
    );
    expect(ports).to.deep.equal(image.ports);
    expect(String(member(compose, "services.node.ports.0")).split(":").at(-1)).to.equal(
      String(image.ports[0]),
    );
    expect(await ok(`http://127.0.0.1:${env.JOTWIRE_METRICS_PORT}/metrics`)).to.equal(200);
  });

  it("is beside a Redis that keeps what it has acknowledged, and throws nothing away", async () => {
    for (const [name, value] of Object.entries({
      appendonly: "yes",
      appendfsync: "always",
      "maxmemory-policy": "noeviction",
    })) {
      expect((await redis.command("CONFIG", "GET", name)).split("\r\n"), name).to.include(value);
    }
  });

  it("is not root's, and has the version of jotwire that is here", async () => {
    expect(image.user).to.match(/^[1-9]\d*:[1-9]\d*$/);
    const { version } = JSON.parse(await readFile(join(projectFolder, "package.json"), "utf8")) as {
      readonly version: string;
    };
    const { dependencies } = JSON.parse(await readFile(join(examples, "package.json"), "utf8")) as {
      dependencies: { jotwire: string };
    };
    expect(dependencies.jotwire).to.equal(`file:jotwire-${version}.tgz`);
  });

  it("answers Kubernetes' probes where they ask", async () => {
    const named = new Map(
      (container().ports as readonly Yaml[]).map(({ name, containerPort }) => [
        name,
        Number(containerPort),
      ]),
    );
    for (const probe of ["readinessProbe", "livenessProbe"]) {
      const { path, port } = member(container(), `${probe}.httpGet`) as Yaml;
      expect(named.get(port as Yaml), probe).to.equal(image.ports[0]);
      expect(await ok(`${base}${path}`), probe).to.equal(200);
    }
    const target = member(of("Service"), "spec.ports.0.targetPort") as Yaml;
    expect(named.get(target)).to.equal(image.ports[0]);
  });

  it("is selected by the service and the disruption budget, and gets every setting that it needs", () => {
    const labels = member(of("Deployment"), "spec.template.metadata.labels");
    expect(member(of("Service"), "spec.selector")).to.deep.equal(labels);
    expect(member(of("PodDisruptionBudget"), "spec.selector.matchLabels")).to.deep.equal(labels);
    expect(member(of("Deployment"), "spec.selector.matchLabels")).to.deep.equal(labels);
    const names = (container().env as readonly Yaml[]).map(({ name }) => String(name));
    expect(names).to.have.members(
      Object.keys(member(compose, "services.node.environment") as Yaml),
    );
    expect(names).to.include("JOTWIRE_REDIS");
    for (const [name, flag] of Object.entries({
      JOTWIRE_ISSUER: "--issuer",
      JOTWIRE_ORIGIN: "--origin",
      JOTWIRE_TRUST_PROXY: "--trust-proxy",
    })) {
      expect(names).to.include(name);
      const started = runIn(`env -u ${name} ${image.command.join(" ")}`);
      expect(started.status, name).to.be.oneOf([2, 3]);
      expect(started.stderr).to.include(flag);
    }
    const help = runIn("node node_modules/.bin/jotwire serve --help").stdout;
    const needed = new Set([...Object.keys(image.env), ...names]);
    for (const name of [...needed].filter((one) => one !== "NODE_ENV")) {
      const flag = `--${name.replace("JOTWIRE_", "").toLowerCase().replaceAll("_", "-")}`;
      expect(help, name).to.match(new RegExp(`^ +${flag}\\b`, "m"));
    }
  });

  it("has nothing unsafe about it, says jotwire check", () => {
    const command = image.command.join(" ").replace(" serve ", " check ");
    const checked = runIn(command);
    expect(checked.stdout).to.match(/^ok +store/m);
    expect(checked.status, checked.stdout + checked.stderr).to.equal(0);
    expect(runIn(`env JOTWIRE_ORIGIN=null ${command}`).status, "it does look").to.equal(3);
  });

  it("has the time to drain before it is killed", () => {
    const drains = (container().env as readonly Yaml[]).filter(
      ({ name }) => (name as string) === "JOTWIRE_DRAIN",
    );
    const drain = Number(drains[0]?.value) / 1000;
    const preStop = Number(member(container(), "lifecycle.preStop.exec.command.1"));
    expect(drain).to.be.greaterThan(0);
    expect(Number(pod().terminationGracePeriodSeconds)).to.be.greaterThan(preStop + drain + 5);
    const grace = /^(\d+)s$/.exec(String(member(compose, "services.node.stop_grace_period")))?.[1];
    expect(Number(grace)).to.be.greaterThan(
      Number(member(compose, "services.node.environment.JOTWIRE_DRAIN")) / 1000 + 5,
    );
  });

  it("is healthy until SIGTERM, and then ends with 0 and is not", async () => {
    expect(runIn(image.healthCheck).status).to.equal(0);
    node.signal("SIGTERM");
    expect(await node.exited).to.equal(0);
    expect(runIn(image.healthCheck).status).to.equal(1);
  });
});

function npm(cwd: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync("npm", args, { cwd, encoding: "utf8", timeout: 60_000 });
  if (status !== 0) throw new Error(`npm ${args[0]}: ${stderr}`);
}
