import { expect } from "chai";
import { z } from "zod";
import { createRpc } from "../../../src/index.js";
import { expectError } from "../../helpers/server/expected.js";
import { ask, exchange, request, resultOf } from "../../helpers/server/frames.js";
import { startTimed } from "../../helpers/server/timed-server.js";
import { createTestKeys, signToken } from "../../helpers/tokens/tokens.js";

const gold = "urn:test:gold";
const silver = "urn:test:silver";

/** Methods that need a strong login, a new one, or both; what has run is in `ran`. */
function bank() {
  const rpc = createRpc({ scopes: ["pay"] });
  const ran: string[] = [];
  const held: ((isAllowed: boolean) => void)[] = [];
  const runs = (name: string) => () => void ran.push(name);
  const app = rpc.router({
    strong: rpc.method({ stepUp: { acr: [gold, silver] }, handler: runs("strong") }),
    fresh: rpc.method({ stepUp: { maxAge: 300_000 }, handler: runs("fresh") }),
    pay: rpc.method({
      scope: "pay",
      stepUp: { acr: [gold], maxAge: 300_000 },
      params: z.object({ amount: z.number() }),
      handler: runs("pay"),
    }),
    slow: rpc.method({
      stepUp: { acr: [gold], maxAge: 300_000 },
      authorize: () => new Promise<boolean>((resolve) => held.push(resolve)),
      handler: runs("slow"),
    }),
  });
  return { app, ran, held };
}

const start = async () => {
  const { app, ...rest } = bank();
  const server = await startTimed(app);
  // long-lived tokens: what counts here is the login
  const claims = (more: object) => ({ scope: "pay", exp: server.seconds() + 7_200, ...more });
  return {
    ...server,
    ...rest,
    login: (more: object = {}) => server.login(claims(more)),
    token: (more: object = {}) => server.token(claims(more)),
  };
};

describe("A method that needs a stronger or newer login", () => {
  it("runs for a token with one of its classes, and asks any other caller to log in again", async () => {
    await using server = await start();
    for (const acr of [gold, silver, [silver, "0"]]) {
      const client = await server.login({ acr });
      expect(await resultOf(client, "strong"), String(acr)).to.equal(null);
    }
    expect(await resultOf(await server.login({ acrs: ["c1", gold] }), "strong")).to.equal(null);
    expect(server.ran).to.have.length(4);
    for (const acr of ["0", `${gold} `, gold.toUpperCase(), 1, [[gold]], { [gold]: true }, null]) {
      const frame = await ask(await server.login({ acr }), "strong");
      expectError(frame, "step_up_required", { acrValues: [gold, silver] });
      expect(frame.error?.data).to.not.have.property("maxAge");
    }
    expect(server.ran).to.have.length(4);
  });

  it("runs until the login is as old as allowed, and asks for another one after that", async () => {
    await using server = await start();
    const client = await server.login({ auth_time: server.seconds() - 200 });
    expect(await resultOf(client, "fresh")).to.equal(null);
    server.clock.advance(100_000); // 300 s, which is as old as allowed
    expect(await resultOf(client, "fresh")).to.equal(null);
    server.clock.advance(1);
    const frame = await ask(client, "fresh");
    expectError(frame, "step_up_required", { maxAge: 300 });
    expect(frame.error?.data).to.not.have.property("acrValues");
    expect(frame.error?.data?.hint).to.include("too old");
    expect(server.ran).to.have.length(2);
  });

  it("counts the time since the login also while the wall clock is set back", async () => {
    await using server = await start();
    const client = await server.login({ auth_time: server.seconds() });
    server.clock.advance(301_000);
    server.clock.stepWall(-301_000);
    expectError(await ask(client, "fresh"), "step_up_required");
  });

  it("takes no token that does not say when the user logged in, and tells what is missing", async () => {
    await using server = await start();
    for (const more of [{}, { auth_time: "1790000000" }, { auth_time: -1 }, { auth_time: null }]) {
      const { error } = await ask(await server.login(more), "fresh");
      expect(error?.data?.reason).to.equal("step_up_required");
      expect(error?.data?.hint).to.include("auth_time");
    }
    expect(server.ran).to.deep.equal([]);
  });

  it("comes after the scopes, and before the params and the draining of requests", async () => {
    await using server = await start();
    const bare = await server.login({ scope: "" });
    expectError(await ask(bare, "pay", { amount: "x" }), "forbidden", { missing: ["pay"] });
    const weak = await server.login({ auth_time: server.seconds() });
    expectError(await ask(weak, "pay", { amount: "x" }), "step_up_required", {
      acrValues: [gold],
      maxAge: 300,
    });
    const strong = await server.login({ acr: gold, auth_time: server.seconds() });
    expect((await ask(strong, "pay", { amount: "x" })).error?.code).to.equal(-32602);
    expect(await resultOf(strong, "pay", { amount: 1 })).to.equal(null);
    expect(server.ran).to.deep.equal(["pay"]);
  });

  it("runs on the same connection after a refresh with the token of a better login, also one that lives shorter", async () => {
    await using server = await start();
    const client = await server.login({ acr: "0" });
    expectError(await ask(client, "pay", { amount: 1 }), "step_up_required");
    const better = { acr: gold, auth_time: server.seconds(), exp: server.seconds() + 60 };
    const renewed = await resultOf(client, "refresh", { token: server.token(better) });
    expect(renewed).to.include({ changed: true, expiresIn: 60 });
    expect(await resultOf(client, "pay", { amount: 1 })).to.equal(null);
  });

  it("is refused again once a refresh has brought a token of a weaker login", async () => {
    await using server = await start();
    const client = await server.login({ acr: gold });
    expect(await resultOf(client, "strong")).to.equal(null);
    await resultOf(client, "refresh", { token: server.token({ acr: "0" }) });
    expectError(await ask(client, "strong"), "step_up_required");
  });

  it("does not run if the login has become too old, or too weak, while the rule was asked", async () => {
    for (const becomes of ["old", "weak", "neither"] as const) {
      await using server = await start();
      const good = { acr: gold, auth_time: server.seconds() - 299 };
      const client = await server.login(good);
      expect(await exchange(client, request(1, "slow"))).to.deep.equal([]);
      if (becomes === "old") server.clock.advance(2_000);
      if (becomes === "weak")
        await resultOf(client, "refresh", { token: server.token({ ...good, acr: "0" }) });
      server.held[0]?.(true);
      const frame = await client.next();
      if (becomes === "neither") expect(frame).to.include({ id: 1, result: null });
      else expectError(frame as never, "step_up_required");
      expect(server.ran).to.deep.equal(becomes === "neither" ? ["slow"] : []);
    }
  });

  it("finds what it needs in the claims that the options name", async () => {
    const rpc = createRpc();
    const app = rpc.router({
      pay: rpc.method({ stepUp: { acr: ["aal2"], maxAge: 60_000 }, handler: () => 1 }),
    });
    const keys = createTestKeys();
    const auth = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };
    const named = { acrClaim: ["aal", "login.level"], authTimeClaim: "login.at" };
    await using other = await startTimed(app, { auth: { ...auth, ...named } });
    const login = async (claims: object) => {
      const client = await other.connect();
      const { error } = await client.authenticate(
        signToken(keys, { iat: other.seconds(), exp: other.seconds() + 60, ...claims }),
      );
      expect(error).to.equal(undefined);
      return client;
    };
    const at = other.seconds();
    const good = await login({ login: { level: "aal2", at } });
    expect(await resultOf(good, "pay")).to.equal(1);
    expect(await resultOf(await login({ aal: "aal2", login: { at } }), "pay")).to.equal(1);
    const usual = await login({ acr: "aal2", auth_time: at });
    expectError(await ask(usual, "pay"), "step_up_required");
  });

  it("is listed by rpc.discover with what it needs", async () => {
    await using server = await start();
    const { methods } = await resultOf(await server.login(), "rpc.discover");
    const found = (methods as { name: string }[]).find(({ name }) => name === "pay");
    expect(found).to.deep.include({ "x-step-up": { acrValues: [gold], maxAge: 300 } });
    const plain = (methods as { name: string }[]).find(({ name }) => name === "fresh");
    expect(plain).to.deep.include({ "x-step-up": { maxAge: 300 } });
  });
});

describe("The option stepUp", () => {
  const rpc = createRpc();
  const made = (stepUp: unknown, more: object = {}) =>
    startTimed(rpc.router({ pay: rpc.method({ stepUp, handler: () => 1, ...more } as never) }));

  it("takes classes, an age, or both", async () => {
    for (const stepUp of [{ acr: ["1"] }, { maxAge: 1_000 }, { acr: ["1", "2"], maxAge: 5e8 }]) {
      await using server = await made(stepUp);
      expect(server.url).to.be.a("string");
    }
  });

  for (const [name, stepUp, says] of [
    ["nothing", {}, "needs acr, maxAge"],
    ["text", "gold", "must be an object"],
    ["no classes", { acr: [] }, "list of classes"],
    ["a class with a space", { acr: ["a b"] }, "list of classes"],
    ["one class without a list", { acr: "gold" }, "list of classes"],
    ["an age in seconds", { maxAge: 300 }, "milliseconds"],
    ["an age that is no number", { maxAge: Number.NaN }, "milliseconds"],
    ["a misspelt member", { maxage: 300_000 }, 'did you mean "maxAge"'],
  ] as const)
    it(`refuses ${name} at the start, in a sentence`, async () => {
      const error: unknown = await made(stepUp).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(TypeError).with.property("message").that.includes(says);
      expect((error as Error).message).to.match(/^pay: /);
    });

  it("is refused for a public method", async () => {
    const error: unknown = await made({ maxAge: 1_000 }, { public: true }).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(TypeError).with.property("message").that.includes("public");
  });
});
