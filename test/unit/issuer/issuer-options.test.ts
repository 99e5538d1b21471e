import { inspect } from "node:util";
import { expect } from "chai";
import { createIssuer, type IssuerOptions, memoryStore } from "../../../src/issuer/index.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { openIssuer, password } from "../../helpers/tokens/test-issuer.js";

const good: IssuerOptions = {
  issuer: "https://id.example.com",
  audience: "orders",
  store: memoryStore(),
};

describe("the issuer's options", () => {
  const wrong: readonly (readonly [string, Partial<IssuerOptions>])[] = [
    ["issuer", { issuer: "id.example.com" }],
    ["issuer", { issuer: "ftp://id.example.com" }],
    ["issuer", { issuer: "https://id.example.com?a=1" }],
    ["audience", { audience: "" }],
    ["accessTokenTtl", { accessTokenTtl: 900_001 }],
    ["accessTokenTtl", { accessTokenTtl: 0 }],
    ["accessTokenTtl", { accessTokenTtl: Number.NaN }],
    ["reuseWindow", { reuseWindow: -1 }],
    ["keyPublishAhead", { keyPublishAhead: 599_999 }],
    ["passwordHashing", { passwordHashing: { memoryKiB: 1_024 } }],
    ["pepper", { pepper: "short" }],
    ['"accesTokenTtl"; did you mean "accessTokenTtl"?', { accesTokenTtl: 60_000 } as object],
  ];
  for (const [name, options] of wrong) {
    it(`refuse ${inspect(options)}, by name`, async () => {
      expect((await rejectionOf(createIssuer({ ...good, ...options }))).message).to.include(name);
    });
  }

  it("are asked for where there are none", async () => {
    expect((await rejectionOf(createIssuer(undefined as never))).message).to.include(
      "{ issuer, audience, store }",
    );
  });

  it("take the edges", async () => {
    const issuer = await createIssuer({
      ...good,
      accessTokenTtl: 900_000,
      reuseWindow: 0,
      keyPublishAhead: 600_000,
      pepper: "p".repeat(32),
    });
    expect(issuer.verification).to.include({
      issuer: "https://id.example.com",
      audience: "orders",
      typ: "at+jwt",
      maxLifetime: 900_000,
    });
  });

  it("write nothing to the store before somebody asks for a key", async () => {
    const store = memoryStore();
    await createIssuer({ ...good, store });
    expect(await store.secrets.get("signing-keys")).to.equal(undefined);
  });
});

describe("what an issuer shows of itself", () => {
  it("holds no secret, neither inspected nor as JSON", async () => {
    const pepper = "pepper-".repeat(6);
    const { issuer } = await openIssuer({ pepper });
    const { refreshToken } = await issuer.login("ada", password);
    const ring: { jwk: { d: string } }[] = JSON.parse(
      (await issuer.store.secrets.get("signing-keys")) ?? "[]",
    );
    const secrets = [
      ring[0]?.jwk.d ?? "",
      (await issuer.store.secrets.get("refresh-key")) ?? "",
      refreshToken,
      pepper,
      password,
    ];
    const shown = [
      inspect(issuer, { depth: 20, showHidden: true }),
      JSON.stringify(issuer),
      JSON.stringify(issuer.store),
      String(issuer),
    ];
    for (const secret of secrets) {
      expect(secret).to.have.length.above(8);
      for (const text of shown) expect(text).to.not.include(secret);
    }
  });
});
