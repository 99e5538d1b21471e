import { expect } from "chai";
import { createRpc } from "../../../src/index.js";
import { scopesOf } from "../../../src/server/scope-advice.js";

const handler = () => null;

describe("The scopes of an application", () => {
  it("are the declared ones, also those that nothing asks for", () => {
    const rpc = createRpc({ scopes: ["read", "write"] });
    expect(scopesOf(rpc.router({ a: rpc.method({ scope: "read", handler }) }))).to.deep.equal([
      "read",
      "write",
    ]);
  });

  it("are else those that its methods, subscriptions and topics ask for, each once", () => {
    const rpc = createRpc();
    const app = rpc.router({
      open: rpc.method({ public: true, handler }),
      any: rpc.method({ handler }),
      deep: {
        one: rpc.method({ scope: "one", handler }),
        either: rpc.method({ scope: { anyOf: ["two", "one"] }, handler }),
      },
      all: rpc.method({ scope: ["three", "one"], handler }),
      feed: rpc.subscription({ scope: "four", async *handler() {} }),
      topic: rpc.topic({ scope: "five", key: () => "topic" }),
    });
    expect(scopesOf(app)).to.deep.equal(["one", "two", "three", "four", "five"]);
  });
});
