import { generateKeyPairSync, webcrypto } from "node:crypto";
import { expect } from "chai";
import { createProvider, type VerifierOptions } from "../../../src/auth/keys/provider.js";
import { createVerifier } from "../../../src/auth/verifier.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { createTestKeys, signToken } from "../../helpers/tokens/tokens.js";
import { noFetch, startOfTime, verifierOf } from "../../helpers/tokens/verification.js";

const ports = { clock: new ManualClock(), fetchDocument: noFetch };
const keys = createTestKeys("ES256", "k1");
const valid = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };

/** The TypeError's message; the options may be as wrong as a JSON file can be. */
function complaint(changes: Readonly<Record<string, unknown>>): string {
  const options = JSON.parse("{}");
  Object.assign(options, valid, changes);
  try {
    createProvider(options, ports);
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
  return "none";
}

describe("an issuer's options", () => {
  it("take a key of each kind", () => {
    const secret = "s".repeat(32);
    expect(complaint({})).to.equal("none");
    expect(complaint({ publicKey: undefined, jwks: { keys: [keys.publicJwk] } })).to.equal("none");
    expect(complaint({ publicKey: undefined, jwks: "https://id.test/jwks" })).to.equal("none");
    expect(
      complaint({ publicKey: undefined, jwks: new URL("http://127.0.0.1:8080/jwks") }),
    ).to.equal("none");
    expect(complaint({ publicKey: undefined, secret })).to.equal("none");
    expect(complaint({ publicKey: undefined })).to.equal("none"); // discovery
  });

  it("refuse two kinds of key at once", () => {
    expect(complaint({ jwks: "https://id.test/jwks" })).to.equal(
      "auth: give one of jwks and publicKey, not both",
    );
    expect(complaint({ secret: "s".repeat(32) })).to.equal(
      "auth: give one of publicKey and secret, not both",
    );
  });

  it("refuse an empty issuer or audience", () => {
    for (const value of [undefined, "", null, 5, [], [""], [5]]) {
      expect(complaint({ issuer: value })).to.match(/^auth.issuer must be a non-empty string/);
      expect(complaint({ audience: value })).to.match(/^auth.audience must be a non-empty string/);
    }
  });

  it("refuse key locations that are not https, or http on this machine", () => {
    const at = (jwks: string) => complaint({ publicKey: undefined, jwks });
    expect(at("http://id.test/jwks")).to.equal(
      "auth.jwks is neither https, nor http on a loopback address; allowPrivateHosts allows http to a host of your own network",
    );
    expect(
      complaint({ publicKey: undefined, jwks: "http://id.test/jwks", allowPrivateHosts: true }),
    ).to.equal("none");
    expect(at("http://localhost.evil.test/jwks")).to.match(/neither https/);
    expect(at("http://127.0.0.1.evil.test/jwks")).to.match(/neither https/);
    expect(at("file:///etc/passwd")).to.match(/neither https/);
    expect(at("https://user:pass@id.test/jwks")).to.match(/user name/);
    expect(at("jwks.json")).to.equal("auth.jwks must be a URL");
    for (const host of ["localhost", "127.0.0.1", "127.1", "[::1]"])
      expect(at(`http://${host}/jwks`), host).to.equal("none");
  });

  it("refuse an issuer that can't be discovered when no key is given", () => {
    const of = (issuer: string) => complaint({ publicKey: undefined, issuer });
    expect(of("joe")).to.match(/must be a URL/);
    expect(of("http://id.test")).to.match(/neither https/);
    expect(of("https://id.test?tenant=1")).to.match(/query/);
    expect(of("https://id.test/tenant")).to.equal("none");
    expect(complaint({ issuer: "joe" })).to.equal("none");
  });

  it("refuse short secrets, and PEM texts as secrets", () => {
    const of = (secret: unknown, algorithms?: readonly string[]) =>
      complaint({ publicKey: undefined, secret, algorithms });
    expect(of("s".repeat(31))).to.equal("auth.secret must have at least 32 bytes; it has 31");
    expect(of("")).to.match(/at least 32/);
    expect(of("ä".repeat(16))).to.equal("none");
    expect(of(Buffer.alloc(47, 1), ["HS384"])).to.match(
      /HS384 does not go with a secret of 47 bytes/,
    );
    expect(of(Buffer.alloc(63, 1), ["HS512"])).to.match(/HS512 does not go/);
    expect(of(Buffer.alloc(64, 1), ["HS256", "HS384", "HS512"])).to.equal("none");
    expect(of(keys.publicKey.export({ type: "spki", format: "pem" }))).to.match(/PEM/);
    expect(of(5)).to.match(/string or bytes/);
  });

  it("refuse algorithms that don't exist, don't fit, or are none", () => {
    for (const none of ["none", "None", "NONE"])
      expect(complaint({ algorithms: ["ES256", none] })).to.equal(
        "auth.algorithms: none is never accepted",
      );
    expect(complaint({ algorithms: ["HS256"] })).to.match(/go with secret alone/);
    expect(
      complaint({ publicKey: undefined, secret: "s".repeat(32), algorithms: ["ES256"] }),
    ).to.match(/ES256 does not go with a secret/);
    expect(complaint({ algorithms: ["es256"] })).to.match(/es256 is not one of/);
    expect(complaint({ algorithms: ["toString"] })).to.match(/toString is not one of/);
    for (const algorithms of [[], "ES256", [1], [""]])
      expect(complaint({ algorithms })).to.match(/non-empty list/);
    expect(complaint({ algorithms: ["RS256"] })).to.match(
      /^auth.publicKey can't be used: it is for ES256/,
    );
    expect(
      complaint({ publicKey: undefined, jwks: { keys: [keys.publicJwk] }, algorithms: ["RS256"] }),
    ).to.match(/no key of the set/);
  });

  it("refuse key sets that can't be trusted", () => {
    expect(
      complaint({
        publicKey: undefined,
        jwks: { keys: [keys.privateKey.export({ format: "jwk" })] },
      }),
    ).to.match(/^auth.jwks: .*private/);
    expect(complaint({ publicKey: undefined, jwks: { keys: [] } })).to.match(/no key of the set/);
    expect(complaint({ publicKey: undefined, jwks: {} })).to.match(/no keys array/);
  });

  it("refuse leeways over a minute and other impossible values", () => {
    for (const leeway of [60_001, -1, Number.NaN, "5"])
      expect(complaint({ leeway }), String(leeway)).to.match(/auth.leeway/);
    for (const maxLifetime of [0, -1, Number.NaN])
      expect(complaint({ maxLifetime })).to.match(/auth.maxLifetime/);
    for (const typ of ["", [], [""], [5]]) expect(complaint({ typ })).to.match(/auth.typ/);
    for (const requiredClaims of ["jti", [""], [1]])
      expect(complaint({ requiredClaims })).to.match(/auth.requiredClaims/);
    expect(complaint({ scopes: ["a"] })).to.match(/auth.scopes/);
    expect(complaint({ leeway: 0, maxLifetime: 1, typ: ["JWT"], requiredClaims: [] })).to.equal(
      "none",
    );
  });

  it("must name at least one issuer, and none more than four times", () => {
    const of = (issuer: string): VerifierOptions => ({ ...valid, issuer });
    expect(() => createVerifier([], ports)).to.throw(TypeError, /at least one/);
    expect(() => createVerifier(Array(4).fill(of("a")), ports)).not.to.throw();
    expect(() => createVerifier(Array(5).fill(of("a")), ports)).to.throw(
      TypeError,
      "the issuer a is given more than 4 times",
    );
    expect(() => createVerifier([of("a"), of("a/"), of("A")], ports)).not.to.throw();
  });
});

describe("the option publicKey", () => {
  const verify = (publicKey: string | object, signer = keys) => {
    const verifier = createVerifier(
      [{ issuer: "https://id.test", audience: "test", publicKey }],
      ports,
    );
    return verifier.verify(signToken(signer, { iat: startOfTime }));
  };

  it("takes a JWK, a PEM text, a KeyObject and a CryptoKey", async () => {
    const params = { name: "ECDSA", namedCurve: "P-256" };
    const cryptoKey = await webcrypto.subtle.importKey(
      "jwk",
      keys.publicKey.export({ format: "jwk" }),
      params,
      false,
      ["verify"],
    );
    const { kid, ...jwk } = keys.publicJwk;
    expect(kid).to.equal("k1");
    for (const key of [
      keys.publicJwk,
      jwk,
      keys.publicKey.export({ type: "spki", format: "pem" }),
      keys.publicKey,
      cryptoKey,
    ]) {
      expect((await verify(key)).subject).to.equal("user-1");
    }
    const rsa = createTestKeys("RS256");
    expect(
      (await verify(rsa.publicKey.export({ type: "pkcs1", format: "pem" }), rsa)).subject,
    ).to.equal("user-1");
  });

  it("refuses private and symmetric keys, in every form", () => {
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const wrong = [
      ec,
      ec.export({ format: "jwk" }),
      ec.export({ type: "pkcs8", format: "pem" }),
      ec.export({ type: "sec1", format: "pem" }),
    ];
    for (const key of wrong)
      expect(complaint({ publicKey: key })).to.match(/public key|private or symmetric/);
    expect(complaint({ publicKey: { kty: "oct", k: "AAAA" } })).to.match(
      /private or symmetric key/,
    );
  });

  it("refuses points that are not on the curve", () => {
    const x = Buffer.alloc(32, 1).toString("base64url");
    const jwk = { ...keys.publicJwk, x, y: x };
    expect(complaint({ publicKey: jwk })).to.match(/not a point/);
    expect(complaint({ publicKey: undefined, jwks: { keys: [jwk] } })).to.match(
      /no key of the set/,
    );
  });

  it("refuses what is no key at all, and weak keys", () => {
    const pem = (size: number) =>
      generateKeyPairSync("rsa", { modulusLength: size }).publicKey.export({
        type: "spki",
        format: "pem",
      });
    expect(complaint({ publicKey: pem(1024) })).to.match(/1024 bits/);
    expect(complaint({ publicKey: pem(2048) })).to.equal("none");
    for (const key of [
      "",
      "key",
      "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
      {},
      [],
      5,
      null,
      { kty: 5 },
    ]) {
      expect(complaint({ publicKey: key }), JSON.stringify(key)).to.match(/^(auth\.)?publicKey/);
    }
  });

  it("verifies with the only key, whatever kid the token names, if the key itself has none", async () => {
    expect((await verify(keys.publicKey, { ...keys, kid: "other" })).subject).to.equal("user-1");
    const verifier = verifierOf({ ...keys, publicJwk: { ...keys.publicJwk, kid: "other" } });
    expect(
      await verifier.verify(signToken(keys, { iat: startOfTime })).catch((error) => error.code),
    ).to.equal("token_invalid");
  });
});
