import { expect } from "chai";
import {
  firstOf,
  groupsOf,
  lockOf,
  methodsIn,
  sampleParams,
} from "../../../console/model/open-rpc.js";

const document = (...methods: readonly object[]) => ({ openrpc: "1.3.2", methods });
const named = (name: string, methods: ReturnType<typeof methodsIn>) => {
  const found = methods.find((method) => method.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
};

describe("The methods of a discovery document", () => {
  it("are read with their scopes and params, after those that every server has", () => {
    const params = [
      { name: "sku", required: true, schema: { type: "string" } },
      { name: "qty", schema: {} },
    ];
    const methods = methodsIn(
      document(
        { name: "a.b", "x-scopes": ["s"], params },
        { name: "c", "x-public": true, "x-subscription": {} },
      ),
      [],
    );
    expect(methods.map(({ name }) => name)).to.deep.equal([
      "ping",
      "whoami",
      "rpc.discover",
      "a.b",
      "c",
    ]);
    expect(named("a.b", methods)).to.deep.include({
      scopes: ["s"],
      isPublic: false,
      isSubscription: false,
    });
    expect(
      named("a.b", methods).parameters.map(({ name, isRequired }) => [name, isRequired]),
    ).to.deep.equal([
      ["sku", true],
      ["qty", false],
    ]);
    expect(named("c", methods)).to.include({ isPublic: true, isSubscription: true });
  });

  it("tell their results, or events, and the errors that they declare", () => {
    const schema = { type: "string" };
    const errors = [{ code: 1001, message: "OUT_OF_STOCK" }, { message: "ODD" }, null, { code: 1 }];
    const methods = methodsIn(
      document(
        { name: "call", result: { name: "result", schema }, errors },
        { name: "topic", result: { schema: {} }, "x-subscription": { event: schema } },
        { name: "open", result: { name: "result", schema: {} } },
      ),
      [],
    );
    expect(named("call", methods)).to.deep.include({
      result: schema,
      errors: [
        { code: 1001, message: "OUT_OF_STOCK" },
        { code: undefined, message: "ODD" },
      ],
    });
    expect(named("topic", methods)).to.deep.include({ result: schema, errors: [] });
    expect(named("open", methods).result).to.equal(undefined);
  });

  it("are grouped by their names, the application's first", () => {
    const methods = methodsIn(
      document({ name: "rpc.sessions.list" }, { name: "b.x" }, { name: "a" }, { name: "b.y" }),
      [],
    );
    expect(
      [...groupsOf(methods)].map(([group, members]) => [group, ...members.map(({ name }) => name)]),
    ).to.deep.equal([
      ["b", "b.x", "b.y"],
      ["methods", "a"],
      ["rpc.sessions", "rpc.sessions.list"],
      ["built in", "ping", "whoami", "rpc.discover"],
    ]);
    expect(firstOf(methods)?.name).to.equal("b.x");
    expect(firstOf(methodsIn(document({ name: "rpc.sessions.list" }), []))?.name).to.equal(
      "whoami",
    );
  });

  it("may be anything: what is no method is left out", () => {
    for (const junk of [
      null,
      1,
      "x",
      {},
      { methods: 1 },
      { methods: [null, 1, {}, { name: 1 }, []] },
    ]) {
      expect(methodsIn(junk, []).map(({ name }) => name)).to.deep.equal([
        "ping",
        "whoami",
        "rpc.discover",
      ]);
    }
    const odd = named(
      "m",
      methodsIn(
        document({
          name: "m",
          params: [null, {}, { name: "__proto__", schema: null }],
          "x-scopes": [1, "s"],
        }),
        [],
      ),
    );
    expect(odd).to.deep.include({
      scopes: ["s"],
      parameters: [{ name: "__proto__", isRequired: false, schema: {} }],
    });
  });

  it("are locked when the session is over, and when a newer document has them no more", () => {
    const before = methodsIn(document({ name: "a" }, { name: "b" }), []);
    const after = methodsIn(document({ name: "a" }), before);
    expect(lockOf(named("a", after), true)).to.equal("open");
    expect(lockOf(named("a", after), false)).to.equal("locked");
    expect(lockOf(named("b", after), true)).to.equal("locked");
    expect(lockOf(named("ping", after), false)).to.equal("public");
    expect(lockOf(named("b", methodsIn(document({ name: "b" }), after)), true)).to.equal("open");
  });

  it("begin with what is required, by default, example, choice or type", () => {
    const sample = (schema: object) =>
      sampleParams(
        named(
          "m",
          methodsIn(document({ name: "m", params: [{ name: "p", required: true, schema }] }), []),
        ),
      );
    expect(sample({ type: "string" })).to.deep.equal({ p: "" });
    expect(sample({ type: "integer", minimum: 3 })).to.deep.equal({ p: 3 });
    expect(sample({ enum: ["a", "b"] })).to.deep.equal({ p: "a" });
    expect(sample({ type: "number", default: 7 })).to.deep.equal({ p: 7 });
    expect(sample({ type: "string", examples: ["x"] })).to.deep.equal({ p: "x" });
    expect(
      sample({ type: "object", required: ["a"], properties: { a: { type: "array" }, b: {} } }),
    ).to.deep.equal({ p: { a: [] } });
    expect(sampleParams(named("m", methodsIn(document({ name: "m" }), [])))).to.equal(undefined);
    const whole = { name: "params", required: true, schema: { type: "array" } };
    expect(
      sampleParams(named("m", methodsIn(document({ name: "m", params: [whole] }), []))),
    ).to.deep.equal([]);
  });
});
