import { expect } from "chai";
import { memoryStore } from "../../../src/issuer/index.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { claimsOf, openIssuer, password } from "../../helpers/tokens/test-issuer.js";

const hour = 3_600_000;
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("the issuer's housekeeping", () => {
  it("forgets families that have ended, failures of a day ago and revocations that are over, beside a login, and nothing younger", async () => {
    const store = memoryStore();
    const { issuer, clock } = await openIssuer({ store, refreshIdleTtl: 24 * hour });
    const swept: number[] = [];
    const forget = store.attempts.sweep.bind(store.attempts);
    store.attempts.sweep = async (before) => {
      const count = await forget(before);
      swept.push(count);
      return count;
    };

    const old = await issuer.login("ada", password);
    await rejectionOf(issuer.login("ada", "wrong password", { address: "192.0.2.1" }));
    clock.advance(12 * hour);
    const young = await issuer.login("ada", password);
    await issuer.users.add("bob", password);
    await issuer.users.disable("bob");
    expect(await store.revocations.list(0), "all that is remembered").to.have.length(1);
    await rejectionOf(issuer.login("ada", "wrong password", { address: "192.0.2.2" }));

    clock.advance(12 * hour + 1_000);
    await issuer.login("ada", password);
    await settled();
    const ids = [old, young].map(({ token }) => String(claimsOf(token).sid));
    expect(
      await Promise.all(ids.map(async (id) => (await store.families.get(id)) !== undefined)),
    ).to.deep.equal([false, true]);
    expect(swept).to.deep.equal([0, 1]);
    expect(await store.revocations.list(0)).to.deep.equal([]);

    clock.advance(hour - 1);
    await issuer.login("ada", password);
    await settled();
    expect(swept, "once an hour at most").to.have.length(2);
    clock.advance(1);
    await issuer.login("ada", password);
    await settled();
    expect(swept).to.have.length(3);
    await issuer.close();
  });
});
