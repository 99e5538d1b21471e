import { expect } from "chai";
import { describe, it } from "mocha";
import { adviceOf, closingFrom } from "../../../client/transport/closing.js";

describe("closingFrom", () => {
  it("reads what a server says of the close that is to come", () => {
    const params = {
      code: 1012,
      reason: "server_restart",
      reconnect: "yes",
      reconnectAfter: [0, 10],
      closeIn: 5,
    };
    expect(closingFrom(params)).to.deep.equal({
      code: 1012,
      reason: "server_restart",
      reconnect: "yes",
      after: [0, 10_000],
      closeIn: 5_000,
    });
  });

  it("makes nothing of what makes no sense, and never throws", () => {
    for (const params of [undefined, null, 7, [], {}, { code: "1012" }])
      expect(closingFrom(params)).to.equal(undefined);
    for (const reconnectAfter of ["soon", [1], ["a", "b"], [Number.NaN, 1], [-1, 1], {}]) {
      expect(
        closingFrom({ code: 1012, reason: { toString: 1 }, reconnect: "maybe", reconnectAfter }),
      ).to.deep.equal({
        code: 1012,
        reason: "",
        reconnect: undefined,
        after: undefined,
        closeIn: 0,
      });
    }
  });

  it("lets no server send its clients away for longer than ten minutes", () => {
    expect([adviceOf(599), adviceOf(1e308), adviceOf(Number.POSITIVE_INFINITY)]).to.deep.equal([
      599_000, 600_000, 600_000,
    ]);
    for (const value of ["1", -1, Number.NaN]) expect(adviceOf(value)).to.be.NaN;
  });
});
