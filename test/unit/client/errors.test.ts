import { expect } from "chai";
import { describe, it } from "mocha";
import {
  AuthStopError,
  DisconnectedError,
  errorFrom,
  JotwireError,
  RpcError,
  SubscriptionEndedError,
} from "../../../client/errors.js";
import { UpgradeRefusedError } from "../../../client/node.js";
import { errorOf, errorTable, standardErrors } from "../../../src/protocol/error-codes.js";

describe("errorFrom", () => {
  it("names jotwire's own errors by their reason", () => {
    for (const reason of Object.keys(errorTable) as (keyof typeof errorTable)[]) {
      expect(errorFrom(errorOf(reason))).to.include({
        code: reason,
        rpcCode: errorTable[reason].code,
      });
    }
  });

  it("names the standard errors, whatever their data says", () => {
    const types = Object.values(standardErrors).map(
      (row) => errorFrom({ ...row, data: { reason: "forbidden" } }).code,
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
    expect(error).to.be.instanceOf(RpcError).and.include({
      code: "OUT_OF_STOCK",
      rpcCode: 1001,
      message: "OUT_OF_STOCK: three are left",
    });
    expect(error.data).to.deep.equal({ left: 3 });
    expect(errorFrom({ code: 1001, message: "OUT_OF_STOCK" }).code).to.equal("OUT_OF_STOCK");
  });

  it("doesn't take a sentence, or an application's reason, for a name", () => {
    expect(
      errorFrom({ code: 1001, message: "Out of stock", data: { reason: "forbidden" } }).code,
    ).to.equal("application_error");
    expect(errorFrom({ code: 1001, message: "" }).code).to.equal("application_error");
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
  it("have one base class and a name of their own, but for AuthStopError, which is the application's to throw", () => {
    expect(new DisconnectedError("maybe", "connection_lost", 1006)).to.be.instanceOf(JotwireError);
    expect(new DisconnectedError("no", "bye")).to.include({
      code: "disconnected",
      sent: "no",
      name: "DisconnectedError",
    });
    expect(new AuthStopError("signed out"))
      .to.be.instanceOf(Error)
      .and.not.instanceOf(JotwireError);
  });

  it("have names that end in Error, and a string as code", () => {
    for (const [error, name, code] of [
      [new JotwireError("timeout"), "JotwireError", "timeout"],
      [errorFrom(errorOf("forbidden")), "RpcError", "forbidden"],
      [new DisconnectedError("no", "bye"), "DisconnectedError", "disconnected"],
      [new SubscriptionEndedError("error", 7), "SubscriptionEndedError", "subscription_ended"],
      [new AuthStopError(), "AuthStopError", "auth_stop"],
      [new UpgradeRefusedError(403), "UpgradeRefusedError", "upgrade_refused"],
    ] as const)
      expect(error).to.include({ name, code });
    expect(new SubscriptionEndedError("error", 7)).to.include({ reason: "error", rpcCode: 7 });
  });
});
