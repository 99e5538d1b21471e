import { expect } from "chai";
import { describe, it } from "mocha";
import { createRpc } from "../../../src/index.js";
import type { StandardSchema } from "../../../src/protocol/standard-schema.js";
import type { Auth } from "../../../src/rpc/define/access.js";
import { OpenRpc } from "../../../src/rpc/define/openrpc.js";
import { createRegistry } from "../../../src/rpc/define/registry.js";

const scopes = Array.from({ length: 8 }, (_, n) => `scope-${n}`);
const authOf = (...granted: readonly string[]) => ({ scopes: granted }) as unknown as Auth;

/**
 * Documents of an application with one method for each scope, and how often they were serialized.
 */
function documents() {
  let serialized = 0;
  const json = {
    toJSON() {
      serialized++;
      return {};
    },
  };
  const jsonSchema = { input: () => json, output: () => json };
  const result = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value: unknown) => ({ value }),
      jsonSchema,
    },
  } as StandardSchema;
  const rpc = createRpc({ scopes });
  const methods = Object.fromEntries(
    scopes.map((scope, n) => [`m${n}`, rpc.method({ scope, handler: () => null })]),
  );
  const open = rpc.method({ public: true, result, handler: () => null });
  return {
    openRpc: new OpenRpc(createRegistry(rpc.router({ open, ...methods }))),
    serialized: () => serialized,
  };
}

const namesIn = (document: string) =>
  JSON.parse(document).methods.map(({ name }: { name: string }) => name);

describe("The OpenRPC document", () => {
  it("is serialized once for each set of visible methods, whoever asks", () => {
    const { openRpc, serialized } = documents();
    for (let round = 0; round < 100; round++) {
      expect(namesIn(openRpc.for(null))).to.deep.equal(["open"]);
      expect(namesIn(openRpc.for(authOf("scope-1", `other-${round}`)))).to.deep.equal([
        "open",
        "m1",
      ]);
      expect(namesIn(openRpc.for(authOf("scope-2", "scope-1")))).to.deep.equal([
        "open",
        "m1",
        "m2",
      ]);
    }
    expect(serialized()).to.equal(3);
  });

  it("is kept for 32 sets at most, those that were asked for last", () => {
    const { openRpc, serialized } = documents();
    const sets = Array.from({ length: 40 }, (_, n) =>
      authOf(...scopes.filter((_scope, bit) => (n >> bit) % 2 === 1)),
    );
    const [first, second] = sets as [Auth, Auth];
    for (const auth of sets) {
      openRpc.for(auth);
      openRpc.for(first);
    }
    expect(serialized()).to.equal(40);
    openRpc.for(first);
    expect(serialized(), "used all the time").to.equal(40);
    openRpc.for(second);
    expect(serialized(), "forgotten").to.equal(41);
  });
});
