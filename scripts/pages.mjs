/**
 * The documents in the order in which they are read. The site's sidebar, `llms.txt` and `SKILL.md`
 * are made from it; a test fails when a page is missing.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

const inFolder = (folder, names) => names.map((name) => `${folder}/${name}.md`);

const sections = {
  Start: ["README.md", ...inFolder("docs", ["getting-started", "concepts", "troubleshooting"])],
  Guides: inFolder("docs/guides", [
    "easy-mistakes",
    "browser-login",
    "authorization",
    "middleware",
    "subscriptions",
    "publishing",
    "live-lists",
    "react",
    "vue-svelte",
    "node-worker",
    "errors",
    "identity-provider",
    "embedded-issuer",
    "frameworks",
    "bundling",
    "many-nodes",
    "testing",
  ]),
  Providers: inFolder("docs/guides/providers", [
    "auth0",
    "authentik",
    "better-auth",
    "clerk",
    "cognito",
    "entra",
    "entra-multi-tenant",
    "firebase",
    "gitlab",
    "google",
    "keycloak",
    "okta",
    "supabase",
    "uaa",
  ]),
  Operations: [
    ...inFolder("docs/operations", ["deployment", "redis", "metrics", "logs", "chaos"]),
    "SECURITY.md",
  ],
  Reference: [
    ...inFolder("docs/reference", ["server", "client", "limits", "errors", "cli"]),
    "PROTOCOL.md",
  ],
  Inside: [
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "bench/RESULTS.md",
    "examples/order-desk/README.md",
    "examples/board/README.md",
    "CHANGELOG.md",
  ],
  Decisions: [
    "docs/decisions/README.md",
    ...readdirSync(`${root}docs/decisions`)
      .filter((name) => name !== "README.md")
      .sort()
      .map((name) => `docs/decisions/${name}`),
  ],
};

/** Reads the pages: `{ title, pages: [{ path, title, summary, text }] }` for each section. */
export function readSections() {
  return Object.entries(sections).map(([title, paths]) => ({
    title,
    pages: paths.map((path) => readPage(path)),
  }));
}

/** The title of a page is its first heading, its summary the first sentence below that. */
function readPage(path) {
  const text = readFileSync(`${root}${path}`, "utf8");
  const [, title] = /^# (.+)$/m.exec(text) ?? [];
  const [, paragraph = ""] = /^# .+\n+([\s\S]+?)\n\n/m.exec(text) ?? [];
  const [summary = ""] = /^.*?\.(?=\s|$)/.exec(paragraph.replaceAll("\n", " ")) ?? [];
  return { path, title, summary, text };
}

/** The anchor that GitHub, and the site, gives a heading. */
export function anchorOf(heading) {
  const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
  return plain.replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}
