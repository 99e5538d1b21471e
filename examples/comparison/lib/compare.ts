/** Runs scenarios, one after the other, and keeps what they found. */
import { cpus, loadavg } from "node:os";
import { connectOf, libraries, versionsOf } from "./libraries.ts";
import { countLines, type LineCount } from "./lines.ts";
import { type Findings, scenarios } from "./measures.ts";
import { type Library, Stage } from "./stage.ts";

export interface LibraryResult {
  readonly versions: string;
  readonly lines: LineCount;
  /** By scenario; an error's text stands for a run that failed. */
  readonly runs: Readonly<Record<string, readonly (Findings | string)[]>>;
}

export interface Results {
  readonly node: string;
  readonly cores: number;
  /** The machine's load over a minute, at the beginning and at the end. */
  readonly load: { readonly begin: number; readonly end: number };
  readonly times: number;
  readonly libraries: Readonly<Record<string, LibraryResult>>;
}

export interface Choice {
  readonly libraries: readonly Library[];
  readonly scenarios: readonly string[];
  readonly times: number;
}

/** `report` is called before each run. */
export async function compare(choice: Choice, report: (text: string) => void): Promise<Results> {
  const load = () => loadavg()[0] ?? 0;
  const begin = load();
  const runs = new Map<string, (Findings | string)[]>();
  // round by round, so that what disturbs the machine disturbs all of them
  for (let round = 1; round <= choice.times; round++)
    for (const name of choice.scenarios)
      for (const library of choice.libraries) {
        report(`${round}/${choice.times} ${name}: ${library.name}`);
        const key = `${library.name} ${name}`;
        runs.set(key, [...(runs.get(key) ?? []), await runOnce(library, name)]);
      }
  const results = choice.libraries.map((library): [string, LibraryResult] => {
    const own = choice.scenarios.map((name) => [name, runs.get(`${library.name} ${name}`) ?? []]);
    const [versions, lines] = [versionsOf(library), countLines(library)];
    return [library.name, { versions, lines, runs: Object.fromEntries(own) }];
  });
  return {
    node: process.version,
    cores: cpus().length,
    load: { begin, end: load() },
    times: choice.times,
    libraries: Object.fromEntries(results),
  };
}

/** The same results, with the lines as they are now. */
export function countedAgain(results: Results): Results {
  const entries = libraries.flatMap((library) => {
    const known = results.libraries[library.name];
    return known ? [[library.name, { ...known, lines: countLines(library) }] as const] : [];
  });
  return { ...results, libraries: Object.fromEntries(entries) };
}

async function runOnce(library: Library, name: string): Promise<Findings | string> {
  const scenario = scenarios[name];
  if (scenario === undefined) throw new TypeError(`there is no scenario ${name}`);
  const stage = new Stage(library, await connectOf(library));
  try {
    return await scenario.run(stage);
  } catch (error) {
    return String(error);
  } finally {
    await stage.close();
  }
}
