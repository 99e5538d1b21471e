/** Tokens and key sets in the shapes that large providers issue, each beside one to refuse. */
import { expect } from "chai";
import type { VerifierOptions } from "../../../src/auth/keys/provider.js";
import { createVerifier } from "../../../src/auth/verifier.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { createTestKeys, signHmac, signToken } from "../../helpers/tokens/tokens.js";
import { noFetch, refusalOf, startOfTime, verifierOf } from "../../helpers/tokens/verification.js";

type Members = Readonly<Record<string, unknown>>;

const keys = createTestKeys("ES256", "k1");
const iat = startOfTime;
const token = (claims: Members = {}, header: Members = {}) =>
  signToken(keys, { iat, ...claims }, header);
const detailOf = async (claims: Members, options: Partial<VerifierOptions> = {}) =>
  (await refusalOf(verifierOf(keys, options).verify(token(claims, { typ: "JWT" })))).detail;

describe("An access token with a nonce", () => {
  it("is accepted where it says that it grants access, as Keycloak's and Azure AD B2C's do", async () => {
    for (const claims of [{ typ: "Bearer" }, { scope: "openid email" }, { scp: "orders.read" }])
      expect(
        await verifierOf(keys).verify(token({ nonce: "n", ...claims }, { typ: "JWT" })),
      ).to.include({ subject: "user-1" });
  });

  it("is refused where it could be an ID token", async () => {
    expect(await detailOf({ nonce: "n" })).to.equal(
      "not an access token: it has nonce, and nothing that an ID token has not",
    );
  });
});

describe("A token that is not for access", () => {
  for (const [what, claims, detail] of [
    ["Keycloak's ID token", { typ: "ID" }, 'its claim typ is "ID"'],
    ["Keycloak's refresh token", { typ: "Refresh" }, 'its claim typ is "Refresh"'],
    ["Keycloak's offline token", { typ: "Offline" }, 'its claim typ is "Offline"'],
    ["Keycloak's logout token", { typ: "Logout" }, 'its claim typ is "Logout"'],
    ["Cognito's ID token", { token_use: "id" }, "its token_use is id"],
    ["an ID token of FAPI", { s_hash: "h", scope: "openid" }, "it has s_hash"],
    ["a request object", { response_type: "code", scope: "openid" }, "it has response_type"],
    ["a logout token", { events: {} }, "it has events"],
    [
      "a client assertion",
      { sub: "https://id.test" },
      "iss and sub are the same, as in a client assertion",
    ],
  ] as const) {
    it(`is refused: ${what}`, async () => {
      expect(await detailOf(claims)).to.equal(`not an access token: ${detail}`);
    });
  }
});

describe("The audience of a token", () => {
  it("may be one of several", async () => {
    const audience = ["orders", "test"];
    expect(await verifierOf(keys, { audience }).verify(token())).to.include({ subject: "user-1" });
    expect(await detailOf({ aud: "other" }, { audience })).to.equal(
      'aud is "other", expected "orders" or "test"',
    );
  });

  it("may stand in another claim: client_id of Cognito, azp of Clerk and Keycloak", async () => {
    for (const audienceClaim of ["client_id", "azp"]) {
      const claims = { aud: undefined, [audienceClaim]: "test" };
      const verify = (given: Members) =>
        verifierOf(keys, { audienceClaim }).verify(token(given, { typ: "JWT" }));
      expect(await verify(claims)).to.include({ subject: "user-1" });
      expect((await refusalOf(verify({ ...claims, [audienceClaim]: "x" }))).detail).to.equal(
        `${audienceClaim} is "x", expected "test"`,
      );
    }
    expect(await detailOf({ aud: undefined })).to.equal('aud is missing, expected "test"');
  });

  it("may be what a function makes of the claims", async () => {
    const audienceClaim = ({ realm }: Members) => Object(realm).clients as readonly string[];
    const verify = (clients: unknown) =>
      verifierOf(keys, { audienceClaim }).verify(token({ realm: { clients } }));
    expect(await verify(["a", "test"])).to.include({ subject: "user-1" });
    expect((await refusalOf(verify(undefined))).detail).to.match(
      /^what the option audienceClaim returned is missing/,
    );
  });

  it("has 16 members at most, or as many as maxAudiences says", async () => {
    const aud = [...Array.from({ length: 19 }, (_, n) => `a${n}`), "test"];
    expect(await detailOf({ aud })).to.equal("aud has 20 members, and auth.maxAudiences is 16");
    expect(await verifierOf(keys, { maxAudiences: 20 }).verify(token({ aud }))).to.include({
      subject: "user-1",
    });
  });
});

describe("The subject of a token", () => {
  it("may be what a function makes of the claims, as for Cloudflare's service tokens", async () => {
    const subject = ({ sub, common_name }: Members) => String(sub || common_name || "");
    const verify = (claims: Members) => verifierOf(keys, { subject }).verify(token(claims));
    expect((await verify({ sub: "", common_name: "worker" })).subject).to.equal("worker");
    expect((await refusalOf(verify({ sub: "" }))).detail).to.equal(
      "what the option subject returned is not a string of 1 to 255 characters",
    );
    expect(await detailOf({ sub: "", common_name: "worker" })).to.equal("sub is missing or empty");
  });
});

describe("The length of a token", () => {
  it("may be 16,384 characters, as with Entra's groups, or as many as maxTokenLength says", async () => {
    const groups = (count: number) => token({ groups: Array(count).fill("0".repeat(36)) });
    expect(groups(200).length).to.be.within(8_193, 16_384);
    expect(await verifierOf(keys).verify(groups(200))).to.include({ subject: "user-1" });
    const long = groups(400);
    expect((await refusalOf(verifierOf(keys).verify(long))).detail).to.equal(
      `the token has ${long.length} characters, and auth.maxTokenLength is 16384`,
    );
    expect(await verifierOf(keys, { maxTokenLength: 32_768 }).verify(long)).to.include({
      subject: "user-1",
    });
  });
});

describe("A key set with doubtful keys", () => {
  const rsa = createTestKeys("RS256", "k1");
  const twin = createTestKeys("ES256", "k1");

  it("verifies by each good key: those of one kid are told apart by alg, and tried", async () => {
    const verifier = verifierOf([rsa, twin, keys]);
    for (const signer of [rsa, twin, keys])
      expect(await verifier.verify(signToken(signer, { iat }))).to.include({ subject: "user-1" });
    const stranger = createTestKeys("ES256", "k1");
    expect((await refusalOf(verifier.verify(signToken(stranger, { iat })))).detail).to.equal(
      "the signature is wrong",
    );
  });

  it("says of a token why the key that it names is not used, and tells each such key once", async () => {
    const told: unknown[] = [];
    const bad = { ...createTestKeys("RS256", "old").publicJwk, use: "enc" };
    const clock = new ManualClock();
    const verifier = createVerifier(
      [{ issuer: "https://id.test", audience: "test", jwks: "https://id.test/jwks" }],
      {
        clock,
        fetchDocument: async () => JSON.stringify({ keys: [bad, keys.publicJwk] }),
        onUnusedKey: (issuer, key) => told.push({ issuer, ...key }),
      },
    );
    const refused = await refusalOf(verifier.verify(token({}, { kid: "old" })));
    expect(refused.detail).to.equal(
      'the issuer\'s key with the kid "old" is not used: its use is not sig',
    );
    clock.advance(600_001);
    await verifier.verify(token({ iat: iat + 600 }));
    expect(told).to.deep.equal([
      { issuer: "https://id.test", keyId: "old", reason: "its use is not sig" },
    ]);
  });

  it("without any good key is as bad as none: the last good one serves on", async () => {
    const failures: string[] = [];
    const clock = new ManualClock();
    let set: readonly unknown[] = [keys.publicJwk];
    const verifier = createVerifier(
      [{ issuer: "https://id.test", audience: "test", jwks: "https://id.test/jwks" }],
      {
        clock,
        fetchDocument: async () => JSON.stringify({ keys: set }),
        onKeyFailure: (_issuer, detail) => failures.push(detail),
      },
    );
    await verifier.verify(token());
    set = [];
    clock.advance(600_001);
    const later = token({ iat: iat + 600 });
    expect(await verifier.verify(later)).to.include({ subject: "user-1" });
    expect(failures).to.deep.equal(["the key set is empty"]);
    expect(await verifier.isReady()).to.equal(true);
    clock.advance(3_600_000);
    expect(await verifier.isReady()).to.equal(false);
  });
});

describe("The keys of an issuer that changes them", () => {
  const provider = { issuer: "https://id.test", audience: "test" };
  const ports = { clock: new ManualClock(), fetchDocument: noFetch };
  const old = "o".repeat(32);
  const next = "n".repeat(32);

  it("may be several secrets, or several public keys", async () => {
    const secrets = createVerifier([{ ...provider, secret: [old, next] }], ports);
    for (const secret of [old, next])
      expect(await secrets.verify(signHmac(secret, { iat }, { alg: "HS256" }))).to.include({
        subject: "user-1",
      });
    expect(
      (await refusalOf(secrets.verify(signHmac("x".repeat(32), { iat }, { alg: "HS256" })))).detail,
    ).to.equal("the signature is wrong");
    const other = createTestKeys("ES256", "k2");
    const publicKey = [keys.publicJwk, other.publicJwk];
    const pair = createVerifier([{ ...provider, publicKey }], ports);
    for (const signer of [keys, other])
      expect(await pair.verify(signToken(signer, { iat }))).to.include({ subject: "user-1" });
  });

  it("may be of two kinds for a while, each for its own algorithms alone", async () => {
    const verifier = createVerifier(
      [
        { ...provider, secret: old },
        { ...provider, publicKey: keys.publicJwk },
      ],
      ports,
    );
    expect(await verifier.verify(signHmac(old, { iat }, { alg: "HS256" }))).to.include({
      subject: "user-1",
    });
    expect(await verifier.verify(token())).to.include({ subject: "user-1" });
    const pem = keys.publicKey.export({ type: "spki", format: "pem" });
    expect(
      (await refusalOf(verifier.verify(signHmac(String(pem), { iat }, { alg: "HS256" })))).code,
    ).to.equal("token_invalid");
    expect(
      (await refusalOf(verifier.verify(signHmac(old, { iat }, { alg: "HS512" })))).detail,
    ).to.match(/^alg is "HS512", and HS256, .* are accepted from this issuer$/);
  });

  it("may come from an environment variable, with line breaks written as \\n", async () => {
    const pem = String(keys.publicKey.export({ type: "spki", format: "pem" }));
    const publicKey = pem.replaceAll("\n", "\\n");
    const verifier = createVerifier([{ ...provider, publicKey }], ports);
    expect(await verifier.verify(token())).to.include({ subject: "user-1" });
  });
});

describe("The option fetch", () => {
  const options = {
    issuer: "https://id.test",
    audience: "test",
    jwks: "http://keycloak:8080/jwks",
  };
  const ports = { clock: new ManualClock(), fetchDocument: noFetch };

  it("gets the keys in the place of the server's own requests", async () => {
    const asked: string[] = [];
    const fetch: typeof globalThis.fetch = async (url, init) => {
      asked.push(`${String(url)} ${init?.redirect}`);
      return Response.json({ keys: [keys.publicJwk] });
    };
    const verifier = createVerifier([{ ...options, fetch, allowPrivateHosts: true }], ports);
    expect(await verifier.verify(token())).to.include({ subject: "user-1" });
    expect(asked).to.deep.equal(["http://keycloak:8080/jwks error"]);
  });

  it("may answer with neither more than 256 KiB nor an error", async () => {
    for (const [answer, detail] of [
      [new Response("x".repeat(300_000)), /larger than 262144 bytes/],
      [new Response("", { status: 500 }), /answered with HTTP 500/],
      [new Response("", { status: 404 }), /not found/],
    ] as const) {
      const fetch = async () => answer;
      const verifier = createVerifier([{ ...options, fetch, allowPrivateHosts: true }], ports);
      const refusal = await refusalOf(verifier.verify(token()));
      expect(refusal.code).to.equal("auth_unavailable");
      expect(refusal.detail).to.match(detail);
    }
  });
});

describe("Discovery", () => {
  const at = async (answers: (path: string) => Response) => {
    const fetch = async (url: unknown) => answers(new URL(String(url)).pathname);
    const options = { issuer: "https://id.test", audience: "test", fetch: fetch as never };
    return createVerifier([options], { clock: new ManualClock(), fetchDocument: noFetch });
  };
  const metadata = { issuer: "https://id.test", jwks_uri: "https://id.test/jwks" };

  it("falls back to oauth-authorization-server for any answer that says no", async () => {
    for (const status of [400, 401, 403, 404, 405]) {
      const verifier = await at((path) => {
        if (path === "/jwks") return Response.json({ keys: [keys.publicJwk] });
        return path.endsWith("oauth-authorization-server")
          ? Response.json(metadata)
          : new Response("", { status });
      });
      expect(await verifier.verify(token()), String(status)).to.include({ subject: "user-1" });
    }
    const none = await at(() => new Response("", { status: 403 }));
    expect((await refusalOf(none.verify(token()))).detail).to.match(/HTTP 403, 403/);
    const broken = await at(() => new Response("", { status: 500 }));
    expect((await refusalOf(broken.verify(token()))).detail).to.match(/answered with HTTP 500/);
  });

  it("shows both names when the metadata is another issuer's", async () => {
    const verifier = await at(() => Response.json({ ...metadata, issuer: "https://id.test/" }));
    expect((await refusalOf(verifier.verify(token()))).detail).to.include(
      'its issuer is "https://id.test/", and "https://id.test" is configured',
    );
  });
});
