/**
 * Runs the tests: `npm test`, `npm run test:fast`, `npm run test:watch`. With files, those alone;
 * other arguments, such as `--grep`, go to mocha. Processes run side by side, two or more as there
 * are cores, and then what needs the machine to itself. Ends with one line that machines can read:
 * `N passed, N failed`.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { sep } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);

const counted = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/;
const orphaned = 5_000; // ms from its end to that of its output
const slots = Math.max(2, Math.min(availableParallelism(), 4));

/** They measure a time, or a heap in a process of its own: another load would be measured too. */
const alone = [
  "test/security/bad-frames.test.ts",
  "test/security/hostile-peers.test.ts",
  "test/security/large-state.test.ts",
  "test/security/made-up-topics.test.ts",
  "test/unit/server/overload.test.ts",
  "test/unit/store/redis/redis-slow.test.ts",
];

/** Jobs, the longest first, and the folders of their files. A file is in the first that fits. */
const folders = {
  cli: ["test/integration/cli"],
  browser: ["test/browser/"],
  chaos: ["test/chaos/"],
  integration: ["test/integration/"],
  security: ["test/security/"],
  code: ["test/unit/", "test/conformance/"],
  other: ["test/"],
};
/** Jobs that load the machine themselves, and give it some seconds to recover. */
const loaded = ["browser", "chaos"];
const fastJobs = ["security", "code"];
const needsRedis = /\/redis\//; // a server to start for each file

/** The jobs of a kind: rounds of names and files. `whole` leaves no test file out. */
export function jobsFor(kind, files) {
  const unknown = alone.filter((file) => !files.includes(file));
  if (unknown.length > 0) throw new Error(`not there: ${unknown.join(", ")}`);
  const jobs = new Map(Object.keys(folders).map((name) => [name, []]));
  for (const file of files) {
    if (alone.includes(file)) continue;
    const isIn = (place) => file.startsWith(place);
    const [name] = Object.entries(folders).find(([, places]) => places.some(isIn));
    if (kind === "whole" || !needsRedis.test(file)) jobs.get(name).push(file);
  }
  if (kind === "whole") {
    const byThemselves = [...loaded.map((name) => [name, jobs.get(name)]), ["alone", alone]];
    const others = [...jobs].filter(([name]) => !loaded.includes(name));
    return [others, ...byThemselves.map((job) => [job])];
  }
  return [fastJobs.map((name) => [name, jobs.get(name)])];
}

/** What a process counted. One that ended badly without a failed test counts as a failure. */
export function countsOf(lastLine, code, { mayBeEmpty = false } = {}) {
  const [, ...numbers] = counted.exec(lastLine) ?? [];
  const [passed = 0, failed = 0, skipped = 0] = numbers.map((number) => Number(number ?? 0));
  const isEmpty = passed + failed + skipped === 0 && !mayBeEmpty;
  const isBroken = numbers.length === 0 || isEmpty || (code !== 0 && failed === 0);
  return { passed, failed: isBroken ? failed + 1 : failed, skipped, isBroken };
}

export function findTests(folder = "test") {
  return readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll(sep, "/")}`)
    .filter((path) => path.endsWith(".test.ts"))
    .sort();
}

/**
 * Runs mocha, each line behind the job's name, and resolves with its counts. `leaving`: milliseconds
 * that the process may take to end after its last line.
 */
export async function run(name, files, options, settings, leaving = 30_000) {
  const mocha = require.resolve("mocha/bin/mocha.js");
  const child = spawn(process.execPath, [mocha, ...options, ...files], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.on("close", (code) => resolve(code)));
  const lines = createInterface({ input: child.stdout });
  const letGo = () => {
    lines.close();
    child.stdout.destroy();
  };
  // a process that outlives it may hold its output open
  child.on("exit", () => setTimeout(letGo, orphaned).unref());
  let last = "";
  let overdue;
  let isOpen = false;
  for await (const line of lines) {
    if (line.trim() !== "") last = line;
    if (counted.test(line))
      overdue = setTimeout(() => {
        isOpen = true;
        child.kill("SIGINT"); // which mocha passes on to its own process
      }, leaving);
    if (name === "" && counted.test(line)) continue; // the total says it
    process.stdout.write(name === "" ? `${line}\n` : `${name.padEnd(11)} | ${line}\n`);
  }
  const code = await ended;
  clearTimeout(overdue);
  const counts = countsOf(last, isOpen ? null : code, settings);
  const why = isOpen
    ? `something was open ${leaving / 1_000} s after its end`
    : `exit code ${code}`;
  if (counts.isBroken) process.stdout.write(`${name} broke off: ${why}\n`);
  return counts;
}

async function runAll(rounds, options, settings) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const jobs of rounds) {
    const queue = [...jobs];
    const work = async () => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
        const counts = await run(...job, options, settings);
        for (const key of Object.keys(total)) total[key] += counts[key];
      }
    };
    await Promise.all(Array.from({ length: slots }, work));
  }
  // nothing matched in any job
  if (total.passed + total.failed + total.skipped === 0) total.failed = 1;
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

function watch(files, options) {
  const mocha = require.resolve("mocha/bin/mocha.js");
  const flags = ["--no-config", "--timeout", "60000", "--reporter", "dot"]; // tsx loads it already
  const args = [require.resolve("tsx/cli"), "watch", "--clear-screen=false", mocha, ...flags];
  spawn(process.execPath, [...args, ...options, ...files], { cwd: root, stdio: "inherit" });
}

function main() {
  const { values, tokens } = parseArgs({
    options: { fast: { type: "boolean" }, watch: { type: "boolean" } },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const own = tokens.filter(({ name }) => name === "fast" || name === "watch");
  const rest = process.argv.slice(2).filter((_, at) => !own.some(({ index }) => index === at));
  const isFile = (argument) => /\.test\.ts$/.test(argument);
  const [files, options] = [rest.filter(isFile), rest.filter((one) => !isFile(one))];
  const fast = jobsFor("fast", findTests());
  if (values.watch)
    return watch(files.length > 0 ? files : fast.flat().flatMap(([, list]) => list), options);
  const rounds =
    files.length > 0 ? [[["", files]]] : values.fast ? fast : jobsFor("whole", findTests());
  return runAll(rounds, options, { mayBeEmpty: options.length > 0 });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
