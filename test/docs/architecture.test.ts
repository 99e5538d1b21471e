import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { type Module, readModules } from "../helpers/source-tree.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const text = readFileSync(`${root}ARCHITECTURE.md`, "utf8");
const path = /`((?:src|client|console|test)\/[\w./-]*)`/g;

interface Journey {
  readonly title: string;
  /** The files, in order. */
  readonly stops: readonly string[];
}

/** The numbered lists below "Journeys". */
function journeysIn(page: string): readonly Journey[] {
  const [, section = ""] = /\n## Journeys\n([\s\S]*?)(?=\n## |$)/.exec(page) ?? [];
  return section
    .split(/^### /m)
    .slice(1)
    .map((part) => ({
      title: part.split("\n")[0] ?? "",
      stops: [...part.matchAll(/^\d+\. `([^`]+)`/gm)].map(([, stop = ""]) => stop),
    }));
}

/**
 * The stops that no earlier stop leads to: by an import in either direction (what is called back
 * imports its caller's port), or by a port that both import.
 */
function unreached({ stops }: Journey, modules: readonly Module[]): readonly string[] {
  const imports = new Map(modules.map(({ path, imports }) => [path, new Set(imports)]));
  const leads = (from: string, to: string) =>
    imports.get(from)?.has(to) || imports.get(to)?.has(from);
  return stops.filter(
    (stop, index) => index > 0 && !stops.slice(0, index).some((before) => leads(before, stop)),
  );
}

describe("ARCHITECTURE.md", () => {
  const journeys = journeysIn(text);
  const modules = readModules("src", "client", "console");

  it("names files and folders that are there", () => {
    const named = [...text.matchAll(path)].map(([, name = ""]) => name);
    expect(named).to.have.lengthOf.at.least(60);
    expect(named.filter((name) => !existsSync(`${root}${name}`))).to.deep.equal([]);
  });

  it("has five journeys: of a frame with at most 12 files, of a refresh token with at most 16", () => {
    const files = Object.fromEntries(journeys.map(({ title, stops }) => [title, stops.length]));
    expect(Object.keys(files)).to.deep.equal([
      "A frame, from the socket to its answer",
      "A token, from `authenticate` to the end of its session",
      "An event, to a subscriber of another node",
      "A call of the client, through a reconnect",
      "A refresh token, rotated in Redis",
    ]);
    expect(files["A frame, from the socket to its answer"]).to.be.within(8, 12);
    expect(files["A refresh token, rotated in Redis"]).to.be.within(8, 16);
    for (const { title, stops } of journeys) {
      expect(stops, title).to.have.lengthOf.at.least(8);
      const [, part = ""] = text.split(`### ${title}\n`);
      const named = [...(part.split(/^##/m)[0] ?? "").matchAll(path)].map(([, name]) => name);
      expect(named, `${title}: one file a stop`).to.deep.equal(stops);
    }
  });

  it("has journeys whose stops lead to each other by imports", () => {
    for (const journey of journeys)
      expect(unreached(journey, modules), journey.title).to.deep.equal([]);
    const astray = journeysIn(
      "\n## Journeys\n### A\n1. `src/rpc/json/decode.ts` x\n2. `client/safe.ts` y\n",
    );
    expect(astray.flatMap((journey) => unreached(journey, modules))).to.deep.equal([
      "client/safe.ts",
    ]);
  });

  it("has a glossary with each word once, in order", () => {
    const [, glossary = ""] = /\n## Glossary\n([\s\S]*)$/.exec(text) ?? [];
    const words = [...glossary.matchAll(/^\| \*\*(.+?)\*\* \|/gm)].map(([, word = ""]) => word);
    expect(words).to.include.members(
      "connection, drain, epoch, event, family, frame, gap, grace period, lifecycle, margin, node, offset, port, session, store, subscription, topic".split(
        ", ",
      ),
    );
    expect(words).to.deep.equal([...new Set(words)].sort((a, b) => a.localeCompare(b, "en")));
  });
});
