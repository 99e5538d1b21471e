import { expect } from "chai";
import { createIssuer, type Issuer, type Logger } from "../../src/issuer/index.js";
import { fileStore } from "../../src/store/file/file-store.js";
import { memoryStore } from "../../src/store/memory/memory-store.js";
import { redisStore } from "../../src/store/redis/index.js";
import type { Store } from "../../src/store/store.js";
import { hasRedis, RedisServer } from "../helpers/redis/redis-server.js";
import { requires } from "../helpers/requirement.js";
import { withFolder } from "../helpers/temporary-folder.js";
import { CheapHasher } from "../helpers/tokens/cheap-hasher.js";

const races = 20;
const uses = 20;

/** Issuers of one deployment, each with its own way to the store. */
async function issuersOn(stores: readonly Store[], events: string[]): Promise<Issuer[]> {
  const write = (fields: object) => {
    const { event } = fields as { event?: string };
    if (event !== undefined) events.push(event);
  };
  const logger: Logger = { debug: write, info: write, warn: write, error: write };
  return Promise.all(
    stores.map((store) =>
      createIssuer({
        ...{ issuer: "http://localhost:8080", audience: "jotwire", store, logger },
        failedLoginsPerAddress: Number.POSITIVE_INFINITY,
        testing: { passwordHasher: new CheapHasher() },
      }),
    ),
  );
}

/**
 * Each race has so many uses of one token at the same time, in turn by each of the nodes, each with
 * a password of its own. Exactly one succeeds, and the user's password is that of the winner.
 */
async function expectFairRaces(stores: readonly Store[]): Promise<void> {
  const events: string[] = [];
  const nodes = await issuersOn(stores, events);
  const node = (n: number) => nodes[n % nodes.length] as Issuer;
  for (let race = 0; race < races; race++) {
    const name = `user-${race}`;
    const token = await node(race).users.invite(name);
    const outcomes = await Promise.all(
      Array.from({ length: uses }, (_, n) =>
        node(n)
          .setPassword(token, `password-${n}`, { address: `10.0.${n}.1` })
          .then(
            () => "set",
            (error: { code: string }) => error.code,
          ),
      ),
    );
    const winners = outcomes.flatMap((outcome, n) => (outcome === "set" ? [n] : []));
    expect(winners, outcomes.join()).to.have.length(1);
    for (const other of outcomes.filter((outcome) => outcome !== "set"))
      expect(other).to.be.oneOf(["invalid_password_token", "busy"]);
    expect(await node(race + 1).login(name, `password-${winners[0]}`)).to.have.property("token");
    const again = await node(race)
      .setPassword(token, "another password")
      .catch((error) => error.code);
    expect(again, "a replay").to.equal("invalid_password_token");
  }
  expect(events.filter((event) => event === "password.set")).to.have.length(races);
}

/** A newer token on the one node against the use of the older one on the other. */
async function expectNewestCounts([one, other]: readonly Store[]): Promise<void> {
  const [first, second] = await issuersOn([one as Store, other as Store], []);
  for (let race = 0; race < 3 * races; race++) {
    const name = `ada-${race}`;
    const older = (await first?.users.invite(name)) ?? "";
    const [outcome, newer] = await Promise.all([
      second?.setPassword(older, "an older password").then(
        () => "set",
        () => "refused",
      ),
      first?.users.resetPassword(name),
    ]);
    // the older one came first, or is void: never both, and the newer one is good in any case
    expect(outcome).to.be.oneOf(["set", "refused"]);
    expect(await second?.setPassword(newer ?? "", "a newer password")).to.have.property("token");
  }
}

describe(`Of ${uses} uses of one token to set a password at the same time, exactly one wins, in ${races} of ${races} races`, function () {
  this.timeout(120_000);

  it("on the memory store", async () => {
    const store = memoryStore();
    await expectFairRaces([store, store]);
    await expectNewestCounts([store, store]);
  });

  it("on the file store", async () => {
    await withFolder(async (folder) => {
      const store = fileStore(folder);
      await expectFairRaces([store, store]);
      await expectNewestCounts([store, store]);
      await store.close();
    });
  });

  it("on two nodes with one Redis", async function () {
    requires(this, "Redis", hasRedis);
    const redis = await RedisServer.start();
    const stores = [1, 2].map(() => redisStore({ url: redis.url, timeout: 5_000 }));
    try {
      await expectFairRaces(stores);
      await expectNewestCounts(stores);
    } finally {
      await Promise.all(stores.map((store) => store.close()));
      await redis.stop();
    }
  });
});
