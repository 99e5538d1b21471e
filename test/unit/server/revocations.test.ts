import { expect } from "chai";
import type { RevocationRecords } from "../../../src/auth/revocation/revocation.js";
import { Revocations } from "../../../src/server/cluster/revocations.js";
import { memoryStore } from "../../../src/store/memory/memory-store.js";
import { ManualClock } from "../../helpers/manual-clock.js";

const minute = 60_000;
const hour = 60 * minute;

/** Revocations of tokens that live for 15 minutes. */
function open(records: RevocationRecords = memoryStore().revocations, clock = new ManualClock()) {
  const stores = [{ revocations: records }];
  const revocations = new Revocations({
    clock,
    stores,
    issuers: [],
    longestLifetime: 15 * minute,
    onChange: () => {},
  });
  return { revocations, clock };
}

describe("what was revoked, as a server remembers it", () => {
  it("is forgotten when no token of then is alive", async () => {
    const { revocations, clock } = open();
    await revocations.revoke({ subject: "ada" });
    clock.advance(15 * minute - 1);
    revocations.sweep();
    expect(revocations.list.size).to.equal(1);
    clock.advance(1_000);
    revocations.sweep();
    expect(revocations.list.size).to.equal(0);
  });

  it("is kept while the clock is an hour ahead, however long, and forgotten in its own time when that is set right", async () => {
    const { revocations, clock } = open();
    await revocations.revoke({ subject: "ada" });
    clock.stepWall(hour);
    for (let n = 0; n < 10; n++) {
      clock.advance(minute);
      revocations.sweep();
    }
    expect(revocations.list.size).to.equal(1);
    clock.stepWall(-hour);
    clock.advance(6 * minute);
    revocations.sweep();
    expect(revocations.list.size).to.equal(0);
  });

  it("is kept by the clock of the store, where this node's was wrong from its start, and while that one is not known", async () => {
    const clock = new ManualClock();
    const right = clock.now() / 1_000;
    let storesClock: number | undefined;
    const { revocations } = open(
      { ...unbound(memoryStore().revocations), now: () => storesClock },
      clock,
    );
    await revocations.revoke({ subject: "ada" });
    clock.advance(hour);
    revocations.sweep();
    expect(revocations.list.size).to.equal(1);
    storesClock = right + 899;
    revocations.sweep();
    expect(revocations.list.size).to.equal(1);
    storesClock = right + 901;
    revocations.sweep();
    expect(revocations.list.size).to.equal(0);
  });
});

describe("what was revoked, where no store keeps it or its store is in trouble", () => {
  const withStores = (
    stores: readonly { readonly revocations: RevocationRecords }[],
    clock = new ManualClock(),
  ) => ({
    clock,
    revocations: new Revocations({
      clock,
      stores,
      issuers: [],
      longestLifetime: 15 * minute,
      onChange: () => {},
    }),
  });

  it("is kept while this machine's clock is ahead, or has been set back, as long as a token of then may be alive", async () => {
    for (const step of [hour, -hour]) {
      const { revocations, clock } = withStores([]);
      await revocations.revoke({ subject: "ada" });
      clock.stepWall(step);
      clock.advance(14 * minute);
      revocations.sweep();
      expect(revocations.list.size, `${step}`).to.equal(1);
      clock.advance(2 * minute);
      revocations.sweep();
      // with the wall clock set back, tokens live longer
      expect(revocations.list.size, `${step}`).to.equal(step > 0 ? 0 : 1);
    }
  });

  it("is read again by the next who asks, when it could not be", async () => {
    const records = unbound(memoryStore().revocations);
    await records.add({ jti: "before" });
    let isAway = true;
    const list: RevocationRecords["list"] = (now) =>
      isAway ? Promise.reject(new Error("away")) : records.list(now);
    const { revocations } = withStores([{ revocations: { ...records, list } }]);
    const failure = await revocations.whenCurrent().catch((error: Error) => error.message);
    expect(failure).to.equal("away");
    isAway = false;
    await revocations.whenCurrent();
    expect(revocations.list.size).to.equal(1);
  });

  it("is heard of until the server closes, and not after", async () => {
    const store = memoryStore();
    const { revocations } = withStores([store]);
    await store.revocations.add({ jti: "first" });
    expect(revocations.list.size).to.equal(1);
    revocations.close();
    await store.revocations.add({ jti: "second" });
    expect(revocations.list.size).to.equal(1);
  });
});

function unbound(records: RevocationRecords): RevocationRecords {
  return {
    add: (revocation) => records.add(revocation),
    list: (now) => records.list(now),
    subscribe: (listener) => records.subscribe(listener),
  };
}
