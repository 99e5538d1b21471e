import { expect } from "chai";
import { issuesAt, issuesIn, missingIn, textOfIssues } from "../../../console/model/call/issues.js";
import { ownMember } from "../../../console/model/message.js";
import { methodsIn } from "../../../console/model/open-rpc.js";
import type { Outcome } from "../../../console/model/outcome.js";

const failed = (data: unknown): Outcome => ({
  ...{ is: "error", code: "invalid_params", rpcCode: -32602, message: "", data },
  ...{ took: 1, isRaw: false },
});

describe("The issues of params", () => {
  it("are read from what the server says; anything else has none", () => {
    const issues = [
      { path: ["address", "zip"], message: "short" },
      { path: "odd", message: "whole" },
    ];
    expect(issuesIn(failed({ issues }))).to.deep.equal([
      { path: ["address", "zip"], message: "short" },
      { path: [], message: "whole" },
    ]);
    for (const junk of [undefined, null, 1, { issues: 1 }, { issues: [null, {}, { message: 1 }] }])
      expect(issuesIn(failed(junk))).to.deep.equal([]);
    expect(issuesIn({ is: "result", value: { issues }, took: 1, isRaw: false })).to.deep.equal([]);
  });

  it("belong to the field that their path begins with", () => {
    const issues = issuesIn(
      failed({
        issues: [
          { path: ["notes", 1], message: "no text" },
          { path: ["notes"], message: "too many" },
          { path: ["sku"], message: "short" },
        ],
      }),
    );
    expect(textOfIssues(issuesAt(issues, "notes"))).to.equal("too many; 1: no text");
    expect(textOfIssues(issuesAt(issues, "sku"))).to.equal("short");
    expect(textOfIssues(issuesAt(issues, "qty"))).to.equal(undefined);
  });

  it("are known before a call where a required param has no value", () => {
    const required = (name: string, schema: object) => ({ name, required: true, schema });
    const params = [
      required("sku", { type: "string" }),
      required("qty", { type: "integer" }),
      required("size", { type: "string", enum: ["", "large"] }),
      required("color", { type: "string", default: "red" }),
      { name: "note", schema: { type: "string" } },
    ];
    const method = methodsIn({ methods: [{ name: "m", params }] }, []).find(
      ({ name }) => name === "m",
    );
    if (method === undefined) throw new Error("there is no m");
    const missing = (value: unknown) => missingIn(method, value).map(({ path }) => path[0]);
    expect(missing({ sku: "", size: "", note: "" })).to.deep.equal(["sku", "qty"]);
    expect(missing({ sku: "A1", qty: 0, size: "" })).to.deep.equal([]);
    expect(missing(undefined)).to.deep.equal(["sku", "qty", "size"]);
    expect(missing([])).to.deep.equal([]); // params by position are the server's to judge
  });

  it("are not hidden by what every object inherits", () => {
    const params = ["constructor", "__proto__"].map((name) => ({
      ...{ name, required: true, schema: { type: "array" } },
    }));
    const method = methodsIn({ methods: [{ name: "m", params }] }, []).find(
      ({ name }) => name === "m",
    );
    if (method === undefined) throw new Error("there is no m");
    const missing = (text: string) =>
      missingIn(method, JSON.parse(text)).map(({ path }) => path[0]);
    expect(missing("{}")).to.deep.equal(["constructor", "__proto__"]);
    expect(missing('{"constructor":[1],"__proto__":[1]}')).to.deep.equal([]);
    expect(ownMember({}, "constructor")).to.equal(undefined); // what a field of the form shows
    expect(ownMember(JSON.parse('{"__proto__":[2]}'), "__proto__")).to.deep.equal([2]);
  });
});
