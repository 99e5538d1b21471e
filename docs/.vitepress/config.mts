/**
 * The site: `npm run docs`. Its pages are the documents of the repository where they are, so that
 * their links work in both. Files that they link to, such as `nginx.conf`, are copied beside them,
 * and so are the pages as they are, with `llms.txt`, for coding agents.
 */
import { existsSync, statSync } from "node:fs";
import { cp, writeFile } from "node:fs/promises";
import { dirname, posix, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type MarkdownRenderer } from "vitepress";
import { agentFiles } from "../../scripts/build-agent-files.mjs";
import { anchorOf, readSections } from "../../scripts/pages.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const home = "README.md";
const sections = readSections();
const pages = new Set(sections.flatMap(({ pages }) => pages.map(({ path }) => path)));
const linkedFiles = new Set<string>();

const linkTo = (path: string) => (path === home ? "/" : `/${path.replace(/\.md$/, "")}`);
const icon =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke="#3b6ef5" stroke-width="5"><circle cx="16" cy="16" r="11" stroke-dasharray="52 18" transform="rotate(-90 16 16)"/></svg>';

export default defineConfig({
  title: "jotwire",
  description: "JSON-RPC 2.0 over WebSockets where the session is a JWT",
  lang: "en-US",
  srcDir: "..",
  srcExclude: ["!(docs|bench|examples)/**/*", "bench/SCALE.md", "SKILL.md"],
  rewrites: { [home]: "index.md" },
  ignoreDeadLinks: "localhostLinks",
  head: [["link", { rel: "icon", href: `data:image/svg+xml,${encodeURIComponent(icon)}` }]],
  markdown: {
    anchor: { slugify: anchorOf },
    config: resolveRepositoryLinks,
  },
  themeConfig: {
    nav: [
      { text: "Getting started", link: linkTo("docs/getting-started.md") },
      { text: "Options", link: linkTo("docs/reference/server.md") },
      { text: "Errors", link: linkTo("docs/reference/errors.md") },
      { text: "Protocol", link: linkTo("PROTOCOL.md") },
    ],
    sidebar: sections.map(({ title: text, pages }) => ({
      text,
      collapsed: text === "Decisions" || text === "Providers",
      items: pages.map(({ path, title }) => ({
        text: path === home ? "Overview" : title.replaceAll("`", ""),
        link: linkTo(path),
      })),
    })),
    outline: [2, 3],
    search: { provider: "local" },
  },
  vite: { plugins: [{ name: "vue-for-all-pages", enforce: "pre", resolveId: resolveVue }] },
  async buildEnd({ outDir }) {
    for (const path of [...linkedFiles, ...pages]) await cp(`${root}/${path}`, `${outDir}/${path}`);
    for (const [name, text] of Object.entries(agentFiles()))
      await writeFile(`${outDir}/${name}`, text);
  },
});

/**
 * Links lead to the pages' places on the site, and files that are no pages open by themselves; in
 * HTML a path is only taken for one of the repository if it begins with a dot.
 */
function resolveRepositoryLinks(md: MarkdownRenderer): void {
  md.core.ruler.push("repository-links", ({ tokens, env }) => {
    const folder = dirname(env.path);
    for (const token of tokens) {
      if (token.type === "html_block")
        token.content = token.content.replaceAll(/\b(src|srcset)="(?![./]|\w+:)/g, '$1="./');
      for (const child of token.children ?? []) {
        const href = child.type === "link_open" ? (child.attrGet("href") ?? "") : "";
        if (href === "" || /^(?:\w+:|#|\/)/.test(href)) continue;
        const [name = "", anchor] = decodeURI(href).split("#");
        const path = relative(root, resolve(folder, name)).split(sep).join(posix.sep);
        const isPage = pages.has(path);
        if (!isPage && !isFile(path)) continue; // a dead link is VitePress's to find
        const place = isPage ? linkTo(path) : `/${path}`;
        child.attrSet("href", anchor === undefined ? place : `${place}#${anchor}`);
        if (isPage) continue;
        child.attrSet("target", "_blank");
        linkedFiles.add(path);
      }
    }
  });
}

/**
 * Pages at the top of the repository do not see `docs/node_modules`; what is built to render them
 * once is run from there.
 */
function resolveVue(id: string, _importer: unknown, { ssr }: { readonly ssr?: boolean }) {
  return ssr === true && /^vue(?:$|\/)/.test(id) ? { id, external: true } : undefined;
}

function isFile(path: string): boolean {
  return existsSync(`${root}/${path}`) && statSync(`${root}/${path}`).isFile();
}
