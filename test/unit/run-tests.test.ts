import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { withFolder } from "../helpers/temporary-folder.js";

type Jobs = readonly (readonly (readonly [name: string, files: readonly string[]])[])[];

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly isBroken: boolean;
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const { countsOf, findTests, jobsFor } = (await import(
  new URL("../../scripts/run-tests.mjs", import.meta.url).href
)) as {
  countsOf(lastLine: string, code: number, options?: { mayBeEmpty?: boolean }): Counts;
  findTests(): readonly string[];
  jobsFor(kind: "whole" | "fast", files: readonly string[]): Jobs;
};
const filesOf = (jobs: Jobs) => jobs.flat().flatMap(([, files]) => files);

describe("The runner of the tests", () => {
  it("runs each test file of the project once, and every job has some", () => {
    const there = readdirSync(`${root}test`, { recursive: true, encoding: "utf8" })
      .map((name) => `test/${name.replaceAll(sep, "/")}`)
      .filter((path) => path.endsWith(".test.ts"));
    const jobs = jobsFor("whole", findTests());
    expect([...filesOf(jobs)].sort()).to.deep.equal(there.sort());
    expect(jobs.flat().filter(([, files]) => files.length === 0)).to.deep.equal([]);
    const withNew = filesOf(jobsFor("whole", [...findTests(), "test/new/a.test.ts"]));
    expect(withNew).to.include("test/new/a.test.ts");
  });

  it("keeps what needs the machine to itself, or Redis, out of the fast jobs", () => {
    const fast = filesOf(jobsFor("fast", findTests()));
    expect(fast).to.include.members([
      "test/security/attacks.test.ts",
      "test/unit/rpc/access.test.ts",
      "test/conformance/json-rpc.test.ts",
    ]);
    expect(fast).to.not.include("test/security/hostile-peers.test.ts");
    expect(fast.filter((path) => /redis\/|integration|browser/.test(path))).to.deep.equal([]);
    expect(() => jobsFor("whole", ["test/unit/a.test.ts"])).to.throw(/^not there: test\/security/);
  });

  it("counts a process that broke off, or ran nothing, as a failure", () => {
    const counted = { passed: 3, failed: 0, skipped: 0, isBroken: false };
    expect(countsOf("3 passed, 0 failed", 0)).to.deep.equal(counted);
    expect(countsOf("3 passed, 0 failed, 2 skipped", 0)).to.deep.equal({ ...counted, skipped: 2 });
    expect(countsOf("3 passed, 2 failed", 2)).to.deep.equal({ ...counted, failed: 2 });
    const broken = { passed: 0, failed: 1, skipped: 0, isBroken: true };
    expect(countsOf("    ✔ adds", 0)).to.deep.equal(broken);
    expect(countsOf("0 passed, 0 failed", 0)).to.deep.equal(broken);
    expect(countsOf("0 passed, 0 failed", 0, { mayBeEmpty: true }).failed).to.equal(0);
    for (const code of [1, 134, null] as number[])
      expect(countsOf("3 passed, 0 failed", code)).to.deep.equal({ ...broken, passed: 3 });
  });

  it("ends, though a test has left a process that holds its output open", async () => {
    await withFolder(async (folder) => {
      const file = join(folder, "orphan.test.ts");
      const orphan = "setTimeout(() => {}, 60_000)"; // it ends by itself, whatever happens here
      await writeFile(
        file,
        `import { spawn } from "node:child_process";
         it("leaves a process", () => {
           const stdio = ["ignore", "inherit", "ignore"];
           const child = spawn(process.execPath, ["-e", ${JSON.stringify(orphan)}], { stdio, detached: true });
           child.unref();
           console.log("pid " + child.pid);
         });`,
      );
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ["scripts/run-tests.mjs", file],
        { cwd: root, timeout: 50_000 },
      );
      const pid = Number(/pid (\d+)/.exec(stdout)?.[1]);
      expect(process.kill(pid, "SIGKILL"), "it was there to the end").to.equal(true);
      expect(stdout.trim().split("\n").at(-1)).to.equal("1 passed, 0 failed");
    });
  });

  it("ends a process that something keeps open after its last line, and counts a failure", async () => {
    await withFolder(async (folder) => {
      const file = join(folder, "open.test.ts");
      await writeFile(file, `it("leaves a timer", () => void setTimeout(() => {}, 60_000));`);
      const program = `import { run } from "./scripts/run-tests.mjs";
        const counts = await run("open", [${JSON.stringify(file)}], [], {}, 200);
        console.log(JSON.stringify(counts));`;
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ["--input-type=module", "-e", program],
        { cwd: root, timeout: 50_000 },
      );
      const lines = stdout.trim().split("\n");
      expect(JSON.parse(lines.at(-1) as string)).to.include({
        passed: 1,
        failed: 1,
        isBroken: true,
      });
      expect(lines.at(-2)).to.equal("open broke off: something was open 0.2 s after its end");
    });
  });
});
