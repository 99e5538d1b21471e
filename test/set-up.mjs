/**
 * Brings a fresh machine to where all tests can run: `npm test` starts with it. Installs what is
 * missing where it may (root, with apt-get), and says what it did or could not do. It never fails:
 * a test that misses something says so itself.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { place } from "./stacks/place.mjs";

/** Debian packages, and what needs them. */
const packages = {
  "python3-websockets": "the client in Python",
  "python3-jwt": "the client in Python",
  "python3-cryptography": "the client in Python",
  chromium: "pages in a browser",
  "firefox-esr": "pages in a browser",
  "redis-server": "several nodes on one Redis",
  faketime: "a node whose clock jumps",
  nginx: "servers behind a proxy",
  haproxy: "servers behind a proxy",
  caddy: "servers behind a proxy",
  systemd: "the unit file",
  prometheus: "the alert rules",
  "python3-yaml": "the deployment examples",
};

const installing = 600_000; // 10 min: a browser has much to unpack
const lock = ["-o", "DPkg::Lock::Timeout=120"]; // 2 min for another apt-get to end
const say = (line) => process.stdout.write(`set-up: ${line}\n`);

checkNode();
const missing = Object.keys(packages).filter((name) => !isInstalled(name));
if (missing.length > 0) provide(missing);
provideSiteGenerator();
provideStacks();

function checkNode() {
  const { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const [wanted, found] = [engines.node.replace(">=", ""), process.versions.node];
  if (found.localeCompare(wanted, "en", { numeric: true }) < 0)
    say(`Node ${found} is too old: ${wanted} or newer is needed`);
}

/** What makes a site of the documents has packages of its own. */
function provideSiteGenerator() {
  const docs = new URL("../docs/", import.meta.url);
  if (existsSync(new URL("node_modules/vitepress", docs))) return;
  tell("the site generator", npmCi(docs));
}

/** So have tests with other frameworks and runtimes: too much to install with the package. */
function provideStacks() {
  if (existsSync(place)) return;
  const source = new URL("stacks/", import.meta.url);
  const folder = `${place}.${process.pid}`; // another set-up may be at it, too
  mkdirSync(folder, { recursive: true });
  for (const name of [".npmrc", "package.json", "package-lock.json"])
    copyFileSync(new URL(name, source), join(folder, name));
  if (npmCi(folder) && !existsSync(place)) renameSync(folder, place);
  rmSync(folder, { recursive: true, force: true });
  tell("other frameworks and runtimes", existsSync(place));
}

function npmCi(cwd) {
  const { status } = spawnSync("npm", ["ci", "--silent", "--no-audit", "--no-fund"], {
    cwd,
    stdio: "ignore",
    shell: process.platform === "win32",
    timeout: installing,
  });
  return status === 0;
}

function tell(what, isDone) {
  say(isDone ? `installed ${what}` : `${what} could not be installed`);
}

function isInstalled(name) {
  const { stdout } = spawnSync("dpkg-query", ["--status", name], { encoding: "utf8" });
  return /^Status: install ok installed$/m.test(stdout ?? "");
}

function provide(names) {
  const objection = whyNotInstall();
  if (objection === undefined && !install(names)) {
    // the lists may be old, or not there yet
    spawnSync("apt-get", [...lock, "update", "--quiet"], { stdio: "ignore", timeout: installing });
    install(names);
  }
  for (const name of names) {
    if (isInstalled(name)) say(`installed ${name}`);
    else
      say(
        `${name} is missing (${objection ?? "apt-get could not install it"}): tests of ${packages[name]} can't run`,
      );
  }
}

function whyNotInstall() {
  if (spawnSync("apt-get", ["--version"], { stdio: "ignore" }).status !== 0)
    return "there is no apt-get";
  if (process.getuid?.() !== 0) return "only root may install it";
  return undefined;
}

function install(names) {
  const { status } = spawnSync(
    "apt-get",
    [...lock, "install", "--yes", "--quiet", "--no-install-recommends", ...names],
    {
      // no service is started now: tests start what they need
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", SYSTEMD_OFFLINE: "1" },
      stdio: "ignore",
      timeout: installing,
    },
  );
  return status === 0;
}
