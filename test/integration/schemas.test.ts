import { type } from "arktype";
import { expect } from "chai";
import * as v from "valibot";
import { z } from "zod";
import type { RpcError } from "../../client/node.js";
import { createRpc } from "../../src/index.js";
import { caller, testServer } from "../../src/testing/index.js";
import { rejectionOf } from "../helpers/rejection.js";

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

const user = { subject: "ada" };
/** What a call is refused with. */
const refusalOf = async (call: Promise<unknown>) =>
  (await rejectionOf(call)) as RpcError<string, unknown>;

describe("schemas", () => {
  for (const method of ["zod", "valibot", "arktype", "slow"] as const) {
    it(`of ${method === "slow" ? "zod, asynchronous," : method} let right params in and tell what is wrong with others`, async () => {
      await using ada = caller(app, user);
      expect(await ada.api[method]({ n: 3 })).to.equal(3);
      const refused = await refusalOf(ada.api[method]({ n: "three" } as never));
      expect(refused).to.include({ rpcCode: -32602, message: "Invalid params" });
      expect(refused).to.have.nested.property("data.issues[0].path").that.deep.equals(["n"]);
      expect(refused).to.have.nested.property("data.issues[0].message").that.is.a("string");
    });
  }

  it("take params by position, and left-out params where all are optional", async () => {
    await using ada = caller(app, user);
    expect(await ada.api.pair([1, 2])).to.equal(3);
    expect(await ada.api.optional()).to.equal(7);
    expect((await refusalOf(ada.api.pair(undefined as never))).rpcCode).to.equal(-32602);
  });

  it("that throw are the server's fault, and say nothing of themselves", async () => {
    await using ada = caller(app, user);
    const { rpcCode, message, data, cause } = await refusalOf(ada.api.broken({} as never));
    expect(rpcCode).to.equal(-32603);
    expect(JSON.stringify([message, data])).to.not.include("a broken schema");
    expect(cause, "the test is told").to.have.property("message").that.includes("a broken schema");
  });

  it("of results keep wrong ones from callers, and let only what they name out", async () => {
    await using ada = caller(app, user);
    expect((await refusalOf(ada.api.wrong())).rpcCode).to.equal(-32603);
    expect(await ada.api.stripped()).to.deep.equal({ n: 1 });
  });

  it("of claims are checked at authenticate and at refresh, and type what handlers see", async () => {
    const typed = createRpc({
      claims: z.object({ sub: z.string(), role: z.enum(["user", "admin"]) }),
    });
    const roles = typed.router({ role: typed.method({ handler: ({ auth }) => auth.claims.role }) });
    await using server = testServer(roles);
    const tokenOf = (role: string) => server.token({ claims: { role } });
    const client = server.client();
    const present = (method: string, role: string) =>
      client.call(method as never, { token: tokenOf(role) } as never) as Promise<unknown>;
    expect((await refusalOf(present("authenticate", "king"))).rpcCode).to.equal(-32004);
    expect(await present("authenticate", "user")).to.include({ subject: "test-user" });
    expect(await client.api.role()).to.equal("user");
    await server.clock.advance(1_000);
    expect((await refusalOf(present("refresh", "king"))).rpcCode).to.equal(-32004);
    expect(await client.api.role()).to.equal("user");
    expect(await present("refresh", "admin")).to.include({ changed: true });
    expect(await client.api.role()).to.equal("admin");
  });
});
