import { expect } from "chai";
import { type IntrospectionOptions, introspection } from "../../src/index.js";
import { sampleApp, startServer } from "../helpers/server/test-server.js";
import {
  IdentityProvider,
  opaqueResource,
  client as registered,
} from "../helpers/tokens/identity-provider.js";

const audience = "https://orders.test";

describe("With oidc-provider as the identity provider", () => {
  for (const algorithm of ["RS256", "ES256"] as const) {
    it(`an access token signed with ${algorithm} is verified by discovery, and its scope counts`, async () => {
      await using provider = await IdentityProvider.start(algorithm);
      await using server = await startServer(sampleApp(), {
        auth: { issuer: provider.issuer, audience },
      });
      const client = await server.connect();

      const { result, error } = await client.authenticate(await provider.token(audience));
      expect(error).to.equal(undefined);
      expect(result)
        .to.include({ subject: "orders-worker" })
        .and.to.deep.include({ scopes: ["numbers:add"] });
      expect((await client.call("numbers.add", { a: 1, b: 2 })).result).to.equal(3);
      expect((await client.call("admin.reset")).error?.code).to.equal(-32003);

      const renewed = await client.call("refresh", { token: await provider.token(audience) });
      expect(renewed.error).to.equal(undefined);
    });
  }

  it("an access token for another audience is refused", async () => {
    await using provider = await IdentityProvider.start("ES256");
    await using server = await startServer(sampleApp(), {
      auth: { issuer: provider.issuer, audience },
    });
    const client = await server.connect();

    const { error } = await client.authenticate(await provider.token("https://invoices.test"));
    expect(error?.code).to.equal(-32004);
    expect(error?.data).to.include({ reason: "token_invalid", executed: false });
    expect((await client.authenticate(await provider.token(audience))).error).to.equal(undefined);
  });

  it("a token of another provider that says it is this one is refused", async () => {
    await using provider = await IdentityProvider.start("ES256");
    await using server = await startServer(sampleApp(), {
      auth: { issuer: provider.issuer, audience },
    });
    const client = await server.connect();

    const forged = server.token({ iss: provider.issuer, aud: audience, sub: "orders-worker" });
    expect((await client.authenticate(forged)).error?.code).to.equal(-32004);
  });

  it("a token is not judged, rather than refused, as long as no keys could be fetched", async () => {
    const provider = await IdentityProvider.start("ES256");
    const token = await provider.token(audience);
    await provider[Symbol.asyncDispose]();
    await using server = await startServer(sampleApp(), {
      auth: { issuer: provider.issuer, audience },
    });
    const client = await server.connect();

    for (let attempt = 0; attempt < 6; attempt++) {
      const { error } = await client.authenticate(token);
      expect(error?.code).to.equal(-32007);
      expect(error?.data).to.include({
        reason: "auth_unavailable",
        temporary: true,
        executed: false,
        action: "retry",
      });
    }
    expect((await client.call("whoami")).result).to.include({ state: "open" });
  });
});

describe("With opaque tokens of oidc-provider", () => {
  const introspectionAt = (
    { issuer }: IdentityProvider,
    more: Partial<IntrospectionOptions> = {},
  ) =>
    introspection({
      ...{ url: `${issuer}/token/introspection`, issuer, audience: opaqueResource },
      ...{ clientId: registered.id, clientSecret: registered.secret, cacheFor: 0 },
      subject: ({ client_id }) => String(client_id), // a client's token has no sub
      ...more,
    });

  it("a session begins and is refreshed by introspection, and not by a token that was revoked", async () => {
    await using provider = await IdentityProvider.start("ES256");
    await using server = await startServer(sampleApp(), { auth: introspectionAt(provider) });
    const client = await server.connect();
    const token = await provider.token(opaqueResource);
    expect(token).to.not.include(".");

    const { result, error } = await client.authenticate(token);
    expect(error).to.equal(undefined);
    expect(result).to.deep.include({ subject: "orders-worker", scopes: ["numbers:add"] });
    expect((await client.call("numbers.add", { a: 1, b: 2 })).result).to.equal(3);
    expect((await client.call("admin.reset")).error?.code).to.equal(-32003);
    const next = await provider.token(opaqueResource);
    expect((await client.call("refresh", { token: next })).error).to.equal(undefined);

    await provider.revoke(token);
    const { error: refused } = await client.call("refresh", { token });
    expect(refused?.code).to.equal(-32004);
    expect((await client.call("numbers.add", { a: 1, b: 2 })).result).to.equal(3);
    expect(JSON.stringify(server.log)).to.not.include(token).and.not.include(next);
  });

  it("a token for another audience, and one that was made up, are refused", async () => {
    await using provider = await IdentityProvider.start("ES256");
    await using server = await startServer(sampleApp(), {
      auth: introspectionAt(provider, { audience: "https://invoices.test" }),
    });
    const client = await server.connect();
    for (const token of [await provider.token(opaqueResource), "made-up"]) {
      const { error } = await client.authenticate(token);
      expect(error?.code).to.equal(-32004);
    }
  });

  it("no token is judged when the provider refuses the server's own secret", async () => {
    await using provider = await IdentityProvider.start("ES256");
    await using server = await startServer(sampleApp(), {
      auth: introspectionAt(provider, { clientSecret: "wrong" }),
    });
    const client = await server.connect();
    const { error } = await client.authenticate(await provider.token(opaqueResource));
    expect(error?.code).to.equal(-32007);
    const line = server.log.find(({ fields }) => fields.event === "verify.fail");
    expect(line?.fields.detail).to.match(/HTTP 401: are clientId and clientSecret right/);
  });

  it("opaque tokens and JWTs of one provider are accepted side by side", async () => {
    await using provider = await IdentityProvider.start("ES256");
    const opaque = introspectionAt(provider);
    await using server = await startServer(sampleApp(), {
      auth: [
        { issuer: provider.issuer, audience },
        { ...opaque, issuer: "opaque" },
      ],
    });
    for (const resource of [opaqueResource, audience]) {
      const client = await server.connect();
      const { error } = await client.authenticate(await provider.token(resource));
      expect(error, resource).to.equal(undefined);
    }
  });
});
