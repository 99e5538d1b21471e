import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { build } from "esbuild"; // comes with tsx
import ts from "typescript-5.9"; // the newest whose compiler a program can ask
import { Pages } from "../helpers/client/pages.js";
import { scriptedClient, settled } from "../helpers/client/scripted-client.js";
import { consume } from "../helpers/consumer.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

/** A module of the client as a page would load it: one file, and what went into it. */
async function bundle(entry: string, platform: "browser" | "node") {
  const options = {
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
    metafile: true,
    logLevel: "silent",
  } as const;
  const { metafile, outputFiles } = await build({
    ...options,
    absWorkingDir: root,
    entryPoints: [entry],
    platform,
  });
  return { text: outputFiles[0]?.text ?? "", inputs: Object.keys(metafile.inputs) };
}

/** The ready-made module. */
const readyMade = () =>
  import(pathToFileURL(`${root}dist/client/jotwire.min.js`).href) as Promise<
    typeof import("../../client/index.js")
  >;

/** The names of members that the ready-made module shortens. */
const shortened = () =>
  import(pathToFileURL(`${root}scripts/inner-members.mjs`).href) as Promise<{
    readonly innerMembers: readonly string[];
    readonly areTogether: (one: string, other: string) => boolean;
  }>;

/**
 * What shortening these names would break: members with such a name that the client uses and that
 * aren't its own, and two members of one object that may get the same name.
 */
function mistakesIn(
  names: readonly string[],
  areTogether: (one: string, other: string) => boolean,
): readonly string[] {
  const isOurs = ({ fileName }: ts.SourceFile) => fileName.startsWith(`${root}client/`);
  const program = ts.createProgram([`${root}client/index.ts`], {
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts"],
    module: ts.ModuleKind.NodeNext,
    types: [],
    strict: true,
  });
  const checker = program.getTypeChecker();
  const found = new Set<string>();
  const look = (object: ts.Type, name: string): void => {
    if (object.isUnion()) for (const one of object.types) look(one, name);
    const { declarations = [] } = object.getProperty(name) ?? {};
    for (const file of declarations.map((declaration) => declaration.getSourceFile()))
      if (!isOurs(file)) found.add(`${name} of ${file.fileName.replace(/.*\//, "")}`);
    if (object.isUnion() || !declarations.length) return;
    for (const { name: other } of object.getProperties())
      if (other !== name && names.includes(other) && !areTogether(name, other))
        found.add(`${name} beside ${other}`);
  };
  const see = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && names.includes(node.name.text))
      look(checker.getTypeAtLocation(node.expression), node.name.text);
    if (ts.isBindingElement(node)) {
      const { text = "" } = (node.propertyName ?? node.name) as Partial<ts.Identifier>;
      if (names.includes(text)) look(checker.getTypeAtLocation(node.parent), text);
    }
    ts.forEachChild(node, see);
  };
  program.getSourceFiles().filter(isOurs).forEach(see);
  return [...found];
}

const foreign = (inputs: readonly string[]) =>
  inputs.filter((path) => path.includes("node_modules"));

describe("The client's bundle for browsers", function () {
  this.timeout(60_000);

  it("is ready made, with at most 8000 bytes, gzipped, and with every export of the module", async () => {
    await run("node", ["scripts/build-client.mjs"], { cwd: root });
    const path = `${root}dist/client/jotwire.min.js`;
    const text = await readFile(path, "utf8");
    expect(gzipSync(text, { level: 9 }).length).to.be.within(1_000, 8_000);
    expect(text).to.not.match(/node:|\brequire\(|\bimport\b/);
    const [ready, module] = [
      (await import(pathToFileURL(path).href)) as object,
      (await import("../../client/index.js")) as object,
    ];
    expect(Object.keys(ready)).to.have.members(Object.keys(module));
  });

  it("has the session of a page as an entry of its own, with at most 5600 bytes beside oauth4webapi", async () => {
    const { outputFiles, metafile } = await build({
      ...{ bundle: true, minify: true, format: "esm", write: false, metafile: true },
      ...{ absWorkingDir: root, entryPoints: ["client/login/index.ts"], platform: "browser" },
      external: ["oauth4webapi"], // loaded when a provider is asked
    });
    const text = outputFiles[0]?.text ?? "";
    expect(gzipSync(text, { level: 9 }).length).to.be.within(1_000, 5_600);
    expect(text)
      .to.include('import("oauth4webapi")')
      .and.not.match(/^import|\brequire\(/m);
    const parts = Object.keys(metafile.inputs).filter((path) => !path.startsWith("client/login/"));
    expect(parts, "nothing of the core but its errors").to.deep.equal(["client/errors.ts"]);
  });

  it("has each entry beside it in its own bound, which the documents tell, without the core again", async () => {
    const reference = await readFile(`${root}docs/reference/client.md`, "utf8");
    const bounds = [...reference.matchAll(/^\| `jotwire\/([a-z]+)` \| ([\d.]+) kB \|/gm)];
    const entries = {
      session: "login",
      react: "react",
      vue: "vue",
      svelte: "stores",
      query: "query",
    };
    expect(bounds.map(([, name]) => name)).to.have.members(Object.keys(entries));
    for (const [, name = "", kilobytes] of bounds) {
      const { outputFiles, metafile } = await build({
        ...{ bundle: true, minify: true, format: "esm", write: false, metafile: true },
        ...{ absWorkingDir: root, platform: "browser" },
        entryPoints: [`client/${entries[name as keyof typeof entries]}/index.ts`],
        external: ["oauth4webapi", "react", "vue", "@tanstack/*"],
      });
      const bound = Number(kilobytes) * 1_000;
      const size = gzipSync(outputFiles[0]?.text ?? "", { level: 9 }).length;
      expect(size, name).to.be.within(bound * 0.85, bound); // a bound that says something
      const [output] = Object.values(metafile.outputs);
      const used = Object.entries(output?.inputs ?? {}).filter(
        ([, part]) => part.bytesInOutput > 0,
      );
      const core = used
        .map(([path]) => path)
        .filter((path) =>
          /^client\/(client|full-client|(connection|session|transport)\/.*)\.ts$/.test(path),
        );
      expect(core, `${name} has nothing of the connection in it`).to.deep.equal([]);
    }
  });

  it("has the session of a page ready made, too, with every export of the module", async () => {
    const path = `${root}dist/client/jotwire-session.min.js`;
    const text = await readFile(path, "utf8");
    expect(gzipSync(text, { level: 9 }).length).to.be.within(1_000, 5_500);
    expect(text).to.not.match(/node:|\brequire\(|^import|\bimport [^(]/);
    const ready = (await import(pathToFileURL(path).href)) as object;
    const module = (await import("../../client/login/index.js")) as object;
    expect(Object.keys(ready)).to.have.members(Object.keys(module));
  });

  it("works as the module does, with the short names that it has inside", async () => {
    const { createClient, gap } = await readyMade();
    const { client, signIn, clock, pass } = scriptedClient({}, createClient as never);
    const socket = await signIn();
    const call = client.call("orders.list", { limit: 2 }, { idempotent: true });
    const marked = consume(client.subscribe("orders.watch", { id: "o1" }, { gaps: true }));
    socket.answer(socket.last("orders.watch"), { subscription: "t", epoch: "e", offset: 1 });
    socket.tell("subscription.event", { subscription: "t", offset: 3, gap: true, data: "three" });
    socket.drop();
    await pass(20_000);
    const next = await signIn();
    expect(next.frames.map(({ method }) => method)).to.deep.equal([
      "authenticate",
      "orders.watch",
      "orders.list",
    ]);
    expect(next.last("orders.watch").params).to.deep.equal({
      id: "o1",
      $since: { epoch: "e", offset: 3 },
    });
    next.answer(next.last("orders.watch"), {
      subscription: "t",
      epoch: "e",
      offset: 3,
      recovered: true,
    });
    next.answer(next.last("orders.list"), ["o1"]);
    expect(await call).to.deep.equal(["o1"]);
    await pass(600_000);
    expect(next.last("refresh").params).to.deep.equal({ token: "token-3" });
    const ended = client.ready();
    await client.close();
    await ended;
    await settled();
    expect(marked).to.deep.equal({ events: [gap, "three"], isDone: true });
    expect(clock.pending).to.equal(0);
  });

  it("sends batches, and shares renewals by the platform's locks", async () => {
    using pages = new Pages();
    const { createClient } = await readyMade();
    let count = 0;
    const token = () => `e30.${btoa(JSON.stringify({ sub: "ada", jti: ++count }))}.c2ln`;
    const start = () => scriptedClient({ token }, createClient as never);
    const [one, other] = [start(), start()];
    const sockets = [await one.signIn(), await other.signIn()];
    const sums = one.client.batch((api) => [api.sum?.([1, 2]), api.sum?.([3, 4])]);
    const calls = sockets[0]?.frames.filter(({ method }) => method === "sum") ?? [];
    for (const frame of calls) {
      const [one, other] = frame.params as unknown as readonly [number, number];
      sockets[0]?.answer(frame, one + other);
    }
    expect(await sums).to.deep.equal([3, 7]);
    for (const socket of sockets) socket.tell("auth.refreshRequired", {});
    await settled();
    await settled();
    expect(count).to.equal(3);
    const presented = sockets.map((socket) => socket.last("refresh").params?.token);
    expect(presented[0]).to.equal(presented[1]);
    for (const { client } of [one, other]) await client.close();
    expect(pages.channels).to.equal(0);
  });

  it("has new names for members of the client only, and no name twice in an object", async () => {
    const { innerMembers, areTogether } = await shortened();
    expect(mistakesIn(innerMembers, areTogether)).to.deep.equal([]);
    expect(mistakesIn(["request", "size", "all"], () => true)).to.include.members([
      "request of lib.dom.d.ts",
      "all of lib.es2015.promise.d.ts",
    ]);
    expect(mistakesIn(["owner", "phase"], () => false)).to.include("owner beside phase");
  });

  it("has nothing of other packages or of Node in it, as the one for Node has", async () => {
    const browser = await bundle("client/index.ts", "browser");
    expect(foreign(browser.inputs)).to.deep.equal([]);
    expect(browser.text).to.not.match(/node:|\brequire\(/);
    const node = await bundle("client/node.ts", "node");
    expect(foreign(node.inputs).filter((path) => path.includes("node_modules/ws/"))).to.not.be
      .empty;
    expect(node.inputs.filter((path) => path.includes("node_modules/jose/"))).to.deep.equal([]);
  });
});
