import { Child } from "./child.mjs";
import { progress } from "./output.mjs";
import { peers } from "./peers.mjs";
import { createKeys } from "./tokens.mjs";

/**
 * What scenarios run on: one load generator, servers, and rounds. Everything it started ends with
 * `close`.
 */
export class Bench {
  keys = createKeys();
  rounds;
  duration;
  load = new Child("load/generator.mjs");
  #children = new Set([this.load]);
  #profileFolder;
  #nextGroup = 1;

  /**
   * `duration` of one round in milliseconds; `profileFolder`: where the profiles of jotwire's
   * servers go, if they are wanted.
   */
  constructor({ rounds, duration, profileFolder }) {
    this.rounds = rounds;
    this.duration = duration;
    this.#profileFolder = profileFolder;
  }

  async open() {
    await this.load.ask("keys", this.keys);
  }

  peer(name) {
    return peers[name];
  }

  /** Starts a process; it is ended with the bench, or by `stop`. */
  start(file, options = {}) {
    const child = new Child(file, options);
    this.#children.add(child);
    return child;
  }

  async stop(child) {
    this.#children.delete(child);
    await child.stop();
  }

  /** Starts the server of a peer; resolves with it and its port. */
  async serve(name, options = {}, nodeOptions = []) {
    const { server, env } = peers[name];
    const profiling =
      this.#profileFolder === undefined || !name.startsWith("jotwire") ? [] : this.#profiling();
    const child = this.start(server, {
      nodeOptions: [...nodeOptions, ...profiling],
      ...(env === undefined ? {} : { env }),
    });
    const { port } = await child.ask("start", { publicJwk: this.keys.publicJwk, ...options });
    return { child, port };
  }

  /**
   * A server under load: `measure` resolves with the CPU time of the server, microseconds, and how
   * many calls it answered. `kind` are the frames that are sent (see `load/ring.mjs`), `depth` how
   * many are in flight on each connection.
   */
  async underLoad(
    name,
    {
      connections,
      depth,
      batch,
      kind = batch === undefined ? "calls" : "batches",
      dialect,
      options,
    },
  ) {
    const { child, port } = await this.serve(name, options);
    const group = this.newGroupName(name);
    await this.load.ask("open", {
      name: group,
      port,
      dialect: dialect ?? peers[name].dialect,
      count: connections,
      batch,
      kind,
    });
    const measure = async (duration) => {
      const before = await child.ask("cpu");
      const { replies } = await this.load.ask("run", { name: group, depth, duration });
      return { cost: (await child.ask("cpu")) - before, work: replies * (batch ?? 1) };
    };
    const close = async () => {
      await this.load.ask("close", { name: group });
      await this.stop(child);
    };
    return { measure, close };
  }

  /** For the load generator, which keeps groups by name. */
  newGroupName(of) {
    return `${of} ${this.#nextGroup++}`;
  }

  /**
   * Costs of several servers under load, interleaved; `loads` maps names to what {@link underLoad}
   * is given, and the peer if the name is not its; `rounds` is for {@link interleave}.
   */
  async compareUnderLoad(loads, rounds = {}) {
    const subjects = {};
    for (const [name, { peer = name, ...load }] of Object.entries(loads))
      subjects[name] = await this.underLoad(peer, load);
    const costs = await this.interleave(subjects, rounds);
    for (const { close } of Object.values(subjects)) await close();
    return costs;
  }

  /**
   * Measures all in turn, round by round, after `warmUp` rounds that don't count; resolves with the
   * costs of one piece of work, one for each round. A round is cut into slices, A B A B, so that a
   * machine that is slow for a moment is slow for all.
   */
  async interleave(
    subjects,
    { rounds = this.rounds, slices = 6, duration = this.duration, warmUp = 1 } = {},
  ) {
    const names = Object.keys(subjects);
    const costs = Object.fromEntries(names.map((name) => [name, []]));
    for (let round = -warmUp; round < rounds; round++) {
      progress(round < 0 ? "warming up" : `round ${round + 1} of ${rounds}`);
      const totals = Object.fromEntries(names.map((name) => [name, { cost: 0, work: 0 }]));
      for (let slice = 0; slice < slices; slice++) {
        for (const name of names) {
          const { cost, work } = await subjects[name].measure(duration / slices);
          totals[name].cost += cost;
          totals[name].work += work;
        }
      }
      if (round >= 0)
        for (const name of names) costs[name].push(totals[name].cost / totals[name].work);
    }
    progress("");
    return costs;
  }

  async close() {
    await Promise.all([...this.#children].map((child) => child.stop()));
  }

  #profiling() {
    return ["--cpu-prof", `--cpu-prof-dir=${this.#profileFolder}`, "--cpu-prof-interval=250"];
  }
}
