import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { withFolder } from "../helpers/temporary-folder.js";
import { undocumentedToday } from "./undocumented.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { writeReports } = (await import(new URL("../../scripts/api.mjs", import.meta.url).href)) as {
  writeReports(
    reportFolder: string,
    projectFolder?: string,
    declarations?: Readonly<Record<string, string>>,
  ): void;
};

function readReports(folder: string): Readonly<Record<string, string>> {
  const names = readdirSync(folder).filter((name) => name.endsWith(".api.md"));
  return Object.fromEntries(
    names.sort().map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );
}

/**
 * The exports, and the members of exported interfaces and classes, that the report marks as lacking
 * a summary. An error class's own `name` needs none.
 */
function undocumentedIn(report: string): readonly string[] {
  const found: string[] = [];
  const lines = report.split("\n");
  let owner: string | undefined;
  for (const [index, line] of lines.entries()) {
    const next = lines[index + 1] ?? "";
    if (/^\S/.test(line))
      owner = /^export (?:\w+ )*?(?:class|interface|type|function|const) (\w+)/.exec(line)?.[1];
    if (/^\/\/ .*\(undocumented\)/.test(line)) {
      const name = /^export (?:\w+ )*?(?:class|interface|type|function|const) (\w+)/.exec(next);
      if (name?.[1] !== undefined) found.push(name[1]);
    }
    const member = /^ {4}(?:(?:static|readonly|get|set|abstract) )*([\w$]+|\[.+?\])/.exec(next);
    if (owner === undefined || !/^ {4}\/\/ .*\(undocumented\)/.test(line)) continue;
    if (next.trim() !== `readonly name = "${owner}";`) found.push(`${owner}.${member?.[1]}`);
  }
  return found;
}

/** A package with one public entry of these declarations. */
async function reportOf(declarations: string): Promise<string> {
  return withFolder(async (folder) => {
    writeFileSync(join(folder, "package.json"), '{ "name": "planted", "type": "module" }');
    writeFileSync(join(folder, "index.d.ts"), declarations);
    writeReports(join(folder, "api"), folder, { planted: "index.d.ts" });
    return readReports(join(folder, "api"))["planted.api.md"] ?? "";
  });
}

const planted = `
/** Adds. */
export declare function add(one: number, other: number): number;
export declare function subtract(one: number, other: number): number;
/** A part. */
interface Part {
  readonly size: number;
}
/** A whole. */
export interface Whole {
  readonly part: Part;
  /** Its weight. */
  readonly weight: number;
  lift(): void;
  /** @defaultValue 3 */
  readonly count?: number;
}
/** It broke. */
export declare class BrokenError extends Error {
  readonly name = "BrokenError";
  readonly code = "BROKEN";
}
export {};
`;

describe("The public API", () => {
  it("is the one in the committed reports, `npm run api` renews them", async () => {
    await withFolder(async (folder) => {
      writeReports(folder);
      expect(readReports(folder)).to.deep.equal(readReports(join(root, "api")));
    });
  });

  it("has every declaration in its report, those that are not exported too, and no comment", async () => {
    const report = await reportOf(planted);
    expect(report).to.match(/^export function add\(one: number, other: number\): number;$/m);
    expect(report).to.match(/^interface Part \{\n[^}]+readonly size: number;$/m);
    expect(report).to.not.include("A whole");
    expect(await reportOf(planted.replace("A whole", "All of it"))).to.equal(report);
    expect(await reportOf(planted.replace("size: number", "size: string"))).to.not.equal(report);
  });

  it("has a summary on each export and each member, but for those of a list that only shrinks", async () => {
    const lacking = new Set(
      Object.values(readReports(join(root, "api"))).flatMap((report) => undocumentedIn(report)),
    );
    const listed = new Set(undocumentedToday);
    expect([...lacking].filter((name) => !listed.has(name)).sort(), "add a summary").to.deep.equal(
      [],
    );
    expect(
      undocumentedToday.filter((name) => !lacking.has(name)),
      "now documented: remove from test/docs/undocumented.ts",
    ).to.deep.equal([]);
    expect(undocumentedIn(await reportOf(planted))).to.have.members([
      "subtract",
      "Whole.part",
      "Whole.lift",
      "Whole.count",
      "BrokenError.code",
    ]);
  });
});
