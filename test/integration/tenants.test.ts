import { expect } from "chai";
import { createRpc, type ProviderOptions } from "../../src/index.js";
import { expectClose, expectError } from "../helpers/server/expected.js";
import { ask, resultOf, told } from "../helpers/server/frames.js";
import type { TestServerOptions } from "../helpers/server/test-server.js";
import { startTimed } from "../helpers/server/timed-server.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";

const schema = {
  "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) },
} as const;
const rpc = createRpc({ notifications: { hello: schema } });
const app = rpc.router({ fine: rpc.method({ handler: ({ auth }) => auth.issuer }) });
const keys = createTestKeys();
const tenant = (name: string) => `https://login.test/${name}/v2.0`;

/** A server of the tenants that the list has at that time. */
async function start(
  tenants: Map<string, Partial<ProviderOptions>>,
  options: TestServerOptions = {},
) {
  const asked: string[] = [];
  const server = await startTimed(app, {
    auth: async (issuer) => {
      asked.push(issuer);
      const own = tenants.get(issuer);
      const common = { issuer, audience: "test", publicKey: keys.publicJwk };
      return own === undefined ? null : { ...common, ...own };
    },
    ...options,
  });
  const tokenOf = (iss: string, claims = {}) =>
    signToken(keys, { iat: server.seconds(), iss, ...claims });
  return { ...server, asked, tokenOf };
}

describe("Tenants that are not known at the start", () => {
  it("come in by a function, beside a list, and a tenant that is added later too", async () => {
    const tenants = new Map([[tenant("a"), {}]]);
    await using server = await start(tenants);
    const client = await server.connect();
    expectError(
      await ask(client, "authenticate", { token: server.tokenOf(tenant("b")) }),
      "token_invalid",
    );
    await resultOf(client, "authenticate", { token: server.tokenOf(tenant("a")) });
    expect((await ask(client, "fine")).result).to.equal(tenant("a"));
    tenants.set(tenant("b"), {});
    server.clock.advance(30_001);
    const other = await server.connect();
    await resultOf(other, "authenticate", { token: server.tokenOf(tenant("b")) });
    expect((await ask(other, "fine")).result).to.equal(tenant("b"));
  });

  it("keep their live sessions when they are forgotten or taken away, and can be refreshed only while accepted", async () => {
    const renew = async () => ({ token: server.tokenOf(tenant("a")), refreshToken: "r2" });
    const tenants = new Map<string, Partial<ProviderOptions>>([[tenant("a"), { renew }]]);
    await using server = await start(tenants);
    const client = await server.connect();
    await resultOf(client, "authenticate", { token: server.tokenOf(tenant("a")) });
    server.clock.advance(601_000);
    expect(await resultOf(client, "refresh", { refreshToken: "r1" })).to.include({
      ...{ changed: true, refreshToken: "r2" },
    });
    tenants.clear();
    server.clock.advance(601_000);
    expect((await ask(client, "fine")).result).to.equal(tenant("a"));
    expectError(
      await ask(client, "refresh", { token: server.tokenOf(tenant("a")) }),
      "token_invalid",
    );
    expect((await ask(client, "fine")).result, "the session goes on").to.equal(tenant("a"));
    server.clock.advance(299_000);
    expectError(await ask(client, "fine"), "token_expired");
  });

  it("have users of their own: a revocation and a notification reach the tenant that is meant", async () => {
    await using server = await start(new Map([tenant("a"), tenant("b")].map((name) => [name, {}])));
    const [a, b] = await Promise.all(
      ["a", "b"].map(async (name) => {
        const client = await server.connect();
        await resultOf(client, "authenticate", { token: server.tokenOf(tenant(name)) });
        return client;
      }),
    );
    if (a === undefined || b === undefined) return expect.fail();
    expectError(
      await ask(a, "refresh", { token: server.tokenOf(tenant("b")) }),
      "subject_mismatch",
      { claim: "iss" },
    );
    await server.server.notify({ subject: "user-1" }, "hello", { n: 1 });
    for (const client of [a, b]) expect(await told(client, "hello")).to.deep.equal({ n: 1 });
    await server.server.notify({ subject: "user-1", issuer: tenant("b") }, "hello", { n: 2 });
    expect(await told(b, "hello")).to.deep.equal({ n: 2 });
    await server.server.revoke({ subject: "user-1", issuer: tenant("a") });
    await expectClose(a, "token_revoked");
    expect((await ask(b, "fine")).result).to.equal(tenant("b"));
  });

  it("whose keys can't be had make nobody else wait, and the node stays ready", async () => {
    const broken = { publicKey: undefined as never, jwks: "https://127.0.0.1:1/keys" };
    const tenants = new Map<string, Partial<ProviderOptions>>([
      [tenant("a"), {}],
      [tenant("broken"), { ...broken, allowPrivateHosts: true }],
    ]);
    await using server = await start(tenants, { metrics: {} });
    const client = await server.connect();
    expectError(
      await ask(client, "authenticate", { token: server.tokenOf(tenant("broken")) }),
      "auth_unavailable",
    );
    const base = server.url.replace("ws:", "http:").replace("/rpc", "");
    expect((await fetch(`${base}/readyz`)).status).to.equal(200);
    await resultOf(client, "authenticate", { token: server.tokenOf(tenant("a")) });
    expect(server.log.map(({ fields }) => [fields.event, fields.issuer])).to.deep.include([
      ...["keys.fail", tenant("broken")],
    ]);
    const metrics = server.server.metricsText();
    expect(metrics, "no label grows with tenants").to.not.include("login.test");
    expect(metrics).to.match(/^jotwire_key_failures_total 1$/m);
  });

  it("can't be told by a template: the server does not start, and says what to give instead", async () => {
    for (const issuer of [
      "https://login.microsoftonline.com/{tenantid}/v2.0",
      "https://login.microsoftonline.com/common/v2.0",
      "https://login.microsoftonline.com/organizations/v2.0",
    ]) {
      const outcome = await startTimed(app, { auth: { issuer, audience: "test" } }).then(
        () => "started",
        String,
      );
      expect(outcome).to.match(/^TypeError: auth\.issuer .* auth: async \(iss\) => …/);
    }
    const one = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
    const server = await startTimed(app, { auth: { issuer: one, audience: "test" } });
    await server.close();
  });

  it("are known by one function", async () => {
    const outcome = await startTimed(app, { auth: [() => null, () => null] }).then(
      () => "started",
      String,
    );
    expect(outcome).to.match(/^TypeError: auth: give one function/);
  });

  it("cost a wrong name its address, like any other refused token", async () => {
    await using server = await start(new Map());
    const client = await server.connect();
    for (let n = 0; n < 4; n++)
      expectError(
        await ask(client, "authenticate", { token: server.tokenOf(tenant(`made-up-${n}`)) }),
        "token_invalid",
      );
    client.send({
      ...{ jsonrpc: "2.0", id: 1, method: "authenticate" },
      params: { token: server.tokenOf(tenant("made-up")) },
    });
    await expectClose(client, "too_many_attempts");
    expect(server.asked).to.have.lengthOf(5);
  });
});
