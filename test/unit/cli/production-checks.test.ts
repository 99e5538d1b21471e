import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { certificateAdvice } from "../../../src/cli/checks/certificate-checks.js";
import type { Found } from "../../../src/cli/checks/finding.js";
import { algorithmAdvice } from "../../../src/cli/checks/key-checks.js";
import { audienceAdvice, originAdvice } from "../../../src/cli/checks/production-checks.js";
import { makeCertificate } from "../../helpers/network/reverse-proxy.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { requires, runs } from "../../helpers/requirement.js";
import { withFolder } from "../../helpers/temporary-folder.js";
import { createTestKeys } from "../../helpers/tokens/tokens.js";

const day = 86_400_000;
const levels = (found: Found) => found.map(({ level }) => level);
const issuer = { issuer: "https://id.test", audience: "test" };

describe("jotwire check, of a certificate,", () => {
  const withTls = (use: (tls: { cert: Buffer; key: Buffer }, folder: string) => Promise<void>) =>
    withFolder(async (folder) => {
      await makeCertificate(folder, 30);
      await use(
        {
          cert: await readFile(join(folder, "certificate.pem")),
          key: await readFile(join(folder, "key.pem")),
        },
        folder,
      );
    });

  before(function () {
    requires(this, "openssl", () => runs("openssl", "version"));
  });

  it("has nothing against one that is good for weeks, for the name by which clients come", () =>
    withTls(async (tls) => {
      for (const host of ["localhost", undefined])
        expect(await certificateAdvice(tls, host)).to.deep.equal([]);
    }));

  it("warns of one that ends soon, and refuses one that has ended, or has not begun", () =>
    withTls(async (tls) => {
      const at = (days: number) => certificateAdvice(tls, "localhost", Date.now() + days * day);
      expect(levels(await at(15))).to.deep.equal([]);
      expect(levels(await at(17))).to.deep.equal(["warning"]);
      expect(
        (await at(31)).map(({ level, advice }) => [
          level,
          advice.includes("the certificate expired on"),
        ]),
      ).to.deep.equal([["unsafe", true]]);
      expect(
        (await at(-1)).map(({ level, advice }) => [level, advice.includes("not valid before")]),
      ).to.deep.equal([["unsafe", true]]);
    }));

  it("refuses another name, another key, and what is none", () =>
    withTls(async (tls, folder) => {
      expect((await certificateAdvice(tls, "api.example.com"))[0]).to.deep.include({
        level: "unsafe",
      });
      await makeCertificate(folder);
      const other = { ...tls, key: await readFile(join(folder, "key.pem")) };
      expect((await certificateAdvice(other, "localhost"))[0]?.advice).to.include(
        "give a key and its certificate",
      );
      const junk = Buffer.from("junk");
      expect(
        await rejectionOf(certificateAdvice({ ...tls, cert: junk }, undefined)),
      ).to.have.property("kind", "configuration");
      expect(
        await rejectionOf(certificateAdvice({ ...tls, key: junk }, undefined)),
      ).to.have.property("kind", "configuration");
    }));
});

describe("jotwire check, of an issuer's keys,", () => {
  const advice = (...keys: readonly object[]) =>
    algorithmAdvice({ ...issuer, jwks: { keys: keys as never } });
  const { alg: _alg, ...unnamed } = createTestKeys("RS256").publicJwk;

  it("has nothing against keys that are good for one algorithm each, whatever else is in the set", async () => {
    const encryption = { ...createTestKeys("RS256").publicJwk, use: "enc", alg: "RSA-OAEP-256" };
    expect(
      await advice(createTestKeys().publicJwk, createTestKeys("RS256").publicJwk, encryption),
    ).to.deep.equal([]);
    const { alg: _edwards, ...edwards } = createTestKeys("Ed25519").publicJwk;
    expect(await advice(edwards), "one algorithm by two names").to.deep.equal([]);
  });

  it("warns of a key that verifies by several algorithms, until one is named", async () => {
    const [found] = await advice(unnamed);
    expect(found).to.deep.include({ level: "warning" });
    expect(found?.advice).to.include("RS256").and.include("PS512").and.include("--algorithm");
    expect(
      await algorithmAdvice({
        ...issuer,
        jwks: { keys: [unnamed] as never },
        algorithms: ["RS256"],
      }),
    ).to.deep.equal([]);
  });

  it("tells which key can't be used and why, and that none is left", async () => {
    const weak = {
      kty: "RSA",
      kid: "old",
      n: Buffer.alloc(128, 0xff).toString("base64url"),
      e: "AQAB",
    };
    const some = await advice(createTestKeys().publicJwk, weak);
    expect(levels(some)).to.deep.equal(["warning"]);
    expect(some[0]?.advice).to.include('"old"');
    expect(levels(await advice(weak))).to.deep.equal(["unsafe", "warning"]);
  });

  it("finds a private key in a set unsafe, and fails when the set cannot be fetched", async () => {
    const leaked = { ...createTestKeys().publicJwk, d: "AA" };
    const [found, ...others] = await advice(createTestKeys().publicJwk, leaked);
    expect(found).to.deep.include({ level: "unsafe" });
    expect(found?.advice).to.include("it is a private or symmetric key: withdraw it");
    expect(others).to.deep.equal([]);
    expect(
      await rejectionOf(algorithmAdvice({ ...issuer, jwks: "http://127.0.0.1:1/keys" })),
    ).to.be.an("error");
  });
});

describe("jotwire check, of origins and audience,", () => {
  it("has nothing against pages with TLS, nor pages of this machine", async () => {
    const origins = [
      "https://app.example.com",
      "http://localhost:5173",
      "http://127.0.0.1:8080",
      "http://[::1]",
    ];
    expect(await originAdvice(origins)).to.deep.equal([]);
  });

  it("refuses pages without TLS and the origin null, and warns of all subdomains", async () => {
    for (const [origin, level] of [
      ["http://app.example.com", "unsafe"],
      ["http://localhost.example.com", "unsafe"],
      ["null", "unsafe"],
      ["https://*.example.com", "warning"],
    ] as const)
      expect(levels(await originAdvice([origin])), origin).to.deep.equal([level]);
  });

  const api = { ...issuer, audience: "https://orders.example.com" };

  it("warns where neither a type nor an audience of the API's own keeps ID tokens out", async () => {
    const orders = "https://orders.example.com";
    for (const safe of [
      api,
      { ...api, audience: "api://2d4d11a2-f814-46a7-890a-274a72a7309e" },
      { ...api, audience: ["urn:orders", orders] },
      { ...api, audience: "orders-web", typ: "at+jwt" },
      { ...api, audience: "orders-web", typ: ["at+jwt", "application/at+jwt"] },
      { ...api, audienceClaim: "azp", typ: "at+jwt" },
    ])
      expect(await audienceAdvice(safe), JSON.stringify(safe)).to.deep.equal([]);
    for (const [unsafe, name] of [
      [{ ...api, audience: "orders-web" }, "orders-web"],
      [{ ...api, audience: [orders, "orders-web"] }, "orders-web"],
      [{ ...api, audience: "orders-web", typ: "JWT" }, "orders-web"],
      [{ ...api, audience: "orders-web", typ: ["at+jwt", "application/jwt"] }, "orders-web"],
      [{ ...api, audienceClaim: "azp" }, orders],
      [{ ...api, audienceClaim: () => orders }, orders],
    ] as const) {
      const [found, ...others] = await audienceAdvice(unsafe);
      expect(others).to.deep.equal([]);
      expect(found?.level).to.equal("warning");
      expect(found?.advice).to.include(`an ID token for "${name}"`).and.include("--typ at+jwt");
    }
  });

  it("warns of an audience that is the issuer itself", async () => {
    expect(await audienceAdvice(api)).to.deep.equal([]);
    expect(
      levels(await audienceAdvice({ issuer: "https://id.test/", audience: "https://id.test" })),
    ).to.deep.equal(["warning"]);
  });
});
