import { expect } from "chai";
import { createRpc } from "../../../src/index.js";
import { createRegistry } from "../../../src/rpc/define/registry.js";

const rpc = createRpc({ scopes: ["known"] });
const method = () => rpc.method({ handler: () => 1 });

describe("the registry", () => {
  it("gives a method the path of its routes as a name", () => {
    const registry = createRegistry(
      rpc.router({ a: { b: { c: method() } }, d: method(), "e.f": method() }),
    );
    expect([...registry.keys()]).to.deep.equal(["a.b.c", "d", "e.f"]);
  });

  for (const name of [
    "authenticate",
    "refresh",
    "logout",
    "whoami",
    "ping",
    "unsubscribe",
    "rpc.discover",
    "rpc.anything",
  ]) {
    it(`refuses the reserved name ${name}, and says so`, () => {
      expect(() => createRegistry(rpc.router({ [name]: method() }))).to.throw(
        TypeError,
        "reserved",
      );
    });
  }

  for (const name of ["", "a b", "__proto__x", "1st", "a..b", "ü", "a".repeat(129)]) {
    it(`refuses ${JSON.stringify(name.slice(0, 12))}, which is no method name`, () => {
      expect(() => createRegistry(rpc.router({ [name]: method() }))).to.throw(
        TypeError,
        "not a method name",
      );
    });
  }

  it("refuses two methods of one name", () => {
    expect(() => createRegistry(rpc.router({ "a.b": method(), a: { b: method() } }))).to.throw(
      TypeError,
      'two methods are named "a.b"',
    );
  });

  it("refuses what is no method", () => {
    expect(() => createRegistry(rpc.router({ a: (() => 1) as never }))).to.throw(TypeError, '"a"');
  });

  it("refuses a scope that was not declared", () => {
    const wrong = rpc.method({ scope: "unknown" as "known", handler: () => 1 });
    expect(() => createRegistry(rpc.router({ a: wrong }))).to.throw(
      TypeError,
      'a: scope "unknown" is not among the declared ones: known',
    );
  });

  it("a misspelt option is refused where it is written, and the one that was meant is named: ignored, it would leave a method open", () => {
    const handler = () => 1;
    const feed = () => (async function* () {})();
    const misspelt: readonly [() => unknown, string][] = [
      [
        () => rpc.method({ scopes: "known", handler } as object as { handler: () => number }),
        'rpc.method: there is no "scopes"; did you mean "scope"?',
      ],
      [
        () =>
          rpc.subscription({ autorize: () => false, handler: feed } as object as {
            handler: typeof feed;
          }),
        'rpc.subscription: there is no "autorize"; did you mean "authorize"?',
      ],
      [
        () => rpc.topic({ Scope: "known", key: () => "a" } as object as { key: () => string }),
        'rpc.topic: there is no "Scope"; did you mean "scope"?',
      ],
      [
        () => createRpc({ claim: {} } as object),
        'createRpc: there is no "claim"; did you mean "claims"?',
      ],
    ];
    for (const [make, says] of misspelt) expect(make).to.throw(TypeError, says);
  });

  it("refuses a public method with a scope", () => {
    const wrong = rpc.method({ public: true, scope: "known", handler: () => 1 });
    expect(() => createRegistry(rpc.router({ a: wrong }))).to.throw(TypeError, "public");
  });

  for (const code of [-32000, -32768, -32603, 1.5, Number.NaN]) {
    it(`refuses the error code ${code}, which is not the application's to give`, () => {
      const wrong = rpc.method({ errors: { BAD: { code } }, handler: () => 1 });
      expect(() => createRegistry(rpc.router({ a: wrong }))).to.throw(TypeError, "BAD");
    });
  }

  it("accepts error codes on both sides of the reserved range", () => {
    const fine = rpc.method({
      errors: { A: { code: -31999 }, B: { code: -32769 }, C: { code: 1 } },
      handler: () => 1,
    });
    expect(createRegistry(rpc.router({ a: fine })).size).to.equal(1);
  });
});
