import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { closeTable } from "../../src/protocol/close-codes.js";
import { errorTable, standardErrors } from "../../src/protocol/error-codes.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { anchorOf } = (await import(new URL("../../scripts/pages.mjs", import.meta.url).href)) as {
  readonly anchorOf: (heading: string) => string;
};
const read = (path: string) => readFileSync(`${root}${path}`, "utf8");
const headings = [...read("docs/troubleshooting.md").matchAll(/^##+ (.+)$/gm)].map(
  ([, heading = ""]) => heading,
);
const errors = read("docs/reference/errors.md");

/** The heading that has all of these as words of its own. */
function headingOf(...words: readonly string[]): string | undefined {
  return headings.find((heading) => words.every((word) => heading.split(/,? /).includes(word)));
}

describe("docs/troubleshooting.md", () => {
  it("has a heading for each error code and each close code, to which the tables of codes link", () => {
    const codes = [
      ...Object.entries(errorTable).map(([reason, { code }]) => [String(code), reason]),
      ...Object.entries(closeTable).map(([reason, { code }]) => [String(code), reason]),
      ...Object.values(standardErrors).map(({ code }) => [String(code)]),
    ];
    const missing = codes.filter((words) => {
      const heading = headingOf(...words);
      const link = `[${words[0]}](../troubleshooting.md#${anchorOf(heading ?? "")})`;
      return heading === undefined || !errors.includes(`| ${link} |`);
    });
    expect(missing).to.deep.equal([]);
    expect(headingOf("4402")).to.equal(undefined);
    expect(headingOf("4401", "kicked")).to.equal(undefined);
  });

  it("has a heading for each symptom that has no code of its own", () => {
    expect(headings).to.include.members([
      "403 on upgrade",
      "400 on upgrade",
      "404 on upgrade",
      "426 on upgrade",
      "429 on upgrade",
      "503 on upgrade",
      "1006, nothing else",
      "not an access token",
    ]);
  });

  it("quotes the details of refused tokens as the code has them", () => {
    const [, table = ""] =
      /\n### Other details\n([\s\S]*?)\n## /.exec(read("docs/troubleshooting.md")) ?? [];
    const details = [...table.matchAll(/^\| ((?:`[^`]+`(?:, )?)+) \|/gm)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, detail = ""]) => detail),
    );
    const code = readdirSync(`${root}src/auth`, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => read(`src/auth/${name}`))
      .join("\n");
    expect(details).to.have.lengthOf.at.least(7);
    // "…" stands for what the token has, or the server expects
    const isQuoted = (detail: string) => {
      const parts = detail.split("…").map((part) => part.replace(/^\W+/, "").trim());
      const long = parts.filter((part) => part.length >= 8);
      return long.length > 0 && long.every((part) => code.includes(part));
    };
    expect(details.filter((detail) => !isQuoted(detail))).to.deep.equal([]);
    expect(isQuoted("aud is …, and nobody knows why")).to.equal(false);
    expect(code).to.include("`not an access token: ");
  });
});
