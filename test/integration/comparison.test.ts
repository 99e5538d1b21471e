import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { compare, countedAgain, type Results } from "../../examples/comparison/lib/compare.ts";
import { libraries, versionsOf } from "../../examples/comparison/lib/libraries.ts";
import { tableOf, withTable } from "../../examples/comparison/lib/table.ts";

const folder = join(import.meta.dirname, "../../examples/comparison");
const read = (name: string) => readFileSync(join(folder, name), "utf8");

/** What one run of a scenario finds out about jotwire's board. */
async function findings(scenario: string) {
  const [board] = libraries;
  const choice = { libraries: board ? [board] : [], scenarios: [scenario], times: 1 };
  const results = await compare(choice, () => {});
  const [run] = results.libraries.jotwire?.runs[scenario] ?? [];
  if (typeof run !== "object") throw new Error(run ?? "the scenario has not run");
  return run;
}

describe("The comparison of boards", function () {
  this.timeout(120_000);

  it("finds that a member who was removed gets no later card, and is told", async () => {
    const { eventsAfter, toldMs } = await findings("removal");
    expect(eventsAfter).to.equal(0);
    expect(toldMs).to.be.a("number");
  });

  it("finds that a killed server loses no call and no card, and runs no call twice", async () => {
    const { liveMs, takenMs, calls, ...found } = await findings("sigkill");
    expect(found).to.deep.equal({
      ...{ refused: 0, lost: 0, twice: 0, eventsLost: 0, eventsTwice: 0, isEqual: true },
    });
    expect(calls).to.be.above(60);
    expect(liveMs).to.be.a("number");
    expect(takenMs).to.be.a("number");
  });

  it("finds that a sign-out reaches the other devices, and no later card does", async () => {
    const { eventsAfter, toldMs, loginMs } = await findings("signOut");
    expect(eventsAfter).to.equal(0);
    expect(toldMs).to.be.a("number");
    expect(loginMs).to.be.a("number");
  });

  it("finds that no card arrives after a token that is not renewed", async () => {
    const { eventsAfter, toldMs } = await findings("expiry");
    expect(eventsAfter).to.equal(0);
    expect(toldMs).to.be.a("number");
  });

  it("finds that one of two moves is done, and the other user is told", async () => {
    expect(await findings("conflict")).to.deep.equal({ moved: 1, told: 1, isSame: true });
  });

  it("tells a failed run in the table, and no figure in its place", () => {
    const { libraries: all, ...rest } = JSON.parse(read("results.json")) as Results;
    const results = Object.entries(all).map(([name, result]) => [
      name,
      { ...result, runs: { ...result.runs, removal: ["Error: no login of ada"] } },
    ]);
    const table = tableOf({ ...rest, libraries: Object.fromEntries(results) });
    const row = (text: string) => text.match(/^\| until the member is told \|.*$/m)?.[0];
    expect(row(table)).to.equal(`| until the member is told |${" failed |".repeat(5)}`);
    expect(row(tableOf({ ...rest, libraries: all }))).to.match(/( \d+ ms \|){5}$/);
  });

  it("has the table of its last results in its document, with the lines as they are", () => {
    const results = countedAgain(JSON.parse(read("results.json")) as Results);
    const document = read("README.md");
    expect(withTable(document, tableOf(results))).to.equal(document);
    expect(() => withTable("# no marks", "")).to.throw("lacks the marks");
  });

  it("was written for the versions that its package.json names", () => {
    const { libraries: written } = JSON.parse(read("results.json")) as Results;
    const peers = libraries.filter(({ name }) => name !== "jotwire");
    expect(peers).to.have.lengthOf(4);
    for (const peer of peers) {
      expect(versionsOf(peer)).to.match(/ \d+\.\d+\.\d+/);
      expect(written[peer.name]?.versions, peer.name).to.equal(versionsOf(peer));
    }
  });
});
