import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const root = fileURLToPath(new URL("../../", import.meta.url));
const sources = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && name !== "rpc/logger.ts") // that one hands on
  .map((name) => ({ name, text: readFileSync(`${root}src/${name}`, "utf8") }));

describe("the log's events", () => {
  it("stand in every line that is logged", () => {
    const calls = sources.flatMap(({ name, text }) =>
      [...text.matchAll(/\b(?:log|logger)(?:\.(?:debug|info|warn|error)|\[level\])\(\s*([^)]{0,80})/g)].map(([, given = ""]) => ({
        name,
        given,
      })),
    );
    expect(calls.length).to.be.greaterThan(50);
    const nameless = calls.filter(({ given }) => !/^(\{\s*event: |fields,)/.test(given));
    expect(nameless).to.deep.equal([]);
  });

  it("are all explained in docs/DEPLOYMENT.md, and no others", () => {
    const named = sources.flatMap(({ text }) => [...text.matchAll(/\{\s*event: ["`]([^"`]+)["`]/g)].map(([, event = ""]) => event));
    const logged = named.flatMap((event) =>
      event.startsWith("${") ? ["authenticate", "refresh", "logout"].map((method) => `${method}.fail`) : [event],
    );
    const table = readFileSync(`${root}docs/DEPLOYMENT.md`, "utf8").split("| event | level |")[1] ?? "";
    const cells = [...table.matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell = ""]) => cell);
    const explained = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, event]) => event));
    expect(explained).to.have.members([...new Set(logged)]);
  });
});
