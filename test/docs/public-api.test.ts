import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { withFolder } from "../helpers/temporary-folder.js";
import { undocumentedToday } from "./undocumented.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { writeReports } = (await import(new URL("../../scripts/api.mjs", import.meta.url).href)) as {
  writeReports(
    reportFolder: string,
    projectFolder?: string,
    declarations?: Readonly<Record<string, string>>,
  ): void;
};

function readReports(folder: string): Readonly<Record<string, string>> {
  const names = readdirSync(folder).filter((name) => name.endsWith(".api.md"));
  return Object.fromEntries(
    names.sort().map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );
}

/**
 * The exports, and the members of exported interfaces and classes, that the report marks as lacking
 * a summary. An error class's own `name` needs none.
 */
function undocumentedIn(report: string): readonly string[] {
  const found: string[] = [];
  const lines = report.split("\n");
  let owner: string | undefined;
  for (const [index, line] of lines.entries()) {
    const next = lines[index + 1] ?? "";
    if (/^\S/.test(line))
      owner = /^export (?:\w+ )*?(?:class|interface|type|function|const) (\w+)/.exec(line)?.[1];
    if (/^\/\/ .*\(undocumented\)/.test(line)) {
      const name = /^export (?:\w+ )*?(?:class|interface|type|function|const) (\w+)/.exec(next);
      if (name?.[1] !== undefined) found.push(name[1]);
    }
    const member = /^ {4}(?:(?:static|readonly|get|set|abstract) )*([\w$]+|\[.+?\])/.exec(next);
    if (owner === undefined || !/^ {4}\/\/ .*\(undocumented\)/.test(line)) continue;
    if (next.trim() !== `readonly name = "${owner}";`) found.push(`${owner}.${member?.[1]}`);
  }
  return found;
}

/** A package with one public entry of these declarations. */
async function reportOf(declarations: string): Promise<string> {
  return withFolder(async (folder) => {
    writeFileSync(join(folder, "package.json"), '{ "name": "planted", "type": "module" }');
    writeFileSync(join(folder, "index.d.ts"), declarations);
    writeReports(join(folder, "api"), folder, { planted: "index.d.ts" });
    return readReports(join(folder, "api"))["planted.api.md"] ?? "";
  });
}

const planted = `
/** Adds. */
export declare function add(one: number, other: number): number;
export declare function subtract(one: number, other: number): number;
/** A part. */
interface Part {
  readonly size: number;
}
/** A whole. */
export interface Whole {
  readonly part: Part;
  /** Its weight. */
  readonly weight: number;
  lift(): void;
  /** @defaultValue 3 */
  readonly count?: number;
}
/** It broke. */
export declare class BrokenError extends Error {
  readonly name = "BrokenError";
  readonly code = "BROKEN";
}
export {};
`;

describe("The public API", () => {
  it("is the one in the committed reports, `npm run api` renews them", async () => {
    await withFolder(async (folder) => {
      writeReports(folder);
      expect(readReports(folder)).to.deep.equal(readReports(join(root, "api")));
    });
  });

  it("has every declaration in its report, those that are not exported too, and no comment", async () => {
    const report = await reportOf(planted);
    expect(report).to.match(/^export function add\(one: number, other: number\): number;$/m);
    expect(report).to.match(/^interface Part \{\n[^}]+readonly size: number;$/m);
    expect(report).to.not.include("A whole");
    expect(await reportOf(planted.replace("A whole", "All of it"))).to.equal(report);
    expect(await reportOf(planted.replace("size: number", "size: string"))).to.not.equal(report);
  });

  it("has a summary on each export and each member, but for those of a list that only shrinks", async () => {
    const lacking = new Set(
      Object.values(readReports(join(root, "api"))).flatMap((report) => undocumentedIn(report)),
    );
    const listed = new Set(undocumentedToday);
    expect([...lacking].filter((name) => !listed.has(name)).sort(), "add a summary").to.deep.equal(
      [],
    );
    expect(
      undocumentedToday.filter((name) => !lacking.has(name)),
      "now documented: remove from test/docs/undocumented.ts",
    ).to.deep.equal([]);
    expect(undocumentedIn(await reportOf(planted))).to.have.members([
      "subtract",
      "Whole.part",
      "Whole.lift",
      "Whole.count",
      "BrokenError.code",
    ]);
  });

  it("has an example on each entry point", () => {
    for (const [file, declaration] of [
      ["client/client.ts", "function createClient"],
      ["client/full-client.ts", "function createClient"],
      ["client/node.ts", "function createClient"],
      ["client/safe.ts", "function safe"],
      ["client/subscriptions/event-queue.ts", "const gap"],
      ["client/react/rpc-context.ts", "function RpcProvider"],
      ["client/react/rpc-context.ts", "function useRpc"],
      ["client/react/use-live.ts", "function useLive"],
      ["client/react/use-session.ts", "function useSession"],
      ["client/react/use-subscription.ts", "function useSubscription"],
      ["src/rpc/define/create-rpc.ts", "function createRpc"],
      ["src/server/server.ts", "function createServer"],
      ["src/server/token-verifier.ts", "function createTokenVerifier"],
      ["src/server/http/bearer-auth.ts", "function bearerAuth"],
      ["src/auth/introspection.ts", "function introspection"],
      ["src/issuer/create-issuer.ts", "async function createIssuer"],
      ["src/store/redis/redis-store.ts", "function redisStore"],
      ["client/mock/mock-server.ts", "function mockServer"],
      ["src/testing/caller.ts", "function caller"],
      ["src/testing/test-clock.ts", "class TestClock"],
      ["src/testing/test-server.ts", "function testServer"],
      ["src/testing/test-token.ts", "function testToken"],
      ["src/testing/test-token.ts", "const testAuth"],
    ] as const)
      expect(commentOf(read(file), declaration), `${file}: ${declaration}`).to.match(
        /@example( |\n \* (```tsx?\n \* )?)\S/,
      );
    expect(
      commentOf("/** @example */\nexport const a = 1;\nexport const b = 2;", "const b"),
    ).to.equal("");
  });

  it("has the default of each option that has one, with its unit, and no default in prose", () => {
    const withoutDefault = ["token", "signal", "testing"];
    for (const [file, type] of [
      ["client/options.ts", "ClientOptions"],
      ["client/options.ts", "ClientTesting"],
      ["client/client-api.ts", "CallOptions"],
      ["client/subscriptions/subscription.ts", "SubscribeOptions"],
    ] as const) {
      const lacking = optionsOf(read(file), type).filter(
        ({ comment }) => !/@default \S/.test(comment),
      );
      const names = lacking.map(({ name }) => name);
      expect(
        names.filter((name) => !withoutDefault.includes(name)),
        type,
      ).to.deep.equal([]);
    }
    const options = optionsOf(read("client/options.ts"), "ClientOptions");
    for (const [name, unit] of [
      ["tokenTimeout", "ms"],
      ["timeout", "ms"],
      ["backoff", "ms"],
      ["queue", "calls"],
      ["maxFrameBytes", "bytes"],
    ] as const)
      expect(options.find((option) => option.name === name)?.comment).to.match(
        new RegExp(`@default [\\w ]+ ${unit}$`, "m"),
      );
    for (const folder of ["src", "client"])
      for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }))
        if (name.endsWith(".ts"))
          expect(read(join(folder, name)), name).to.not.match(/^ *\/?\*.*[.:;] Defaults?:? [`\d]/m);
  });
});

const read = (file: string) => readFileSync(join(root, file), "utf8");

/** The doc comment of an exported declaration, or "". */
function commentOf(source: string, declaration: string): string {
  const end = source.search(new RegExp(`^export ${declaration}\\b`, "m"));
  if (end === -1) throw new Error(`there is no ${declaration}`);
  return /\/\*\*(?:(?!\*\/).)*\*\/\n(?:\/\/[^\n]*\n)*$/s.exec(source.slice(0, end))?.[0] ?? "";
}

/** The members of an interface that may be left out, each with its doc comment. */
function optionsOf(source: string, type: string): readonly { name: string; comment: string }[] {
  const start = source.search(new RegExp(`^export interface ${type}\\b`, "m"));
  const body = source.slice(start, source.indexOf("\n}", start));
  return [...body.matchAll(/((?: {2}\/\*\*(?:(?!\*\/).)*\*\/\n)?) {2}readonly (\w+)\?:/gs)].map(
    ([, comment = "", name = ""]) => ({ name, comment }),
  );
}
