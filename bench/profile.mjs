/**
 * `node bench/profile.mjs SCENARIO [ROUNDS]`: where the CPU time of jotwire's server goes; the
 * .cpuprofile files stay for a viewer.
 */
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bench } from "./lib/bench.mjs";
import { print } from "./lib/output.mjs";
import { tableOf } from "./lib/report.mjs";
import { scenarios } from "./scenarios/index.mjs";

const shownFunctions = 45;
const waiting = new Set(["(idle)", "(program)", "(root)"]);

/**
 * Own time of each function, microseconds, without idle time and native time that no function is on
 * the stack for.
 */
function ownTimes({ nodes, samples, timeDeltas }) {
  const byNode = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const times = new Map();
  samples.forEach((id, index) => {
    const { functionName, url, lineNumber } = byNode.get(id);
    const place = `${functionName || "(anonymous)"} ${url.replace(/^.*\/(?=node_modules\/|dist\/(src|client)\/)/, "")}${url === "" ? "" : `:${lineNumber + 1}`}`;
    times.set(place, (times.get(place) ?? 0) + timeDeltas[index]);
  });
  return times;
}

const [scenario = "calls", rounds = "3"] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "jotwire-profile-"));
const bench = new Bench({ rounds: Number(rounds), duration: 900, profileFolder: folder });
await bench.open();
print(tableOf(await scenarios[scenario](bench)));
await bench.close();

for (const name of readdirSync(folder)) {
  const times = [...ownTimes(JSON.parse(readFileSync(join(folder, name), "utf8")))];
  const busy = times.filter(([place]) => !waiting.has(place.trim()));
  const total = busy.reduce((sum, [, time]) => sum + time, 0);
  const program = times.find(([place]) => place.trim() === "(program)")?.[1] ?? 0;
  print(
    `\n${join(folder, name)}: ${(total / 1e6).toFixed(1)} s in functions, ${(program / 1e6).toFixed(1)} s outside of them`,
  );
  for (const [place, time] of busy.sort(([, a], [, b]) => b - a).slice(0, shownFunctions)) {
    print(`${((time / total) * 100).toFixed(1).padStart(5)} %  ${place}`);
  }
}
