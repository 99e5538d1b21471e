import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Document {
  /** From the root of the repository: `docs/concepts.md`. */
  readonly path: string;
  readonly text: string;
}

const root = fileURLToPath(new URL("../../", import.meta.url));

const pages = readdirSync(`${root}docs`, { recursive: true, encoding: "utf8" })
  .map((name) => `docs/${name.replaceAll("\\", "/")}`)
  .filter((path) => path.endsWith(".md") && !/\/(?:node_modules|\.vitepress)\//.test(path));

/** The README, the other documents beside it, and every page under docs/. */
export const documents: readonly Document[] = [
  ...["README.md", "PROTOCOL.md", "SECURITY.md", "ARCHITECTURE.md", "CONTRIBUTING.md"],
  "CHANGELOG.md",
  ...pages.sort(),
].map((path) => ({ path, text: readFileSync(`${root}${path}`, "utf8") }));

export interface Snippet {
  /** The page, then the file: `docs/guides/react/app.ts`. */
  readonly name: string;
  readonly code: string;
}

/** The TypeScript in the documents. The files of one page import each other. */
export const snippets: readonly Snippet[] = documents.flatMap(({ path, text }) =>
  [...text.matchAll(/^```tsx? ?(\S*)\n([\s\S]*?)^```$/gm)].map(([, name, code = ""], index) => ({
    name: `${path.replace(/\.md$/, "")}/${name || `snippet-${index}.ts`}`,
    code: `${code}\nexport {};\n`,
  })),
);
