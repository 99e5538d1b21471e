import { readFileSync } from "node:fs";
import { expect } from "chai";

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
}

interface Locked {
  readonly version?: string;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
const { dependencies } = JSON.parse(read("package.json")) as Manifest;
const lockFile = read("package-lock.json");
const locked = new Map(
  Object.entries(
    (JSON.parse(lockFile) as { readonly packages: Readonly<Record<string, Locked>> }).packages,
  ),
);

/** Where the lock file has what the package at `from` calls `name`: beside it, or further up. */
function pathOf(name: string, from: string): string | undefined {
  const path = `${from}/node_modules/${name}`.replace(/^\//, "");
  if (locked.has(path)) return path;
  return from === ""
    ? undefined
    : pathOf(name, from.slice(0, Math.max(from.lastIndexOf("/node_modules/"), 0)));
}

function needsOf(path: string): readonly string[] {
  const { dependencies = {}, optionalDependencies = {} } = locked.get(path) ?? {};
  return [...Object.keys(dependencies), ...Object.keys(optionalDependencies)];
}

/** The paths, in the lock file, of everything that is installed with these packages. */
function closureOf(
  names: readonly string[],
  from = "",
  found = new Set<string>(),
): ReadonlySet<string> {
  for (const name of names) {
    const path = pathOf(name, from);
    if (path === undefined || found.has(path)) continue;
    found.add(path);
    closureOf(needsOf(path), path, found);
  }
  return found;
}

/** Is `version` at least `least`? Both of three numbers. */
function isAtLeast(version: string | undefined, least: string): boolean {
  return version !== undefined && version.localeCompare(least, "en", { numeric: true }) >= 0;
}

describe("The dependencies", () => {
  it("are at most six at run time, each pinned to one version", () => {
    expect(Object.keys(dependencies)).to.have.lengthOf.at.most(6);
    for (const [name, version] of Object.entries(dependencies))
      expect(version, name).to.match(/^\d+\.\d+\.\d+$/);
  });

  it("have the fixes that the server's safety counts on", () => {
    expect(isAtLeast(locked.get("node_modules/ws")?.version, "8.23.0")).to.equal(true);
    expect(isAtLeast(locked.get("node_modules/jose")?.version, "6.2.18")).to.equal(true);
    expect(isAtLeast("8.9.0", "8.23.0")).to.equal(false);
  });

  it("run no script when they are installed, and neither do theirs", () => {
    const installed = [...closureOf(Object.keys(dependencies))];
    expect(installed).to.include.members([
      "node_modules/ws",
      "node_modules/@node-rs/argon2-linux-x64-gnu",
    ]);
    expect(installed.filter((path) => locked.get(path)?.hasInstallScript === true)).to.deep.equal(
      [],
    );
  });

  it("are all locked, those for other platforms too, or `npm ci` refuses", () => {
    const missing = [...locked.keys()].flatMap((path) =>
      needsOf(path).filter((name) => pathOf(name, path) === undefined),
    );
    expect(missing).to.deep.equal([]);
  });

  it("are locked without saying which registry they came from", () => {
    expect(lockFile).to.not.match(/"resolved"|https?:\/\/registry|registry\.npmjs/);
  });
});
