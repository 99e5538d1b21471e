/** What a member of a board still hears after the removal, and when the member is told. */
import { applicationLines } from "../lib/board.mjs";
import { median, summary } from "../lib/statistics.mjs";
import { createSigner } from "../lib/tokens.mjs";

const servers = { jotwire: "servers/jotwire-board.mjs", trpc: "servers/trpc-board.mjs" };
const removals = 10; // in a round

/** One board; `measure` resolves with what one round of removals came to. */
async function boardOf(bench, name) {
  const sign = createSigner(bench.keys.privateJwk);
  const server = bench.start(servers[name]);
  const { port } = await server.ask("start", { publicJwk: bench.keys.publicJwk });
  const client = bench.start("clients/removals.mjs");
  let round = 0;
  const measure = async () => {
    round++;
    const users = Array.from({ length: removals + 1 }, (_, index) => {
      const user = `user-${round}-${index}`;
      return { user, token: sign({ subject: user }) };
    });
    await server.ask("admit", { users: users.map(({ user }) => user) });
    return client.ask("remove", { port, name, users });
  };
  const close = async () => {
    await bench.stop(client);
    await bench.stop(server);
  };
  return { measure, close };
}

async function removal(bench) {
  const after = { jotwire: [], trpc: [] };
  const told = { jotwire: [], trpc: [] };
  const boards = {};
  for (const name of Object.keys(servers)) boards[name] = await boardOf(bench, name);
  for (let round = 0; round < bench.rounds; round++)
    for (const [name, { measure }] of Object.entries(boards)) {
      const found = await measure();
      after[name].push(found.after);
      told[name].push(median(found.told));
    }
  for (const { close } of Object.values(boards)) await close();
  const lines = Object.fromEntries(
    Object.entries(servers).map(([name, file]) => [name, [applicationLines(file)]]),
  );
  const board = "a member is removed from a board with 40 events a second";
  return [
    {
      id: "removalEvents",
      work: `${board}: events of later than the answer, of ${removals} removals`,
      target: 0,
      value: summary(after.jotwire),
      costs: after,
      costUnit: "events",
    },
    {
      id: "removalTold",
      work: `${board}: from the answer until the member is told`,
      target: 30,
      unit: " ms",
      value: summary(told.jotwire),
      costs: told,
      costUnit: "ms",
    },
    {
      id: "removalLines",
      work: `${board}: lines of application code, over tRPC's`,
      value: summary([lines.jotwire[0] / lines.trpc[0]]),
      costs: lines,
      costUnit: "lines",
    },
  ];
}

export const removalScenarios = { removal };
