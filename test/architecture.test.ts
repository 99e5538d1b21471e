import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { expect } from "chai";
import { type Module, parseModule, readModules } from "./helpers/source-tree.js";

/**
 * A floor (folder or file), and which floors, or single files of them, it may import besides its
 * own.
 */
const floors: Readonly<Record<string, readonly string[]>> = {
  "src/protocol": [],
  "src/runtime": [],
  "src/rpc": ["src/protocol", "src/runtime"],
  "src/auth": ["src/protocol", "src/runtime"],
  "src/pubsub": ["src/protocol", "src/runtime"],
  "src/store": ["src/protocol", "src/runtime", "src/auth", "src/pubsub"],
  "src/issuer": ["src/protocol", "src/runtime", "src/auth", "src/store"],
  "src/server": ["src/protocol", "src/runtime", "src/rpc", "src/auth", "src/pubsub", "src/store"],
  "src/index.ts": [
    "src/protocol",
    "src/runtime",
    "src/rpc",
    "src/auth",
    "src/pubsub",
    "src/store",
    "src/server",
  ],
  "src/cli": [
    "src/index.ts",
    "client/node.ts",
    "src/protocol",
    "src/runtime",
    "src/auth",
    "src/store",
    "src/issuer",
    "src/server",
  ],
  "src/testing": [
    "client",
    "client/node.ts",
    "client/node-socket.ts",
    "src/protocol",
    "src/runtime",
    "src/rpc",
    "src/auth",
    "src/pubsub",
    "src/server",
  ],
  client: ["src/protocol"],
  "client/node.ts": ["client", "client/node-socket.ts", "src/protocol"],
  "client/node-socket.ts": ["client"],
  "client/login": ["client"],
  "client/stores": ["client", "src/protocol"],
  "client/react": ["client", "client/stores", "src/protocol"],
  "client/vue": ["client", "client/stores", "src/protocol"],
  "client/query": ["client", "client/stores", "src/protocol"],
  console: ["client/index.ts", "console/model", "console/view"],
  "console/model": ["client/index.ts", "src/protocol"],
  "console/view": ["client/index.ts", "src/protocol", "console/model"],
};

/** Who may import a package. Node's own modules are the platform, which a browser lacks. */
const packages: Readonly<Record<string, readonly string[]>> = {
  ws: ["src/server", "client/node-socket.ts"],
  "json-rpc-2.0": ["src/rpc/dispatch/dispatcher.ts"],
  jose: ["src/auth", "src/issuer"],
  uuid: ["src/server"],
  commander: ["src/cli"],
  "@node-rs/argon2": ["src/issuer/password-hasher.ts"],
  "@redis/client": ["src/store/redis/connection/redis-connection.ts"],
  "rate-limiter-flexible": ["src/store/redis/redis-rates.ts"],
  "@opentelemetry/api": ["src/server/telemetry/tracing.ts"],
  react: ["client/react"],
  oauth4webapi: ["client/login/provider-login.ts"],
  vue: ["client/vue"],
  preact: ["console/main.ts", "console/view"],
  htm: ["console/main.ts", "console/view"],
  "node:crypto": ["src/auth"],
  "node:http": ["src/auth/issuer-port.ts"],
  "node:net": ["src/runtime/ip-address.ts", "src/runtime/ip-address.ts"],
  "node:timers": ["src/auth/session/hang-up.ts"],
  "node:*": [
    "src/store",
    "src/issuer",
    "src/server",
    "src/cli",
    "client/node-socket.ts",
    "src/testing",
    "src/auth/keys/fetch-document.ts",
  ],
};

const isIn = (path: string, place: string) => path === place || path.startsWith(`${place}/`);
const floorOf = (path: string) =>
  Object.keys(floors)
    .filter((floor) => isIn(path, floor))
    .reduce((longest, floor) => (floor.length > longest.length ? floor : longest), "");
const isPath = (imported: string) => imported.endsWith(".ts");

function forbiddenImports(modules: readonly Module[]): readonly string[] {
  return modules.flatMap(({ path, imports }) => {
    const allowed = floors[floorOf(path)];
    if (allowed === undefined) return [`${path} is on no floor: add its folder to the table`];
    const places = [floorOf(path), ...allowed];
    return imports
      .filter(
        (target) => isPath(target) && !places.includes(floorOf(target)) && !places.includes(target),
      )
      .map((target) => `${path} must not import ${target}`);
  });
}

function forbiddenPackages(modules: readonly Module[]): readonly string[] {
  return modules.flatMap(({ path, imports }) =>
    imports
      .filter((name) => !isPath(name))
      .filter((name) => {
        const [scope = "", rest = ""] = name.split("/");
        const importers = [
          packages[scope.startsWith("@") ? `${scope}/${rest}` : scope],
          name.startsWith("node:") ? packages["node:*"] : [],
        ];
        return !importers.some((places) => places?.some((place) => isIn(path, place)));
      })
      .map((name) => `${path} must not import ${name}`),
  );
}

function importCycles(modules: readonly Module[]): readonly string[] {
  const byPath = new Map(modules.map((module) => [module.path, module]));
  const [cycles, done] = [new Set<string>(), new Set<string>()];
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) cycles.add([...way.slice(way.indexOf(path)), path].join(" → "));
    if (way.includes(path) || done.has(path)) return;
    for (const target of byPath.get(path)?.imports ?? []) visit(target, [...way, path]);
    done.add(path);
  };
  for (const { path } of modules) visit(path, []);
  return [...cycles];
}

function fullFolders(modules: readonly Module[], most = 15): readonly string[] {
  const counts = new Map<string, number>();
  for (const { path } of modules)
    counts.set(posix.dirname(path), (counts.get(posix.dirname(path)) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count > most)
    .map(([folder, count]) => `${folder} has ${count} files`);
}

function longFunctions(modules: readonly Module[], most = 80): readonly string[] {
  return modules.flatMap(({ path, functions }) =>
    functions
      .filter(({ lines }) => lines > most)
      .map(({ line, lines }) => `${path}:${line} is a function of ${lines} lines`),
  );
}

const plant = (path: string, text: string) => [parseModule(path, text)];

describe("The architecture", () => {
  const modules = readModules("src", "client", "console");

  it("has arrows that point down only, at any depth", () => {
    expect(forbiddenImports(modules)).to.deep.equal([]);
    const message = ["src/rpc/a/b/c.ts must not import src/auth/session/session.ts"];
    for (const code of [
      'import { Session } from "../../../auth/session/session.js";',
      'import type { Session } from "../../../auth/session/session.js";',
      'export * from "../../../auth/session/session.js";',
      'export { Session } from "../../../auth/session/session.js";',
      'export const load = () => import("../../../auth/session/session.js");',
      'export type Session = import("../../../auth/session/session.js").Session;',
    ])
      expect(forbiddenImports(plant("src/rpc/a/b/c.ts", code)), code).to.deep.equal(message);
    expect(
      forbiddenImports(
        plant(
          "src/rpc/a/b/c.ts",
          'import "../../call.js"; import "../../../protocol/messages.js";',
        ),
      ),
    ).to.deep.equal([]);
    expect(forbiddenImports(plant("src/attic/a.ts", ""))).to.deep.equal([
      "src/attic/a.ts is on no floor: add its folder to the table",
    ]);
    expect(
      forbiddenImports(
        plant(
          "console/view/a.ts",
          'import "../../client/client.js"; import "../../client/index.js";',
        ),
      ),
    ).to.deep.equal(["console/view/a.ts must not import client/client.ts"]);
    expect(
      forbiddenImports(plant("console/model/a.ts", 'import "../view/app.js";')),
    ).to.have.lengthOf(1);
    expect(
      forbiddenImports(plant("client/a.ts", 'import "./react/index.js"; import "./node.js";')),
    ).to.have.lengthOf(2);
  });

  it("is told in ARCHITECTURE.md as the table has it", () => {
    const page = readFileSync(new URL("../ARCHITECTURE.md", import.meta.url), "utf8");
    const rows = [...page.matchAll(/^\| `([\w/.-]+)` \| .* \| ?(.*) \|$/gm)];
    const told = rows.map(([, floor = "", allowed = ""]) => [
      floor,
      [...allowed.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
    ]);
    expect(Object.fromEntries(told)).to.deep.equal(floors);
  });

  it("imports a package only where the table says so", () => {
    expect(forbiddenPackages(modules)).to.deep.equal([]);
    const code =
      'import "jose"; import "node:crypto"; import "node:fs/promises"; import "left-pad"; import type { Redis } from "@redis/client/x";';
    const message = (name: string) => `src/auth/keys/a.ts must not import ${name}`;
    expect(forbiddenPackages(plant("src/auth/keys/a.ts", code))).to.deep.equal(
      ["node:fs/promises", "left-pad", "@redis/client/x"].map(message),
    );
    expect(
      forbiddenPackages(plant("console/model/a.ts", 'import { h } from "preact/hooks";')),
    ).to.have.lengthOf(1);
  });

  it("has no cycle of imports, of types neither", () => {
    expect(importCycles(modules)).to.deep.equal([]);
    const planted = [
      ...plant("src/a.ts", 'import type { B } from "./b.js";'),
      ...plant("src/b.ts", 'export * from "./c.js";'),
    ];
    expect(importCycles([...planted, ...plant("src/c.ts", 'import "./b.js";')])).to.deep.equal([
      "src/b.ts → src/c.ts → src/b.ts",
    ]);
    expect(importCycles([...planted, ...plant("src/c.ts", "")])).to.deep.equal([]);
  });

  it("has no folder with more than 15 files", () => {
    expect(fullFolders(modules)).to.deep.equal([]);
    const planted = Array.from({ length: 16 }, (_, index) => parseModule(`src/a/${index}.ts`, ""));
    expect(fullFolders(planted)).to.deep.equal(["src/a has 16 files"]);
    expect(fullFolders(planted.slice(1))).to.deep.equal([]);
  });

  it("has no function over 80 lines, but for tables and switches over closed unions", () => {
    expect(longFunctions(modules)).to.deep.equal([]);
    const lines = (text: string, count: number) => `${text}\n`.repeat(count);
    const measure = (code: string) => longFunctions(plant("src/a.ts", code));
    expect(measure(`function f() {\n${lines("f();", 79)}}`)).to.deep.equal([
      "src/a.ts:1 is a function of 81 lines",
    ]);
    expect(measure(`function f() {\n${lines("f();", 78)}}`)).to.deep.equal([]);
    expect(
      measure(`class A {\n#f = () => {\n${lines("f();", 79)}}\nf() {\n${lines("f();", 79)}} }`),
    ).to.have.lengthOf(2);
    expect(measure(`function f() {\nreturn [\n${lines("[1],", 99)}];\n}`)).to.deep.equal([]);
    expect(
      measure(`function f() {\nreturn {\n${lines("[g()]: () => 1,", 99)}};\n}`),
    ).to.have.lengthOf(1);
    const cases = (last: string) =>
      `function f(a: A) {\nswitch (a) {\n${lines("case 1: return f(2);", 99)}${last}}\n}`;
    expect(measure(cases(""))).to.deep.equal([]);
    expect(measure(cases("default: return;\n"))).to.have.lengthOf(1);
  });
});
