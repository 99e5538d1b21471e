/**
 * The load: a process of its own, that keeps groups of connections and measures what they cost it.
 */
import { answer, cpuTime } from "../lib/answer.mjs";
import { createSigner } from "../lib/tokens.mjs";
import { dialects } from "./dialects.mjs";
import { Group } from "./group.mjs";
import { ringOf } from "./ring.mjs";

const groups = new Map();
let sign = () => "";

answer({
  keys: ({ privateJwk }) => {
    sign = createSigner(privateJwk);
  },
  /**
   * Opens `count` connections. With a kind of frames, one goes to and fro on each, and must be
   * answered as it should be.
   */
  open: async ({ name, port, dialect, count, kind, batch }) => {
    const group = new Group();
    groups.set(name, group);
    await group.open({ port, dialect: dialects[dialect], count, sign });
    if (kind === undefined) return;
    group.ring = ringOf(kind, dialect, batch, sign);
    await group.probe();
  },
  /** Opens more of them. */
  more: ({ name, port, dialect, count }) =>
    groups.get(name).open({ port, dialect: dialects[dialect], count, sign }),
  run: async ({ name, depth, duration }) => {
    const before = cpuTime();
    const replies = await groups.get(name).run(depth, duration);
    return { replies, cpu: cpuTime() - before };
  },
  flood: ({ name, duration }) => groups.get(name).flood(duration),
  latencies: ({ name, pause, duration }) => groups.get(name).latencies(pause, duration),
  hear: ({ name, count }) => groups.get(name).hear(count),
  stall: ({ name }) => groups.get(name).stall(),
  close: async ({ name }) => {
    await groups.get(name).close();
    groups.delete(name);
  },
});
