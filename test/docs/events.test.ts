import { readFileSync } from "node:fs";
import { expect } from "chai";
import { logEvents, loggingSources } from "../helpers/log-events.js";

describe("the log's events", () => {
  it("stand in every line that is logged", () => {
    const calls = loggingSources.flatMap(({ name, text }) =>
      [
        ...text.matchAll(
          /\b(?:log|logger)(?:\.(?:debug|info|warn|error)|\[level\])\(\s*([^)]{0,80})/g,
        ),
      ].map(([, given = ""]) => ({
        name,
        given,
      })),
    );
    expect(calls.length).to.be.greaterThan(50);
    const nameless = calls.filter(({ given }) => !/^(\{\s*event: |fields,)/.test(given));
    expect(nameless).to.deep.equal([]);
  });

  it("are all explained in docs/operations/logs.md, and no others", () => {
    const table =
      readFileSync(new URL("../../docs/operations/logs.md", import.meta.url), "utf8").split(
        "| event | level |",
      )[1] ?? "";
    const cells = [...table.matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell = ""]) => cell);
    const explained = cells.flatMap((cell) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, event]) => event),
    );
    expect(explained).to.have.members(logEvents());
  });
});
