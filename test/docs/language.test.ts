import { readdirSync, readFileSync } from "node:fs";
import { sep } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Indirect phrases, and names for which the field has a word. The spelling check has more. */
const phrases =
  /\b(?:(?:is|are|was|were) told|is judged|is looked at|is none|by how much|so many|lanes?|tall(?:y|ied)|patience|halt)\b/gi;

/** The phrases in a text, which may go on in the next line of a comment. */
function phrasesIn(text: string): readonly string[] {
  return text.replace(/\s*\n\s*(?:\*|\/\/|>)?\s*/g, " ").match(phrases) ?? [];
}

/** Where people read English, but for the history in CHANGELOG.md. */
function readTexts(): ReadonlyMap<string, string> {
  const inFolders = ["src", "client", "console", "docs"].flatMap((folder) =>
    readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" }).map(
      (name) => `${folder}/${name.replaceAll(sep, "/")}`,
    ),
  );
  const paths = [...readdirSync(root), ...inFolders].filter(
    (path) =>
      /\.(?:ts|md)$/.test(path) &&
      path !== "CHANGELOG.md" &&
      !/\/(?:node_modules|\.vitepress)\//.test(path),
  );
  return new Map(paths.map((path) => [path, readFileSync(`${root}${path}`, "utf8")]));
}

describe("The language of code and documents", () => {
  it("avoids phrases that must be read twice", () => {
    const found = new Map(
      [...readTexts()]
        .map(([path, text]) => [path, [...new Set(phrasesIn(text))]] as const)
        .filter(([, phrases]) => phrases.length > 0),
    );
    expect([...found], "write it plainly").to.deep.equal([]);
  });

  it("is read across lines, and by whole words", () => {
    expect(phrasesIn("/**\n * Who asks is\n * told so.\n */")).to.deep.equal(["is told"]);
    expect(phrasesIn("a limit that is none.\n// A Tally")).to.deep.equal(["is none", "Tally"]);
    expect(phrasesIn("It is nonetheless a plane; so manyfold; #drain(lanewise)")).to.deep.equal([]);
    expect([...readTexts().keys()]).to.include.members([
      "README.md",
      "docs/operations/deployment.md",
      "client/index.ts",
    ]);
  });
});
