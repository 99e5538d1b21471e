/**
 * Writes `llms.txt` and `SKILL.md`, for coding agents, from the documents: into the folder given, or
 * beside `package.json`, from where they go into the package.
 */
import { writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { readSections } from "./pages.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
/** Sections for people who use jotwire; the others are about its inside. */
const forUsers = ["Start", "Guides", "Providers", "Operations", "Reference"];
/** One guide leads to these pages: a skill is to be short. */
const notInSkill = "Providers";
const places =
  "The pages are in the package, and the paths from its folder, `node_modules/jotwire`.";
const description =
  "Write, change or debug a server or client that uses jotwire: JSON-RPC 2.0 over WebSockets whose " +
  "session is a JWT, with topics, subscriptions, token refresh on the open socket, an embedded " +
  "issuer, React hooks and Redis for many nodes.";

/** The texts of both files, by their names. */
export function agentFiles() {
  const sections = readSections();
  const pages = sections.flatMap(({ pages }) => pages);
  const page = (path) => pages.find((page) => page.path === path);
  const home = page("README.md");
  const mistakes = page("docs/guides/easy-mistakes.md");
  const listsOf = (titles) =>
    sections
      .filter(({ title }) => titles.includes(title))
      .map(
        ({ title, pages }) => `## ${title}\n\n${linksTo(pages.filter((page) => page !== home))}`,
      );
  const intro = plain(home.text.split(/\n\n/)[1]);
  return {
    "llms.txt": joined([
      "# jotwire",
      `> ${intro}`,
      `Read first: [${mistakes.title}](${mistakes.path}). ${places}`,
      ...listsOf(forUsers),
    ]),
    "SKILL.md": joined([
      `---\nname: jotwire\ndescription: ${JSON.stringify(description)}\n---`,
      "# jotwire",
      intro,
      "## The smallest server",
      codeOf(home.text, "server.ts"),
      "## The smallest client",
      codeOf(home.text, "client.ts"),
      `## ${mistakes.title}`,
      relocated(mistakes.text.replace(/^# .+\n+/, "").trim(), mistakes.path),
      `## Pages\n\n${places}`,
      ...listsOf(forUsers.filter((title) => title !== notInSkill)).map((list) =>
        list.replace(/^## /, "### "),
      ),
    ]),
  };
}

const joined = (parts) => `${parts.join("\n\n")}\n`;

function linksTo(pages) {
  return pages.map(({ path, title, summary }) => `- [${title}](${path}): ${summary}`).join("\n");
}

/** Without line breaks and marks of emphasis. */
function plain(paragraph) {
  return paragraph.replaceAll("\n", " ").replaceAll("**", "");
}

/** A block of code of a page, by the file name behind its language. */
function codeOf(text, name) {
  const [block] = new RegExp(`^\`\`\`ts ${name}\n[\\s\\S]*?^\`\`\`$`, "m").exec(text) ?? [];
  if (block === undefined) throw new Error(`README.md has no code "${name}"`);
  return block;
}

/** Links as they are from the root of the package. */
function relocated(text, path) {
  return text.replaceAll(
    /\]\((?![a-z]+:|#)([^)]+)\)/g,
    (_, link) => `](${posix.join(posix.dirname(path), link)})`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , folder = root] = process.argv;
  for (const [name, text] of Object.entries(agentFiles())) writeFileSync(join(folder, name), text);
}
