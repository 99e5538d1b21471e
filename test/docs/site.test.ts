import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import type { BrowserContext, Page } from "playwright-core";
import { freshContext, needsChromium } from "../helpers/browser/browser.js";
import { documents } from "../helpers/documents.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const base = "/some/where/";
const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/** Each page, and where the site has it. */
const pages = documents.map(({ path, text }) => ({
  path,
  text,
  file: path === "README.md" ? "index.html" : path.replace(/\.md$/, ".html"),
}));

describe("The site", () => {
  let folder: string;
  let url: string;
  let context: BrowserContext;
  let stop: () => void;
  /** What pages asked for that was another host's, or not there. */
  const strange: string[] = [];

  before(async function () {
    this.timeout(180_000); // where docs/node_modules are to be installed first
    needsChromium(this);
    folder = await mkdtemp(join(tmpdir(), "jotwire-site-"));
    const build = ["run", "--silent", "docs", "--", "--base", base, "--outDir", folder];
    await run("npm", build, { cwd: root, shell: process.platform === "win32" });
    const server = createServer(async (request, response) => {
      const path = new URL(request.url ?? "/", "http://localhost").pathname;
      const name = path.replace(base, "").replace(/^$/, "index.html");
      const content = path.startsWith(base)
        ? await readFile(join(folder, name)).catch(() => undefined)
        : undefined;
      response.writeHead(content === undefined ? 404 : 200, {
        "Content-Type": types[extname(name)] ?? "text/plain",
      });
      response.end(content);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${base}`;
    stop = () => server.close().closeAllConnections();
    context = await freshContext({ viewport: { width: 390, height: 844 } });
  });

  after(async () => {
    await context?.close();
    stop?.();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  async function open(): Promise<Page> {
    const page = await context.newPage();
    page.on("request", (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith("data:"))
        strange.push(`asked for ${request.url()}`);
    });
    page.on("response", (response) => {
      if (response.status() !== 200) strange.push(`${response.status()} ${response.url()}`);
    });
    page.on("console", (message) => {
      if (message.type() === "error") strange.push(`${page.url()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => strange.push(`${page.url()}: ${error.message}`));
    return page;
  }

  /** Goes to a page, and waits until its script runs it. */
  async function visit(page: Page, file: string): Promise<void> {
    await page.goto(url + file, { waitUntil: "commit" });
    await page.waitForFunction("document.querySelector('#app')?.__vue_app__ !== undefined");
  }

  it("has every document as a page, each in the sidebar, and the files that they link to", async () => {
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) =>
      name.replaceAll("\\", "/"),
    );
    expect(files).to.include.members(pages.map(({ file }) => file));
    expect(files).to.include.members([
      "examples/proxies/nginx.conf",
      "docs/operations/alerts.yml",
      "docs/guides/react.md",
      "llms.txt",
    ]);
    const home = readFileSync(join(folder, "index.html"), "utf8");
    const linked = [...home.matchAll(/href="([^"#]+)"/g)].map(([, href]) => href);
    expect(linked).to.include.members(
      pages.map(({ file }) => base + file.replace(/^index\.html$/, "")),
    );
  });

  it("shows each page on a phone without scrolling sideways, and asks no other host", async function () {
    this.timeout(120_000);
    const left = [...pages];
    const look = async () => {
      const page = await open();
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        await visit(page, next.file);
        const [, title = ""] = /^# (.+)$/m.exec(next.text) ?? [];
        const heading = await page.locator("main h1").textContent();
        expect(heading?.replaceAll("\u200b", "").trim()).to.equal(title.replaceAll("`", ""));
        const width = await page.evaluate("document.documentElement.scrollWidth");
        expect(width, next.file).to.be.at.most(390);
      }
    };
    await Promise.all([look(), look(), look()]);
    expect(strange).to.deep.equal([]);
  });

  it("finds a code by its search, without a network", async () => {
    const page = await open();
    await page.setViewportSize({ width: 1280, height: 800 });
    await visit(page, "");
    await page.keyboard.press("/");
    await page.locator("#localsearch-input").fill("4401");
    const results = page.locator("#localsearch-list .result");
    await results.first().waitFor();
    const texts = await results.allTextContents();
    const found = texts.findIndex((text) => text.includes("4401 token_expired, token_revoked"));
    expect(found, texts.join("\n")).to.be.within(0, 4);
    await results.nth(found).click();
    await page.waitForURL(/docs\/troubleshooting\.html#4401-token_expired-token_revoked$/);
    expect(strange).to.deep.equal([]);
  });
});
