import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { createFetchDocument } from "../../src/auth/keys/fetch-document.js";
import { createVerifier, type Verifier } from "../../src/auth/verifier.js";
import { ManualClock } from "../helpers/manual-clock.js";
import {
  base64url,
  createTestKeys,
  publicBytes,
  signHmac,
  signText,
  signToken,
  type TestKeys,
  validClaims,
} from "../helpers/tokens/tokens.js";
import { reasonOf, refusalOf, startOfTime, verifierOf } from "../helpers/tokens/verification.js";

type Members = Readonly<Record<string, unknown>>;

const iat = startOfTime;
const keys = createTestKeys("ES256", "k1");
const rsa = createTestKeys("RS256", "k2");
const edwards = createTestKeys("Ed25519", "k3");

function token(claims: Members = {}, header: Members = {}): string {
  return signToken(keys, { iat, ...claims }, header);
}

/** A token of exactly these claims: JSON text, for what JSON.stringify can't write. */
function tokenOf(payload: string, header = '{"alg":"ES256","kid":"k1","typ":"at+jwt"}'): string {
  return signText(keys, header, payload);
}

/** The text of valid claims, one of them replaced by this JSON text. */
function withClaim(name: string, json: string): string {
  const { [name]: _replaced, ...others } = validClaims({ iat });
  return `{"${name}":${json},${JSON.stringify(others).slice(1)}`;
}

/** A verifier of a remote key set, and how often that was asked for. */
function watched(): { readonly verifier: Verifier; readonly fetches: () => number } {
  let fetches = 0;
  const fetchDocument = async () => {
    fetches += 1;
    return JSON.stringify({ keys: [keys.publicJwk, rsa.publicJwk] });
  };
  const issuer = { issuer: "https://id.test", audience: "test", jwks: "https://id.test/jwks" };
  return {
    verifier: createVerifier([issuer], { clock: new ManualClock(), fetchDocument }),
    fetches: () => fetches,
  };
}

describe("a malformed token", () => {
  it("is refused before any key is looked up", async () => {
    const { verifier, fetches } = watched();
    const [header = "", payload = "", last = ""] = token().split(".");
    const malformed: readonly unknown[] = [
      undefined,
      null,
      5,
      {},
      "",
      "a.b",
      `${header}.${payload}`,
      `${header}.${payload}.`,
      `${header}.${payload}.${last}.${last}`,
      `${header}.${payload}.${last}.${last}.${last}`,
      `${header}.${payload}.${last}==`,
      `${header}.${payload}.+${last.slice(1)}`,
      `${header}. ${payload}.${last}`,
      `${header}.${payload}.${last}\0`,
      `${header}.${payload}.${last}${"A".repeat(16_384)}`,
      JSON.stringify({ protected: header, payload, signature: last }),
      tokenOf('{"iss":"https://id.test","sub":"admin","sub":"user"}'),
      tokenOf(JSON.stringify(validClaims({ iat })), '{"alg":"ES256","alg":"RS256"}'),
      tokenOf('["iss"]'),
    ];
    for (const input of malformed)
      expect(await reasonOf(verifier.verify(input)), String(input)).to.equal("token_invalid");
    expect(fetches()).to.equal(0);
    await verifier.verify(token());
    expect(fetches()).to.equal(1);
  });

  it("of another algorithm is refused before any key is looked up", async () => {
    const { verifier, fetches } = watched();
    const names = [
      "none",
      "None",
      "NONE",
      "noNE",
      "es256",
      "Es256",
      " ES256",
      "ES256 ",
      "ES256\0",
      "",
      "HS256",
      "HS384",
      "HS512",
      "ES256K",
      "RSA-OAEP",
      "dir",
    ];
    const values: readonly unknown[] = [
      ...names,
      "RS1",
      "A128KW",
      "__proto__",
      "constructor",
      [],
      ["ES256"],
      {},
      null,
      0,
      undefined,
    ];
    for (const alg of values)
      expect(await reasonOf(verifier.verify(token({}, { alg }))), JSON.stringify(alg)).to.equal(
        "token_invalid",
      );
    const unsigned = `${base64url('{"alg":"none"}')}.${base64url(JSON.stringify(validClaims({ iat })))}.`;
    for (const end of ["", "AA", "none"])
      expect(await reasonOf(verifier.verify(unsigned + end))).to.equal("token_invalid");
    expect(fetches()).to.equal(0);
  });

  it("that takes the public key for an HMAC secret is refused", async () => {
    const { verifier, fetches } = watched();
    for (const alg of ["HS256", "HS384", "HS512"]) {
      for (const pair of [keys, rsa]) {
        for (const secret of publicBytes(pair))
          expect(
            await reasonOf(verifier.verify(signHmac(secret, { iat }, { alg, kid: pair.kid }))),
          ).to.equal("token_invalid");
      }
    }
    expect(fetches()).to.equal(0);
  });

  it("that brings its own key makes nobody ask for it", async () => {
    let requests = 0;
    const canary = createServer((_, response) => {
      requests += 1;
      response.end(JSON.stringify({ keys: [keys.publicJwk] }));
    });
    await new Promise<void>((resolve) => canary.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/`;
    for (const name of ["jwk", "crit", "b64", "zip", "enc"]) {
      for (const value of [url, null, [], {}, 0, keys.publicJwk]) {
        expect(
          (await refusalOf(verifierOf(keys).verify(token({}, { [name]: value })))).detail,
        ).to.equal(`the header has ${name}`);
      }
    }
    // where to find keys is configured, and nothing that a token says of it is heeded
    const stranger = createTestKeys("ES256", "k1");
    for (const header of [{ jku: url }, { x5u: url }, { cty: "JWT" }]) {
      expect(await verifierOf(keys).verify(token({}, header))).to.include({ subject: "user-1" });
      expect(
        await reasonOf(verifierOf(keys).verify(signToken(stranger, { iat }, header))),
      ).to.equal("token_invalid");
    }
    expect(await reasonOf(verifierOf(keys).verify(token({ iss: url, jwks_uri: url })))).to.equal(
      "token_invalid",
    );
    expect(requests).to.equal(0);
    await new Promise((resolve) => canary.close(resolve));
  });
});

describe("a signature", () => {
  const verifier = verifierOf([keys, rsa, edwards]);

  it("must be made with the key and the algorithm of that key", async () => {
    const payload = JSON.stringify(validClaims({ iat }));
    const signers: readonly [TestKeys, Members][] = [
      [rsa, { alg: "PS256" }],
      [rsa, { alg: "RS512" }],
      [rsa, { alg: "ES256", kid: "k1" }],
      [keys, { alg: "RS256", kid: "k2" }],
      [keys, { alg: "ES384" }],
      [edwards, { alg: "EdDSA" }],
      [edwards, { alg: "ES256", kid: "k1" }],
      [createTestKeys("ES256", "k1"), {}],
      [createTestKeys("RS256", "k2"), {}],
      [createTestKeys("Ed25519", "k3"), {}],
    ];
    for (const [signer, header] of signers) {
      const text = JSON.stringify({ alg: signer.algorithm, kid: signer.kid, ...header });
      expect(await reasonOf(verifier.verify(signText(signer, text, payload))), text).to.equal(
        "token_invalid",
      );
    }
    for (const signer of [keys, rsa, edwards])
      expect(await verifier.verify(signToken(signer, { iat }))).to.include({ subject: "user-1" });
  });

  it("of zeros, of the wrong length, or in DER is none", async () => {
    const [header, payload, good = ""] = token().split(".");
    const bytes = Buffer.from(good, "base64url");
    const order = Buffer.from(
      "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
      "hex",
    ); // of P-256
    const wrong = {
      zeros: Buffer.alloc(64),
      "r = n, s = n": Buffer.concat([order, order]),
      "r = s = 1": Buffer.concat([Buffer.alloc(31), Buffer.of(1), Buffer.alloc(31), Buffer.of(1)]),
      short: bytes.subarray(0, 63),
      long: Buffer.concat([bytes, Buffer.of(0)]),
      half: bytes.subarray(0, 32),
      DER: Buffer.concat([
        Buffer.of(0x30, 68, 2, 32),
        bytes.subarray(0, 32),
        Buffer.of(2, 32),
        bytes.subarray(32),
      ]),
    };
    for (const [name, value] of Object.entries(wrong)) {
      expect(
        await reasonOf(verifier.verify(`${header}.${payload}.${base64url(value)}`)),
        name,
      ).to.equal("token_invalid");
    }
  });
});

describe("a token of another type", () => {
  it("is not taken for an access token", async () => {
    const verifier = verifierOf(keys);
    for (const typ of ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt", undefined]) {
      expect(await verifier.verify(token({}, { typ }))).to.include({ subject: "user-1" });
    }
    const types = [
      "logout+jwt",
      "secevent+jwt",
      "dpop+jwt",
      "refresh+jwt",
      "at+jwt ",
      "application/",
      "",
      "at+jwt;v=1",
      null,
      0,
      [],
      ["at+jwt"],
      {},
    ];
    for (const typ of types)
      expect(await reasonOf(verifier.verify(token({}, { typ }))), JSON.stringify(typ)).to.equal(
        "token_invalid",
      );
    const marks = [
      { nonce: "n" },
      { at_hash: "h" },
      { c_hash: "h" },
      { events: {} },
      { events: null },
      { token_use: "id" },
      { token_use: "refresh" },
      { s_hash: "h" },
      { response_type: "code" },
      { granted_scopes: ["read"] },
      { sub: "https://id.test" },
      ...["ID", "Refresh", "Offline", "Logout", "Serialized-ID", "id"].map((typ) => ({ typ })),
    ];
    for (const typ of ["at+jwt", "JWT", undefined]) {
      for (const mark of marks)
        expect(
          await reasonOf(verifier.verify(token(mark, { typ }))),
          JSON.stringify(mark),
        ).to.equal("token_invalid");
    }
    expect(await verifier.verify(token({ token_use: "access" }))).to.include({ subject: "user-1" });
  });

  it("that the options name is the only one accepted", async () => {
    expect(await verifierOf(keys, { typ: "x+jwt" }).verify(token({}, { typ: "X+jwt" }))).to.include(
      { subject: "user-1" },
    );
    for (const typ of ["at+jwt", "JWT", undefined])
      expect(
        await reasonOf(verifierOf(keys, { typ: "x+jwt" }).verify(token({}, { typ }))),
      ).to.equal("token_invalid");
  });

  it("bound to a key (cnf) is never taken for a bearer token", async () => {
    for (const cnf of [{ jkt: "abc" }, { "x5t#S256": "abc" }, {}, null, "", 0, []]) {
      const refusal = await refusalOf(verifierOf(keys).verify(token({ cnf })));
      expect(refusal.code).to.equal("token_invalid");
      expect(refusal.detail).to.match(/cnf/);
    }
  });
});

describe("a claim of the wrong type or value", () => {
  const verifier = verifierOf(keys, { requiredClaims: ["iat", "tenant"] });
  const rest = '"tenant":"t1",';
  const verify = (name: string, json: string) =>
    verifier.verify(tokenOf(withClaim(name, json).replace("{", `{${rest}`)));

  const wrong: Readonly<Record<string, readonly string[]>> = {
    iss: [
      "null",
      '""',
      "5",
      '["https://id.test"]',
      "{}",
      "true",
      '"https://id.test/"',
      '"HTTPS://ID.TEST"',
      '"__proto__"',
    ],
    sub: [
      "null",
      '""',
      "5",
      '["user-1"]',
      "{}",
      "true",
      JSON.stringify("u".repeat(256)),
      '"\\ud800"',
    ],
    aud: [
      "null",
      '""',
      "5",
      "{}",
      "true",
      "[]",
      '"Test"',
      '"test "',
      '["other"]',
      '["test",5]',
      '["test",null]',
      JSON.stringify([..."abcdefghijklmnop", "test"]),
    ],
    exp: [
      "null",
      '""',
      '"1790000900"',
      "[1790000900]",
      "{}",
      "true",
      "1e999",
      "-1",
      "9007199254740992",
    ],
    iat: [
      "null",
      '""',
      '"1790000000"',
      "[1790000000]",
      "{}",
      "false",
      "1e999",
      "-1",
      "9007199254740992",
    ],
    nbf: ["null", '""', '"1790000000"', "[]", "{}", "true", "1e999", "-1", "9007199254740992"],
    jti: ["5", "[]", "{}", "true", '"\\ud800"'],
    sid: ["5", "[]", "{}", "false"],
    client_id: ["5", "[]", "{}", "true"],
  };

  it("is refused, each by itself", async () => {
    for (const [name, values] of Object.entries(wrong)) {
      for (const json of values)
        expect(await reasonOf(verify(name, json)), `${name}: ${json}`).to.equal("token_invalid");
    }
  });

  it("is accepted at the edge of what is right", async () => {
    const right: readonly [string, string][] = [
      ["sub", JSON.stringify("u".repeat(255))],
      ["aud", '"test"'],
      ["aud", JSON.stringify([..."abcdefghijklmno", "test"])],
      ["exp", "9007199254740991"],
      ["exp", "1790000000.5"],
      ["nbf", "0"],
      ["iat", "0"],
      ["jti", '""'],
      ["jti", "null"],
      ["sid", "null"],
      ["client_id", "null"],
      ["nobody_reads_it", '"\\ud800"'],
    ];
    for (const [name, json] of right)
      expect((await verify(name, json)).issuer, `${name}: ${json}`).to.equal("https://id.test");
  });

  it("or missing is refused when it is required", async () => {
    for (const name of ["iss", "sub", "aud", "exp", "iat"]) {
      const { [name]: _left, ...others } = validClaims({ iat, tenant: "t1" });
      expect(await reasonOf(verifier.verify(tokenOf(JSON.stringify(others)))), name).to.equal(
        "token_invalid",
      );
    }
    for (const tenant of [undefined, null, "", []])
      expect(await reasonOf(verifier.verify(token({ tenant })))).to.equal("token_invalid");
    for (const tenant of [0, false, "t1"])
      expect(await verifier.verify(token({ tenant }))).to.include({ subject: "user-1" });
  });
});

describe("a refusal", () => {
  it("tells nothing of the token", async () => {
    const verifier = verifierOf(keys);
    const secret = "canary-7f3a";
    const attempts = [
      token({ sub: "", email: secret }),
      token({}, { typ: secret }),
      tokenOf(`{"${secret}":}`),
      tokenOf(`{"${secret}":1,"${secret}":2}`),
      secret,
      `${secret}.${secret}.${secret}`,
    ];
    for (const attempt of attempts) {
      const { message, detail, stack } = await refusalOf(verifier.verify(attempt));
      expect(`${message} ${detail} ${stack}`).not.to.include(secret);
    }
  });

  it("tells whose and whom for the token is, and by which key, beside what was expected", async () => {
    const detailOf = async (claims: Members, header: Members = {}) =>
      (await refusalOf(verifierOf(keys).verify(token(claims, header)))).detail;
    expect(await detailOf({ aud: "account" })).to.equal('aud is "account", expected "test"');
    expect(await detailOf({ aud: undefined })).to.equal('aud is missing, expected "test"');
    expect(await detailOf({ iss: "https://id.test/" })).to.equal(
      'iss is "https://id.test/", and "https://id.test" is configured: they differ by the slash at the end',
    );
    expect(await detailOf({ iss: "https://b.test" })).to.equal(
      'iss is "https://b.test", which is not a configured issuer; configured: ["https://id.test"]',
    );
    expect(await detailOf({}, { kid: "k9" })).to.equal('kid "k9" is not in the issuer\'s key set');
    expect((await detailOf({ aud: "x".repeat(5_000) })).length).to.be.below(300);
  });
});

describe("a real provider of keys", () => {
  async function provider(status = 200) {
    const requests: string[] = [];
    const server = createServer((request, response) => {
      requests.push(request.url ?? "");
      response
        .writeHead(status, { location: "/elsewhere" })
        .end(JSON.stringify({ keys: [keys.publicJwk] }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const jwks = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
    const clock = new ManualClock();
    const ports = { clock, fetchDocument: createFetchDocument() };
    const verifier = createVerifier([{ issuer: "https://id.test", audience: "test", jwks }], ports);
    const verify = (header: Members = {}) =>
      verifier.verify(signToken(keys, { iat: clock.now() / 1_000 - 1 }, header));
    const kill = () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    return { requests, clock, verify, kill };
  }

  it("is asked twice at most for a flood of random kids", async () => {
    const { requests, verify, kill } = await provider();
    await Promise.all(
      Array.from({ length: 1_000 }, (_, kid) => reasonOf(verify({ kid: `random-${kid}` }))),
    );
    expect(requests).to.deep.equal(["/jwks", "/jwks"]);
    expect(await verify()).to.include({ subject: "user-1" });
    await kill();
  });

  it("may die: known keys verify on, and unknown ones are not called invalid", async () => {
    const { clock, verify, kill } = await provider();
    await verify();
    await kill();
    clock.advance(600_001);
    for (let second = 0; second < 120; second++) {
      expect(await verify()).to.include({ subject: "user-1" });
      clock.advance(1_000);
    }
    expect(await reasonOf(verify({ kid: "k9" }))).to.equal("auth_unavailable");
  });

  it("that redirects or fails gives no keys", async () => {
    for (const [status, detail] of [
      [302, /redirect/],
      [500, /HTTP 500/],
      [404, /not found/],
    ] as const) {
      const { requests, verify, kill } = await provider(status);
      const refusal = await refusalOf(verify());
      expect(refusal.code).to.equal("auth_unavailable");
      expect(refusal.detail).to.match(detail);
      expect(requests).to.deep.equal(["/jwks"]);
      await kill();
    }
  });
});
