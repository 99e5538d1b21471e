import { expect } from "chai";
import { describe, it } from "mocha";
import {
  AuthStop,
  DisconnectedError,
  errorFrom,
  JotwireError,
  RpcError,
} from "../../../client/errors.js";
import { errorOf, errorTable, standardErrors } from "../../../src/protocol/error-codes.js";

describe("errorFrom", () => {
  it("names jotwire's own errors by their reason", () => {
    for (const reason of Object.keys(errorTable) as (keyof typeof errorTable)[]) {
      expect(errorFrom(errorOf(reason))).to.include({
        type: reason,
        code: errorTable[reason].code,
      });
    }
  });

  it("names the standard errors, whatever their data says", () => {
    const types = Object.values(standardErrors).map(
      (row) => errorFrom({ ...row, data: { reason: "forbidden" } }).type,
    );
    expect(types).to.deep.equal([
      "parse_error",
      "invalid_request",
      "method_not_found",
      "invalid_params",
      "internal_error",
    ]);
  });

  it("names a declared error by the identifier that its message begins with", () => {
    const error = errorFrom({
      code: 1001,
      message: "OUT_OF_STOCK: three are left",
      data: { left: 3 },
    });
    expect(error)
      .to.be.instanceOf(RpcError)
      .and.include({ type: "OUT_OF_STOCK", code: 1001, message: "OUT_OF_STOCK: three are left" });
    expect(error.data).to.deep.equal({ left: 3 });
    expect(errorFrom({ code: 1001, message: "OUT_OF_STOCK" }).type).to.equal("OUT_OF_STOCK");
  });

  it("doesn't take a sentence, or an application's reason, for a name", () => {
    expect(
      errorFrom({ code: 1001, message: "Out of stock", data: { reason: "forbidden" } }).type,
    ).to.equal("application_error");
    expect(errorFrom({ code: 1001, message: "" }).type).to.equal("application_error");
  });

  it("reads whatever a server may have put there", () => {
    for (const value of [
      null,
      "x",
      7,
      [],
      { code: "1", message: {} },
      { code: 1, message: { toString: 1 } },
    ])
      expect(errorFrom(value)).to.be.instanceOf(RpcError);
  });
});

describe("The errors of the client", () => {
  it("have one base class and a name of their own, but for AuthStop, which is the application's to throw", () => {
    expect(new DisconnectedError("maybe", "connection_lost", 1006)).to.be.instanceOf(JotwireError);
    expect(new DisconnectedError("no", "bye")).to.include({
      type: "disconnected",
      sent: "no",
      name: "DisconnectedError",
    });
    expect(new AuthStop("signed out")).to.be.instanceOf(Error).and.not.instanceOf(JotwireError);
  });
});
