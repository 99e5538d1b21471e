import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { documents } from "../helpers/documents.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { anchorOf } = (await import(new URL("../../scripts/pages.mjs", import.meta.url).href)) as {
  readonly anchorOf: (heading: string) => string;
};

/** Text outside of code. */
const prose = (text: string) => text.replaceAll(/^```[\s\S]*?^```$/gm, "");

/** The anchors that GitHub and the site give the headings of a page. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of prose(text).matchAll(/^#+ (.+)$/gm)) {
    const slug = anchorOf(heading);
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** What is wrong with the links of a page. */
function brokenLinks(path: string, text: string): string[] {
  const links = [
    ...prose(text).matchAll(/\]\(([^)\s]+)\)/g),
    ...prose(text).matchAll(/\b(?:src|srcset|href)="([^"]+)"/g),
  ].map(([, link = ""]) => link);
  return links
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : normalize(join(dirname(path), file));
      if (!existsSync(join(root, target))) return true;
      if (anchor === undefined) return false;
      const page = target === path ? text : readFileSync(join(root, target), "utf8");
      return !anchorsOf(page).has(anchor);
    })
    .map((link) => `${path}: ${link}`);
}

describe("the links of the documents", () => {
  it("lead to a file of the repository, and to a heading that is there", () => {
    expect(documents.flatMap(({ path, text }) => brokenLinks(path, text))).to.deep.equal([]);
  });

  it("are looked at", () => {
    const text = "# A `b`, c\n[a](#a-b-c) [b](#a) [c](docs/none.md) [d](PROTOCOL.md#none)";
    expect(brokenLinks("README.md", text)).to.deep.equal([
      "README.md: #a",
      "README.md: docs/none.md",
      "README.md: PROTOCOL.md#none",
    ]);
  });
});
