import { expect } from "chai";
import { type AttackMeasurements, judgeHostility } from "./hostile-judge.js";
import { suffer } from "./hostile-peers.js";
import { type Hostility, hostilities } from "./hostilities.js";
import { hostileSection, title, withSection } from "./scoreboard.js";

const login: Hostility = {
  what: "a flood of logins",
  attack: "rightLogins",
  connections: 1,
  asks: "login",
  inTurn: 1,
  counts: { "/login 200": [1, 300], "/login 429": [0, Number.POSITIVE_INFINITY] },
  growth: { entries: 1, bytes: 1_000 },
};
const size = (entries: number, bytes: number) => ({ entries, unit: "files" as const, bytes });
const fine: AttackMeasurements = {
  quiet: [30, 30],
  times: [180, 260, 900],
  failures: [],
  heapBefore: 2 ** 20,
  heapUnder: 2 ** 21,
  storeBefore: size(10, 5_000),
  storeAfter: size(11, 5_000 + 1_000 + 3 * 512),
  mostBytes: 0,
  counts: { "/login 200": 300, "/login 429": 9 },
  lines: Array.from({ length: 21 }, () => ({ level: "info", event: "login.limit" })),
  seconds: 10,
  complaints: [],
};
const judged = (change: Partial<AttackMeasurements>, hostility: Partial<Hostility> = {}) =>
  judgeHostility({ ...login, ...hostility }, { ...fine, ...change });
const lines = (count: number, more: { readonly event: string; readonly method?: string }) =>
  Array.from({ length: count }, () => ({ level: "info" as const, ...more }));

describe("The judge of the hostile peers", () => {
  it("finds a healthy user who waits too long, or is not served", () => {
    expect(judged({})).to.deep.equal([]);
    expect(judged({ times: [261, 261, 261] })).to.deep.equal([
      "a healthy user's login took 261.0 ms in the median, more than 260.0",
    ]);
    expect(judged({ times: [261, 261, 261] }, { inTurn: 2 })).to.deep.equal([]);
    expect(judged({ times: [1, 1, 1_001] })).to.have.length(1);
    expect(judged({ times: [] })).to.have.length.above(0);
    const ping = { asks: "ping", growth: { entries: 1, bytes: 9_000 } } as const;
    expect(judged({ times: [10] }, ping)).to.deep.equal([]);
    expect(judged({ times: [11] }, ping)).to.have.length(1);
    expect(judged({ failures: ["400 no"] })).to.deep.equal(["1 of 4 were not served: 400 no"]);
  });

  it("finds a heap or a store that grows, also if it has shrunk again", () => {
    expect(judged({ heapUnder: 2 ** 27 + 2 ** 20 })).to.deep.equal([]);
    expect(judged({ heapUnder: 2 ** 27 + 2 ** 20 + 1 })).to.have.length(1);
    expect(judged({ storeAfter: size(15, 5_000) })).to.deep.equal([
      "the store has grown by 5 files",
    ]);
    expect(judged({ storeAfter: size(10, 7_537) })).to.have.length(1);
    expect(judged({ mostBytes: 7_537 })).to.deep.equal(["the store has grown by 2537 bytes"]);
    // pings write nothing
    expect(judged({ times: [1] }, { asks: "ping" })).to.have.length(1);
  });

  it("finds an attack without effect, one that was not limited, and a wrong answer", () => {
    expect(judged({ counts: { "/login 429": 9 } })).to.deep.equal([
      "the attack had no effect: /login 200 0 times",
    ]);
    expect(judged({ counts: { "/login 200": 301, "/login 429": 1 } })).to.deep.equal([
      "/login 200: 301 times, more than 300",
    ]);
    expect(judged({ counts: { ...fine.counts, "/login 503": 1 } })).to.deep.equal([
      "/login 503: 1 times, which must not be",
    ]);
  });

  it("finds a log that is flooded, and errors of the server", () => {
    const most = lines(21, { event: "call.fail", method: "a" });
    expect(
      judged({
        lines: [
          ...most,
          ...lines(21, { event: "call.fail", method: "b" }),
          ...lines(500, { event: "login.ok" }),
        ],
      }),
    ).to.deep.equal([]);
    const flooded = [...most, ...lines(1, { event: "call.fail", method: "a" })];
    expect(judged({ lines: flooded })).to.deep.equal([
      "22 lines of the log are call.fail a, more than 21",
    ]);
    expect(judged({ lines: lines(110, { event: "login.fail" }) }, { addresses: 2 })).to.deep.equal(
      [],
    );
    expect(judged({ lines: lines(111, { event: "login.fail" }) }, { addresses: 2 })).to.have.length(
      1,
    );
    expect(judged({ complaints: ["boom"] })).to.deep.equal(["boom"]);
  });

  it("knows each attack by another name, and lets none go without something to count", () => {
    const names = hostilities.map(({ what }) => what);
    expect(new Set(names).size).to.equal(names.length);
    for (const { what, counts } of hostilities) expect(counts, what).to.not.deep.equal({});
  });

  it("takes what breaks off for a violation", async () => {
    const unknown = { ...login, tokensPerSubject: -1 };
    const { violations } = await suffer(unknown, 1);
    expect(violations).to.deep.equal(["it broke off: the server did not start"]);
  }).timeout(60_000);
});

describe("The scoreboard", () => {
  const row = { what: "64 × a flood", asks: "login", measurements: fine, violations: [] } as const;

  it("shows what was measured, what did not hold, and what was not done", () => {
    const good = hostileSection([row], "npm run chaos", 10);
    expect(good)
      .to.include(
        "| 64 × a flood | 3 × login | 260.0 ms (30.0 ms) | 900.0 ms | 1 MiB | 2 MiB " +
          "| 10 files, 5 KiB | 11 files, 7 KiB | /login 200: 300, /login 429: 9 | 21 | yes |",
      )
      .and.to.include("Everything that must hold has held.")
      .and.to.match(/^Written by `npm run chaos` on \d{4}-\d\d-\d\d;\n/);
    const bad = hostileSection([{ ...row, violations: ["too slow"] }], "npm run chaos", 10);
    expect(bad).to.include("| **no** |").and.to.include("* 64 × a flood: too slow");
    const { measurements: _none, ...undone } = row;
    const section = hostileSection(
      [
        { ...undone, obstacle: "no Redis" },
        { ...undone, violations: ["it broke off: x"] },
      ],
      "npm run chaos",
      10,
    );
    expect(section)
      .to.include("| 64 × a flood; not done: no Redis | login | – |")
      .and.to.match(/\| 64 × a flood \| login \|( – \|){8} \*\*no\*\* \|/);
  });

  it("replaces one section, and leaves the others as they are", () => {
    const written = withSection(withSection(title, "Faults", "a\n\n* b"), "Hostile peers", "c\n");
    expect(written).to.equal(`${title}\n\n## Faults\n\na\n\n* b\n\n## Hostile peers\n\nc\n`);
    expect(withSection(written, "Faults", "new")).to.equal(
      `${title}\n\n## Faults\n\nnew\n\n## Hostile peers\n\nc\n`,
    );
    expect(withSection(written, "Hostile peers", "new")).to.equal(
      `${title}\n\n## Faults\n\na\n\n* b\n\n## Hostile peers\n\nnew\n`,
    );
    expect(withSection(written, "Hostile", "d")).to.equal(`${written}\n## Hostile\n\nd\n`);
  });
});
