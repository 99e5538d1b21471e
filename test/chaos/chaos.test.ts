import { expect } from "chai";
import { hasRedis } from "../helpers/redis/redis-server.js";
import { requires } from "../helpers/requirement.js";
import { faults } from "./faults.js";
import { inflict } from "./inflict.js";

/** The short form of `npm run chaos`: the same harm, less of it. */
const settings = { clients: 30, times: 1, minutes: 0.1, races: 10 };

describe("Nothing that was acknowledged is lost, nothing runs twice or too late, and everybody comes back", function () {
  this.timeout(180_000); // some seconds each on an idle machine

  before(function () {
    requires(this, "Redis", hasRedis);
  });

  for (const fault of faults) {
    it(fault.name, async function () {
      const obstacle = fault.obstacle?.();
      if (obstacle !== undefined) requires(this, obstacle, () => false);
      const { tally } = await inflict(fault, settings);
      expect(tally?.violations).to.deep.equal([]);
    });
  }
});
