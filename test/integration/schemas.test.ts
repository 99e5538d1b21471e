import { type } from "arktype";
import { expect } from "chai";
import * as v from "valibot";
import { z } from "zod";
import { createRpc } from "../../src/index.js";
import { startServer } from "../helpers/server/test-server.js";

const rpc = createRpc();

/** One method for each library, and each way in which a schema may fail. */
const app = rpc.router({
  zod: rpc.method({ params: z.object({ n: z.number() }), handler: ({ params }) => params.n }),
  valibot: rpc.method({ params: v.object({ n: v.number() }), handler: ({ params }) => params.n }),
  arktype: rpc.method({ params: type({ n: "number" }), handler: ({ params }) => params.n }),
  slow: rpc.method({
    params: z.object({ n: z.number().refine(async (n) => n > 0, "not positive") }),
    handler: ({ params }) => params.n,
  }),
  pair: rpc.method({
    params: z.tuple([z.number(), z.number()]),
    handler: ({ params: [a, b] }) => a + b,
  }),
  optional: rpc.method({
    params: z.object({ n: z.number().default(7) }),
    handler: ({ params }) => params.n,
  }),
  broken: rpc.method({
    params: z.unknown().refine(() => {
      throw new Error("a broken schema");
    }),
    handler: () => 1,
  }),
  wrong: rpc.method({
    result: z.object({ n: z.number() }),
    handler: () => ({ n: "no number" }) as never,
  }),
  stripped: rpc.method({
    result: z.object({ n: z.number() }),
    handler: () => ({ n: 1, secret: "not for callers" }),
  }),
});

describe("schemas", () => {
  for (const method of ["zod", "valibot", "arktype", "slow"]) {
    it(`of ${method === "slow" ? "zod, asynchronous," : method} let right params in and tell what is wrong with others`, async () => {
      await using server = await startServer(app);
      const client = await server.login();
      expect(await client.call(method, { n: 3 })).to.have.property("result", 3);
      const refused = await client.call(method, { n: "three" });
      expect(refused.error).to.include({ code: -32602, message: "Invalid params" });
      expect(refused).to.have.nested.property("error.data.issues[0].path").that.deep.equals(["n"]);
      expect(refused).to.have.nested.property("error.data.issues[0].message").that.is.a("string");
    });
  }

  it("take params by position, and left-out params where all are optional", async () => {
    await using server = await startServer(app);
    const client = await server.login();
    expect(await client.call("pair", [1, 2])).to.have.property("result", 3);
    expect(await client.call("optional")).to.have.property("result", 7);
    expect((await client.call("pair")).error?.code).to.equal(-32602);
  });

  it("that throw are the server's fault, and say nothing of themselves", async () => {
    await using server = await startServer(app);
    const client = await server.login();
    const answer = await client.call("broken", {});
    expect(answer.error?.code).to.equal(-32603);
    expect(JSON.stringify(answer)).to.not.include("a broken schema");
  });

  it("of results keep wrong ones from callers, and let only what they name out", async () => {
    await using server = await startServer(app);
    const client = await server.login();
    expect((await client.call("wrong")).error?.code).to.equal(-32603);
    expect(await client.call("stripped"))
      .to.have.property("result")
      .that.deep.equals({ n: 1 });
  });

  it("of claims are checked at authenticate and at refresh, and type what handlers see", async () => {
    const typed = createRpc({
      claims: z.object({ sub: z.string(), role: z.enum(["user", "admin"]) }),
    });
    const roles = typed.router({ role: typed.method({ handler: ({ auth }) => auth.claims.role }) });
    await using server = await startServer(roles);
    const client = await server.connect();
    expect((await client.authenticate(server.token({ role: "king" }))).error?.code).to.equal(
      -32004,
    );
    expect(await client.authenticate(server.token({ role: "user" }))).to.have.property("result");
    expect(await client.call("role")).to.have.property("result", "user");
    const now = Math.floor(Date.now() / 1000);
    expect(
      (await client.call("refresh", { token: server.token({ role: "king", iat: now + 1 }) })).error
        ?.code,
    ).to.equal(-32004);
    expect(await client.call("role")).to.have.property("result", "user");
    expect(
      await client.call("refresh", { token: server.token({ role: "admin", iat: now + 1 }) }),
    ).to.have.nested.property("result.changed", true);
    expect(await client.call("role")).to.have.property("result", "admin");
  });
});
