import { expect } from "chai";
import { arranged, type Sorting, sortedBy } from "../../../console/model/session/session-table.js";
import { type ListedSession, listSessions } from "../../../console/model/session/sessions.js";

const session = (id: string, more: Partial<ListedSession>): ListedSession => ({
  ...{ id, node: "n1", subject: null, issuer: null, sessionId: null, state: "active" },
  ...{ address: "::1", since: 0, endsAt: null, calls: 0, subscriptions: 0, bufferedBytes: 0 },
  ...more,
});
const sessions = [
  session("c1", { subject: "user-10", calls: 3, address: "10.0.0.7" }),
  session("c2", { subject: "User-9", calls: 20, node: "berlin", endsAt: 5 }),
  session("c3", { calls: 1 }),
];
const byName: Sorting = { column: "subject", isDescending: false };
const idsOf = (list: readonly ListedSession[]) => list.map(({ id }) => id).join(" ");

describe("The console's table of sessions", () => {
  it("sorts by numbers and by names with numbers in them; without a value comes last, or first in the other direction", () => {
    expect(idsOf(arranged(sessions, "", byName))).to.equal("c2 c1 c3");
    expect(idsOf(arranged(sessions, "", { ...byName, isDescending: true }))).to.equal("c3 c1 c2");
    expect(idsOf(arranged(sessions, "", sortedBy(byName, "calls")))).to.equal("c3 c1 c2");
    expect(idsOf(arranged(sessions, "", sortedBy(byName, "endsAt")))).to.match(/^c2/);
    expect(sortedBy(sortedBy(byName, "calls"), "calls")).to.deep.equal({
      column: "calls",
      isDescending: true,
    });
  });

  it("makes no comparer of its own for each pair of names: 1,000 are sorted anew each second", () => {
    const many = Array.from({ length: 1_000 }, (_, place) =>
      session(`c${place}`, { subject: `user-${(place * 7_919) % 1_000}` }),
    );
    const { localeCompare } = String.prototype;
    let made = 0;
    String.prototype.localeCompare = function (...args) {
      made++;
      return localeCompare.apply(this, args as [string]);
    };
    try {
      expect(arranged(many, "", byName).at(-1)?.subject).to.equal("user-999");
    } finally {
      String.prototype.localeCompare = localeCompare;
    }
    expect(made).to.equal(0);
  });

  it("finds a part of a user, an address, a node or a connection", () => {
    for (const [text, ids] of [
      ["user-", "c2 c1"],
      [" 10.0.", "c1"],
      ["BERLIN", "c2"],
      ["c3", "c3"],
      ["nobody", ""],
    ] as const)
      expect(idsOf(arranged(sessions, text, byName)), text).to.equal(ids);
  });

  it("asks the server for everybody, or for one user, and reads what it says of how many there are", async () => {
    const asked: unknown[] = [];
    const ask = async (method: string, params: object) => {
      asked.push([method, params]);
      return { sessions: [{ id: "c1", node: "n1", subscriptions: 2 }, "?"], total: 7 };
    };
    const listed = await listSessions(ask);
    expect(listed).to.include({ total: 7, isComplete: true });
    expect(listed.sessions).to.have.lengthOf(1);
    expect(listed.sessions[0]).to.include({ id: "c1", node: "n1", subscriptions: 2, calls: 0 });
    await listSessions(ask, "ada");
    expect(asked).to.deep.equal([
      ["rpc.sessions.list", {}],
      ["rpc.sessions.list", { subject: "ada" }],
    ]);
  });
});
