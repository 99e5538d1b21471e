import { expect } from "chai";
import { createVerifier } from "../../../src/auth/verifier.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import {
  createTestKeys,
  signHmac,
  signText,
  signToken,
  type TestAlgorithm,
  validClaims,
} from "../../helpers/tokens/tokens.js";
import {
  noFetch,
  reasonOf,
  refusalOf,
  startOfTime,
  verifierOf,
} from "../../helpers/tokens/verification.js";

const keys = createTestKeys("ES256", "k1");
const iat = startOfTime;

function token(
  claims: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {},
): string {
  return signToken(keys, { iat, ...claims }, header);
}

describe("a verified token", () => {
  it("says who, for how long, and with what scopes", async () => {
    const verified = await verifierOf(keys).verify(
      token({ jti: "j1", sid: "s1", scope: "a b", aud: ["x", "test"] }),
    );
    expect(verified).to.deep.include({
      issuer: "https://id.test",
      subject: "user-1",
      scopes: ["a", "b"],
      expiresAt: (iat + 900) * 1_000,
      issuedAt: iat * 1_000,
      tokenId: "j1",
      sessionId: "s1",
      clientId: "client-1",
    });
    expect(verified.claims).to.include({ sub: "user-1", scope: "a b" });
  });

  it("is frozen all the way down and has no prototype to pollute or inherit from", async () => {
    const payload = JSON.stringify(validClaims({ iat, deep: { list: [{}] } })).replace(
      "{",
      '{"__proto__":{"roles":["admin"]},',
    );
    const { claims, ...verified } = await verifierOf(keys).verify(
      signText(keys, '{"alg":"ES256","kid":"k1"}', payload),
    );
    expect(Reflect.get(claims, "roles")).to.equal(undefined);
    expect(Reflect.get(claims, "constructor")).to.equal(undefined);
    expect(Reflect.get(claims, "__proto__")).to.equal(undefined);
    expect(
      Object.isFrozen(claims) && Object.isFrozen(claims.deep) && Object.isFrozen(verified.scopes),
    ).to.equal(true);
  });

  it("may be signed by any of our algorithms", async () => {
    for (const algorithm of [
      "ES256",
      "ES384",
      "ES512",
      "RS256",
      "PS256",
      "EdDSA",
      "Ed25519",
    ] as TestAlgorithm[]) {
      const signer = createTestKeys(algorithm);
      expect(
        (await verifierOf(signer).verify(signToken(signer, { iat }))).subject,
        algorithm,
      ).to.equal("user-1");
    }
  });

  it("may be signed with a secret that is long enough, and only then by HMAC", async () => {
    const ports = { clock: new ManualClock(), fetchDocument: noFetch };
    const secret = Buffer.alloc(48, 7);
    const verifier = createVerifier(
      [{ issuer: "https://id.test", audience: "test", secret }],
      ports,
    );
    const sign = (alg: string) => signHmac(secret, { iat }, { alg });
    expect((await verifier.verify(sign("HS256"))).subject).to.equal("user-1");
    expect((await verifier.verify(sign("HS384"))).subject).to.equal("user-1");
    expect(await reasonOf(verifier.verify(sign("HS512")))).to.equal("token_invalid");
    expect(await reasonOf(verifier.verify(token()))).to.equal("token_invalid");
  });
});

describe("the times of a token", () => {
  it("expire it at exp, not after, and without leeway", async () => {
    const clock = new ManualClock();
    const verifier = verifierOf(keys, { leeway: 60_000 }, clock);
    const given = token({ exp: iat + 10 });
    clock.advance(9_999);
    expect((await verifier.verify(given)).expiresAt).to.equal((iat + 10) * 1_000);
    clock.advance(1);
    expect(await reasonOf(verifier.verify(given))).to.equal("token_expired");
    clock.advance(60_000);
    expect(await reasonOf(verifier.verify(given))).to.equal("token_expired");
  });

  it("let nbf and iat be in the future by the leeway and no more", async () => {
    for (const claim of ["nbf", "iat"]) {
      expect((await verifierOf(keys).verify(token({ [claim]: iat + 30 }))).subject).to.equal(
        "user-1",
      );
      expect(await reasonOf(verifierOf(keys).verify(token({ [claim]: iat + 31 })))).to.equal(
        "token_invalid",
      );
      expect(
        await reasonOf(verifierOf(keys, { leeway: 0 }).verify(token({ [claim]: iat + 1 }))),
      ).to.equal("token_invalid");
    }
  });

  it("keep to the longest lifetime, if there is one", async () => {
    const day = { iat, exp: iat + 90_000 };
    expect((await verifierOf(keys).verify(token(day))).subject).to.equal("user-1");
    expect(
      await reasonOf(verifierOf(keys, { maxLifetime: 86_400_000 }).verify(token(day))),
    ).to.equal("token_invalid");
    expect(
      (await verifierOf(keys, { maxLifetime: 90_000_000 }).verify(token(day))).subject,
    ).to.equal("user-1");
    const withoutIat = signText(
      keys,
      '{"alg":"ES256"}',
      JSON.stringify({ ...validClaims({ iat }), iat: undefined }),
    );
    expect((await verifierOf(keys).verify(withoutIat)).issuedAt).to.equal(undefined);
    expect(await reasonOf(verifierOf(keys, { maxLifetime: 900_000 }).verify(withoutIat))).to.equal(
      "token_invalid",
    );
  });

  it("matter only after the signature: expired and badly signed is invalid", async () => {
    const expired = token({ exp: iat - 1 });
    const forged = signToken(createTestKeys("ES256", "k1"), { iat, exp: iat - 1 });
    expect(await reasonOf(verifierOf(keys).verify(expired))).to.equal("token_expired");
    expect(await reasonOf(verifierOf(keys).verify(forged))).to.equal("token_invalid");
    expect(await reasonOf(verifierOf(keys).verify(token({ exp: iat - 1, aud: "other" })))).to.equal(
      "token_invalid",
    );
  });
});

describe("a key whose set names it", () => {
  it("is chosen by kid, which may be left out as long as few keys fit", async () => {
    const other = createTestKeys("ES256", "k2");
    expect((await verifierOf(keys).verify(token({}, { kid: undefined }))).subject).to.equal(
      "user-1",
    );
    expect(
      (await verifierOf([other, keys]).verify(token({}, { kid: undefined }))).subject,
    ).to.equal("user-1");
    const others = Array.from({ length: 4 }, (_, n) => createTestKeys("ES256", `other-${n}`));
    expect(
      (await refusalOf(verifierOf([keys, ...others]).verify(token({}, { kid: undefined })))).detail,
    ).to.equal("kid is missing, and 5 keys of the issuer fit its alg");
    expect((await verifierOf([keys, other]).verify(token())).subject).to.equal("user-1");
    expect(await reasonOf(verifierOf([keys, other]).verify(token({}, { kid: "k2" })))).to.equal(
      "token_invalid",
    );
    for (const kid of [
      "../../dev/null",
      "'; DROP TABLE keys",
      "__proto__",
      "constructor",
      "K1",
      "k1 ",
    ]) {
      expect(await reasonOf(verifierOf([keys, other]).verify(token({}, { kid }))), kid).to.equal(
        "token_invalid",
      );
    }
  });

  it("that the runtime does not take is a refusal, not another error", async () => {
    const x = Buffer.alloc(32, 1).toString("base64url"); // (x, x) is no point of P-256
    const jwks = async () => ({ keys: [{ ...keys.publicJwk, x, y: x }] });
    const issuer = { issuer: "https://id.test", audience: "test", keys: jwks };
    const verifier = createVerifier([issuer], { clock: new ManualClock(), fetchDocument: noFetch });
    expect((await refusalOf(verifier.verify(token()))).detail).to.match(/^can't be verified/);
  });
});

describe("the embedded issuer's tokens", () => {
  const rules = {
    issuer: "https://id.test",
    audience: "test",
    keys: async () => ({ keys: [keys.publicJwk] }),
  };
  const verifier = createVerifier([rules], { clock: new ManualClock(), fetchDocument: noFetch });

  it("are access tokens of RFC 9068, for 15 minutes at most", async () => {
    expect((await verifier.verify(token())).subject).to.equal("user-1");
    expect((await verifier.verify(token({}, { typ: "application/AT+JWT" }))).subject).to.equal(
      "user-1",
    );
    for (const typ of ["JWT", undefined])
      expect(await reasonOf(verifier.verify(token({}, { typ })))).to.equal("token_invalid");
    for (const claim of ["jti", "client_id", "sub", "exp"]) {
      expect((await refusalOf(verifier.verify(token({ [claim]: undefined })))).detail).to.equal(
        `${claim} is missing or empty`,
      );
    }
    expect(await reasonOf(verifier.verify(token({ exp: iat + 901 })))).to.equal("token_invalid");
    expect((await verifier.verify(token({ nbf: iat + 5 }))).subject).to.equal("user-1");
    expect(await reasonOf(verifier.verify(token({ nbf: iat + 6 })))).to.equal("token_invalid");
  });
});

describe("the scopes of a token", () => {
  const scopesOf = async (claims: Readonly<Record<string, unknown>>) =>
    (await verifierOf(keys).verify(token({ scope: undefined, ...claims }))).scopes;

  it("are read from scope, scp and permissions", async () => {
    expect(await scopesOf({})).to.deep.equal([]);
    expect(await scopesOf({ scope: "a b:c" })).to.deep.equal(["a", "b:c"]);
    expect(await scopesOf({ scp: "a b" })).to.deep.equal(["a", "b"]);
    expect(await scopesOf({ scp: ["a", "b c"] })).to.deep.equal(["a", "b c"]);
    expect(await scopesOf({ scope: "a", permissions: ["a", "p"] })).to.deep.equal(["a", "p"]);
  });

  it("are split on spaces alone, and what is not a string grants nothing", async () => {
    expect(await scopesOf({ scope: "a\tb  c\u00a0d " })).to.deep.equal(["a\tb", "c\u00a0d"]);
    expect(await scopesOf({ scope: ["a", 1, "b c"] })).to.deep.equal(["a", "b c"]);
    expect(await scopesOf({ scope: { admin: true }, scp: 1, permissions: "admin" })).to.deep.equal(
      [],
    );
    expect(
      await scopesOf({ permissions: ["a", 1, null, ["admin"], { toString: "admin" }, ""] }),
    ).to.deep.equal(["a"]);
  });

  it("make a token invalid when they can't be told, also one that has expired", async () => {
    const scopes = () => {
      throw new Error("no roles");
    };
    const expired = token({ iat: startOfTime - 1_000 });
    expect(await reasonOf(verifierOf(keys, { scopes }).verify(expired))).to.equal("token_invalid");
    expect(await reasonOf(verifierOf(keys).verify(expired))).to.equal("token_expired");
  });

  it("may be told by a function of the claims", async () => {
    const own = await verifierOf(keys, {
      scopes: ({ roles }) => (Array.isArray(roles) ? roles : []),
    }).verify(token({ roles: ["admin"], scope: "x" }));
    expect(own.scopes).to.deep.equal(["admin"]);
    expect(Object.isFrozen(own.scopes)).to.equal(true);
  });

  it("refuse the token when that function throws or returns anything else", async () => {
    const answers: readonly unknown[] = [
      undefined,
      "admin",
      ["a", 1],
      Promise.resolve(["a"]),
      new Set(["a"]),
    ];
    for (const answer of answers) {
      const scopes = JSON.parse("{}");
      scopes.call = () => answer;
      expect(
        (await refusalOf(verifierOf(keys, { scopes: () => scopes.call() }).verify(token()))).detail,
      ).to.match(/did not return a list/);
    }
    const throwing = () => {
      throw new Error("secret of the application");
    };
    const { code, detail } = await refusalOf(
      verifierOf(keys, { scopes: throwing }).verify(token()),
    );
    expect([code, detail]).to.deep.equal([
      "token_invalid",
      "the option scopes threw for these claims",
    ]);
  });
});
