import { expect } from "chai";
import type { ProviderOptions } from "../../../src/auth/provider-options.js";
import { createTestKeys, signToken } from "../../helpers/tokens/tokens.js";
import { startOfTime as iat, refusalOf, verifierOf } from "../../helpers/tokens/verification.js";

type Members = Readonly<Record<string, unknown>>;

const keys = createTestKeys("ES256", "k1");

const verify = (options: Partial<ProviderOptions>, claims: Members) =>
  verifierOf(keys, options).verify(signToken(keys, { iat, scope: undefined, ...claims }));

const scopesOf = async (scopesClaim: string | readonly string[], claims: Members) =>
  (await verify({ scopesClaim }, claims)).scopes;

describe("The option scopesClaim", () => {
  it("names the claim that holds the scopes, as a list or with spaces between them", async () => {
    expect(await scopesOf("roles", { roles: ["read", "write"] })).to.deep.equal(["read", "write"]);
    expect(await scopesOf("roles", { roles: "read write" })).to.deep.equal(["read", "write"]);
    expect(await scopesOf("cognito:groups", { "cognito:groups": ["read"] })).to.deep.equal([
      "read",
    ]);
    expect(await scopesOf("roles", { scope: "admin" }), "nothing else counts").to.deep.equal([]);
  });

  it("may be a path to a nested claim, and no path leads through a list or a prototype", async () => {
    const realm_access = { roles: ["read"] };
    expect(await scopesOf("realm_access.roles", { realm_access })).to.deep.equal(["read"]);
    for (const [path, claims] of [
      ["realm_access.roles", { realm_access: { roles: { read: true } } }],
      ["realm_access.roles", { realm_access: "roles" }],
      ["realm_access.roles", {}],
      ["realm_access.0", { realm_access: ["read"] }],
      ["realm_access.length", { realm_access: ["read"] }],
      ["constructor.name", {}],
      ["__proto__.roles", { __proto__: { roles: ["read"] } }],
      ["realm_access.", { realm_access }],
      [".realm_access", { realm_access }],
    ] as const)
      expect(await scopesOf(path, claims), path).to.deep.equal([]);
  });

  it("takes the whole name before a path, and names with dots within one", async () => {
    const name = "https://shop.example.com/roles";
    expect(await scopesOf(name, { [name]: ["read"] })).to.deep.equal(["read"]);
    expect(await scopesOf("a.b", { "a.b": ["whole"], a: { b: ["nested"] } })).to.deep.equal([
      "whole",
    ]);
    const resource_access = { "com.example.api": { roles: ["read"] }, com: { roles: ["other"] } };
    expect(
      await scopesOf("resource_access.com.example.api.roles", { resource_access }),
    ).to.deep.equal(["read"]);
  });

  it("may be several, whose scopes are joined", async () => {
    const claims = { scope: "openid read", realm_access: { roles: ["read", "write"] } };
    expect(await scopesOf(["scope", "realm_access.roles"], claims)).to.deep.equal([
      ...["openid", "read", "write"],
    ]);
  });

  it("is refused beside scopes, and where it names nothing", async () => {
    const complaint = (options: object) => {
      expect(() => verifierOf(keys, options)).to.throw(TypeError);
      try {
        verifierOf(keys, options);
      } catch (error) {
        return (error as Error).message;
      }
      return undefined;
    };
    expect(complaint({ scopesClaim: "roles", scopes: () => [] })).to.equal(
      "auth: give one of scopes and scopesClaim, not both",
    );
    for (const scopesClaim of ["", [], [""], 5, null, ["roles", 5]])
      expect(complaint({ scopesClaim }), JSON.stringify(scopesClaim)).to.match(
        /^auth\.scopesClaim must be the name of a claim/,
      );
    expect(complaint({ scopes: "roles" })).to.match(/name claims by scopesClaim/);
  });
});

describe("The options acrClaim and authTimeClaim", () => {
  it("are refused where they name nothing", () => {
    for (const name of ["acrClaim", "authTimeClaim"])
      for (const value of ["", 5, null, [5], [""]])
        expect(() => verifierOf(keys, { [name]: value }), `${name} ${value}`).to.throw(
          TypeError,
          new RegExp(`^auth\\.${name} must be the name of a claim`),
        );
    expect(() =>
      verifierOf(keys, { acrClaim: ["aal", "a.b"], authTimeClaim: "a.c" }),
    ).to.not.throw();
  });
});

describe("The option allowNonce", () => {
  it("accepts a nonce in a token without scopes, and no other mark of an ID token", async () => {
    const options = { allowNonce: true, requiredClaims: ["uid"] };
    expect(await verify(options, { nonce: "n", uid: "u" })).to.include({ subject: "user-1" });
    expect((await refusalOf(verify(options, { nonce: "n" }))).detail).to.equal(
      "uid is missing or empty",
    );
    expect((await refusalOf(verify(options, { nonce: "n", uid: "u", at_hash: "h" }))).detail)
      .to //
      .equal("not an access token: it has at_hash");
    expect((await refusalOf(verify({}, { nonce: "n", uid: "u" }))).detail).to.match(/has nonce/);
    expect(() => verifierOf(keys, { allowNonce: "yes" as never })).to.throw(
      TypeError,
      "auth.allowNonce must be true or false",
    );
  });
});
