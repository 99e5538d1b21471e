import { expect } from "chai";
import type { RevocationRecords } from "../../../src/auth/revocation.js";
import { Revocations } from "../../../src/server/revocations.js";
import { memoryStore } from "../../../src/store/memory-store.js";
import { ManualClock } from "../../helpers/manual-clock.js";

const minute = 60_000;
const hour = 60 * minute;

/** Revocations of tokens that live for 15 minutes. */
function open(records: RevocationRecords = memoryStore().revocations, clock = new ManualClock()) {
  const stores = [{ revocations: records }];
  const revocations = new Revocations({ clock, stores, issuers: [], longestLifetime: 15 * minute, onChange: () => {} });
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
    const { revocations } = open({ ...unbound(memoryStore().revocations), now: () => storesClock }, clock);
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

function unbound(records: RevocationRecords): RevocationRecords {
  return {
    add: (revocation) => records.add(revocation),
    list: (now) => records.list(now),
    subscribe: (listener) => records.subscribe(listener),
  };
}
