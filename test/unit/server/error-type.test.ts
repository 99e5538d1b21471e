import { expect } from "chai";
import { errorTable, standardErrors } from "../../../src/protocol/error-codes.js";
import { errorTypeOf } from "../../../src/server/telemetry/error-type.js";

describe("The error type of a call", () => {
  it("is the reason of an error of jotwire's own, and the name of a standard code", () => {
    for (const [reason, { code }] of Object.entries(errorTable))
      expect(errorTypeOf(code)).to.equal(reason);
    expect(Object.values(standardErrors).map(({ code }) => errorTypeOf(code))).to.deep.equal([
      "parse_error",
      "invalid_request",
      "method_not_found",
      "invalid_params",
      "internal_error",
    ]);
  });

  it("is one for all errors of the application, and absent where a call did not fail", () => {
    expect([1, -1, Number.NaN].map(errorTypeOf)).to.deep.equal(Array(3).fill("application_error"));
    expect([0, null].map(errorTypeOf)).to.deep.equal([undefined, undefined]);
  });
});
