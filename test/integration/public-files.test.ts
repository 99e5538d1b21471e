import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, constants as zlib } from "node:zlib";
import { expect } from "chai";
import { runCli, startDev } from "../helpers/cli/command-line.js";
import { rawRequest } from "../helpers/network/raw-request.js";
import { withFolder } from "../helpers/temporary-folder.js";

/** Asks for a path as it stands: `fetch` would tidy it up first. */
async function ask(
  base: string,
  path: string,
  method = "GET",
): Promise<{ status: number; type: string; body: string }> {
  const { status, headers, body } = await rawRequest(base, path, { method });
  return { status, type: headers["content-type"] ?? "", body: String(body) };
}

describe("jotwire dev --public", function () {
  this.timeout(30_000);

  it("serves the files of the folder and the SDK beside the server's own endpoints, and nothing else", () =>
    withFolder(async (folder) => {
      const web = join(folder, "web");
      await mkdir(join(web, "more"), { recursive: true });
      await writeFile(join(web, "index.html"), "<!doctype html>hello");
      await writeFile(join(web, "more", "a b.css"), "body {}");
      await writeFile(join(web, ".hidden"), "hidden");
      await writeFile(join(folder, "secret.txt"), "secret");
      await symlink(join(folder, "secret.txt"), join(web, "link.txt"));
      await using server = await startDev(join(folder, "state"), { flags: ["--public", web] });
      const get = (path: string) => ask(server.base, path);

      expect(await get("/")).to.deep.equal({
        status: 200,
        type: "text/html; charset=utf-8",
        body: "<!doctype html>hello",
      });
      expect(await get("/index.html?x=1")).to.include({
        status: 200,
        body: "<!doctype html>hello",
      });
      expect(await get("/more/a%20b.css")).to.deep.equal({
        status: 200,
        type: "text/css; charset=utf-8",
        body: "body {}",
      });
      expect(await get("/jotwire.min.js")).to.include({
        status: 200,
        type: "text/javascript; charset=utf-8",
      });
      expect((await get("/jotwire.min.js")).body).to.include("authenticate");
      expect((await get("/jotwire-session.min.js")).body).to.include("createSession");
      expect(await ask(server.base, "/", "HEAD")).to.deep.equal({
        status: 200,
        type: "text/html; charset=utf-8",
        body: "",
      });
      expect(await get("/livez")).to.include({ status: 200, body: '{"status":"ok"}\n' });

      const outside = [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/more/../../secret.txt",
        "/..\\secret.txt",
        "//secret.txt",
      ];
      for (const path of [
        ...outside,
        "/link.txt",
        "/.hidden",
        "/more",
        "/more/",
        "/none",
        "/%",
        "/a%00b",
      ]) {
        const answer = await get(path);
        expect(answer.status, path).to.equal(404);
        expect(answer.body, path).to.not.match(/secret$|hidden$/);
      }
      expect(await ask(server.base, "/", "POST")).to.include({ status: 405 });
    }));

  it("compresses texts for whoever takes that, and sends nothing again to who has it", () =>
    withFolder(async (folder) => {
      const web = join(folder, "web");
      await mkdir(web);
      const text = "<!doctype html><p>hello</p>".repeat(1_000);
      await writeFile(join(web, "index.html"), text);
      await writeFile(join(web, "small.css"), "body {}");
      await writeFile(join(web, "picture.png"), Buffer.alloc(5_000));
      await writeFile(join(web, "large.js"), "//".repeat(1_000_001));
      await using server = await startDev(join(folder, "state"), { flags: ["--public", web] });
      const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
        rawRequest(server.base, path, { method, headers });

      for (const [encoding, decode] of [
        ["br", brotliDecompressSync],
        ["gzip", gunzipSync],
      ] as const) {
        const headers = { "accept-encoding": encoding };
        const page = await get("/", headers);
        expect(page.headers).to.include({ "content-encoding": encoding, vary: "Accept-Encoding" });
        expect(page.body.length).to.be.below(1_000);
        expect(String(decode(page.body))).to.equal(text);
        const head = await get("/", headers, "HEAD");
        expect({ ...head.headers, date: "" }).to.deep.equal({ ...page.headers, date: "" });
        const again = await get("/", { ...headers, "if-none-match": page.headers.etag ?? "" });
        expect([again.status, again.body.length]).to.deep.equal([304, 0]);
        const sdk = await get("/jotwire.min.js", headers);
        expect(sdk.headers).to.include({ "content-encoding": encoding });
      }
      const plain = await get("/");
      expect([String(plain.body), plain.headers.vary]).to.deep.equal([text, "Accept-Encoding"]);

      for (const [path, size] of [
        ["/small.css", 7],
        ["/picture.png", 5_000],
        ["/large.js", 2_000_002],
      ] as const) {
        const headers = { "accept-encoding": "br, gzip" };
        const asItIs = await get(path, headers);
        expect([asItIs.status, asItIs.body.length], path).to.deep.equal([200, size]);
        expect(asItIs.headers).to.not.have.property("content-encoding");
        const known = { ...headers, "if-none-match": asItIs.headers.etag ?? "" };
        for (const method of ["GET", "HEAD"])
          expect(await get(path, known, method), path).to.include({ status: 304 });
      }

      const { etag = "" } = plain.headers;
      await writeFile(join(web, "index.html"), text.replaceAll("hello", "world"));
      const changed = await get("/", { "if-none-match": etag });
      expect([changed.status, String(changed.body).includes("world")]).to.deep.equal([200, true]);
    }));

  it("serves nothing to a page of another site whose name leads to this machine", () =>
    withFolder(async (folder) => {
      const web = join(folder, "web");
      await mkdir(web);
      await writeFile(join(web, "index.html"), "hello");
      const flags = ["--public", web, "--origin", "https://app.example.com"];
      await using server = await startDev(join(folder, "state"), { flags });
      const { port } = new URL(server.base);
      const statusAt = async (path: string, host: string) =>
        (await rawRequest(server.base, path, { headers: { host } })).status;
      for (const path of ["/", "/jotwire.min.js"]) {
        for (const host of ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
          expect(await statusAt(path, `${host}:${port}`), host).to.equal(200);
        expect(await statusAt(path, "app.example.com"), "named by --origin").to.equal(200);
        for (const host of [`evil.example:${port}`, "evil.example", "localhost.evil.example"])
          expect(await statusAt(path, host), host).to.equal(403);
      }
    }));

  it("takes no seconds to compress a large text", () =>
    withFolder(async (folder) => {
      const web = join(folder, "web");
      await mkdir(web);
      const text = Array.from({ length: 50_000 }, (_, line) => `line ${line * 7919};`).join("\n");
      await writeFile(join(web, "bundle.js"), text);
      await writeFile(join(web, "page.js"), text.slice(0, 100_000));
      await using server = await startDev(join(folder, "state"), { flags: ["--public", web] });
      for (const [path, source, quality] of [
        ["/bundle.js", text, 9], // ten times as fast as the best
        ["/page.js", text.slice(0, 100_000), zlib.BROTLI_MAX_QUALITY],
      ] as const) {
        const { body } = await rawRequest(server.base, path, {
          headers: { "accept-encoding": "br" },
        });
        const params = {
          [zlib.BROTLI_PARAM_MODE]: zlib.BROTLI_MODE_TEXT,
          [zlib.BROTLI_PARAM_QUALITY]: quality,
          [zlib.BROTLI_PARAM_SIZE_HINT]: source.length,
        };
        expect(body.equals(brotliCompressSync(source, { params })), path).to.equal(true);
      }
    }));

  it("says so when there is no such folder", () =>
    withFolder(async (folder) => {
      const { code, stderr } = await runCli([
        "dev",
        "--port",
        "0",
        "--state",
        join(folder, "state"),
        "--public",
        join(folder, "none"),
      ]);
      expect(stderr).to.include(`--public: there is no folder ${join(folder, "none")}`);
      expect(code).to.equal(3);
    }));
});

describe("A module's started", function () {
  this.timeout(30_000);

  const app = `import { createRpc } from ${JSON.stringify(import.meta.resolve("jotwire"))}; export const app = createRpc().router({});`;

  it("is called with the server that listens, and what it returns before that stops", () =>
    withFolder(async (folder) => {
      const module = join(folder, "app.mjs");
      const told = join(folder, "told.txt");
      const tell = (expression: string) => `appendFileSync(${JSON.stringify(told)}, ${expression})`;
      const started = `export function started(server) { ${tell('"started, " + server.connections')}; return () => ${tell('", stopping"')}; }`;
      await writeFile(module, `import { appendFileSync } from "node:fs"; ${app} ${started}`);
      const server = await startDev(join(folder, "state"), { module });
      expect(await readFile(told, "utf8")).to.equal("started, 0");
      server.cli.signal("SIGTERM");
      expect(await server.cli.exited).to.equal(0);
      expect(await readFile(told, "utf8")).to.equal("started, 0, stopping");
    }));

  it("is refused when it is no function", () =>
    withFolder(async (folder) => {
      const module = join(folder, "app.mjs");
      await writeFile(module, `${app} export const started = 1;`);
      const { code, stderr } = await runCli([
        "dev",
        module,
        "--port",
        "0",
        "--state",
        join(folder, "state"),
      ]);
      expect(stderr).to.include("is not a function");
      expect(code).to.equal(3);
    }));
});
