import { createSecretKey, generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import { judgeKey, readKeySet } from "../../../src/auth/keys/key-policy.js";
import { publicKeyAlgorithms } from "../../../src/auth/token/algorithms.js";
import { createTestKeys } from "../../helpers/tokens/tokens.js";

type Members = Readonly<Record<string, unknown>>;

function outcome(jwk: Members, accepted: readonly string[] = publicKeyAlgorithms): string {
  const judgement = judgeKey(jwk, accepted);
  return judgement.usable ? judgement.algorithms.join(" ") : judgement.reason;
}

function without(jwk: Members, ...names: string[]): Members {
  return Object.fromEntries(Object.entries(jwk).filter(([name]) => !names.includes(name)));
}

function publicJwk(
  type: "rsa" | "ec" | "ed25519" | "ed448" | "x25519",
  size: number | string = 0,
): Members {
  if (type === "rsa")
    return {
      ...generateKeyPairSync("rsa", { modulusLength: Number(size) }).publicKey.export({
        format: "jwk",
      }),
    };
  if (type === "ec")
    return {
      ...generateKeyPairSync("ec", { namedCurve: String(size) }).publicKey.export({
        format: "jwk",
      }),
    };
  if (type === "ed448")
    return { ...generateKeyPairSync("ed448").publicKey.export({ format: "jwk" }) };
  if (type === "x25519")
    return { ...generateKeyPairSync("x25519").publicKey.export({ format: "jwk" }) };
  return { ...generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }) };
}

function integer(value: bigint): string {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex").toString("base64url");
}

/**
 * A modulus of 2048 bits that is a power of 65537 modulo every prime up to 167, as the faulty
 * library's are.
 */
function rocaModulus(): bigint {
  let primorial = 1n;
  for (let n = 2n; n <= 167n; n++)
    if ([2n, 3n, 5n, 7n, 11n].every((p) => n === p || n % p !== 0n)) primorial *= n;
  let residue = 1n;
  for (let i = 0; i < 12_345; i++) residue = (residue * 65_537n) % primorial;
  const start = (1n << 2047n) / primorial + 1n;
  return start * primorial + residue;
}

const rsa = publicJwk("rsa", 2048);
const keys = createTestKeys("ES256", "k1");

describe("the key policy", () => {
  it("gives each type of key the algorithms that fit it", () => {
    expect(outcome(rsa)).to.equal("RS256 RS384 RS512 PS256 PS384 PS512");
    expect(outcome(publicJwk("ec", "P-256"))).to.equal("ES256");
    expect(outcome(publicJwk("ec", "P-384"))).to.equal("ES384");
    expect(outcome(publicJwk("ec", "P-521"))).to.equal("ES512");
    expect(outcome(publicJwk("ed25519"))).to.equal("Ed25519 EdDSA");
  });

  it("uses a key that names its algorithm for that alone", () => {
    expect(outcome({ ...rsa, alg: "PS256" })).to.equal("PS256");
    expect(outcome({ ...rsa, alg: "PS256" }, ["RS256"])).to.match(/none of these is accepted/);
    expect(outcome({ ...rsa, alg: "RSA-OAEP" })).to.match(/does not fit/);
    expect(outcome({ ...rsa, alg: "ES256" })).to.match(/does not fit/);
    expect(outcome({ ...rsa, alg: "none" })).to.match(/does not fit/);
    expect(outcome({ ...rsa, alg: ["RS256"] })).to.match(/does not fit/);
    expect(outcome({ ...publicJwk("ec", "P-256"), alg: "ES384" })).to.match(/does not fit/);
  });

  it("passes over keys that are not for verifying", () => {
    expect(outcome({ ...rsa, use: "sig", key_ops: ["verify"] })).to.match(/^RS256/);
    expect(outcome({ ...rsa, use: "enc" })).to.match(/use/);
    expect(outcome({ ...rsa, use: null, alg: null, d: null })).to.match(/^RS256/);
    expect(outcome({ ...rsa, key_ops: ["encrypt"] })).to.match(/key_ops/);
    expect(outcome({ ...rsa, key_ops: "verify" })).to.match(/key_ops/);
    expect(outcome({ ...rsa, key_ops: [] })).to.match(/^RS256/);
  });

  it("refuses RSA keys that are short, long, even, or malformed", () => {
    expect(outcome(publicJwk("rsa", 1024))).to.match(/1024 bits/);
    expect(outcome(publicJwk("rsa", 2040))).to.match(/2040 bits/);
    expect(outcome({ ...rsa, n: integer((1n << 8192n) + 1n) })).to.match(/8193 bits/);
    expect(outcome({ ...rsa, n: integer(1n << 2047n) })).to.match(/even/);
    expect(outcome({ ...rsa, n: `${String(rsa.n)}+` })).to.match(/malformed/);
    expect(outcome({ ...rsa, n: 5 })).to.match(/malformed/);
    expect(outcome(without(rsa, "n"))).to.match(/malformed/);
    expect(outcome(without(rsa, "e"))).to.match(/malformed/);
  });

  it("refuses weak RSA exponents", () => {
    for (const e of [0n, 1n, 2n, 3n, 17n, 65_535n, 65_538n, 1n << 64n])
      expect(outcome({ ...rsa, e: integer(e) }), String(e)).to.match(/exponent|malformed/);
    for (const e of [65_537n, 65_539n, (1n << 64n) - 1n])
      expect(outcome({ ...rsa, e: integer(e) }), String(e)).to.match(/^RS256/);
  });

  it("recognizes keys of the faulty ROCA library, and takes no honest one for such", () => {
    expect(outcome({ ...rsa, n: integer(rocaModulus()) })).to.match(/ROCA/);
    expect(outcome({ ...rsa, n: integer(rocaModulus() + 2n) })).not.to.match(/ROCA/);
    expect(outcome(publicJwk("rsa", 3072))).to.match(/^RS256/);
  });

  it("refuses other curves and points of the wrong length", () => {
    const ec = publicJwk("ec", "P-256");
    expect(outcome(publicJwk("ec", "secp256k1"))).to.match(/curve/);
    expect(outcome(publicJwk("ed448"))).to.match(/curve/);
    expect(outcome(publicJwk("x25519"))).to.match(/curve/);
    expect(outcome({ ...ec, crv: "constructor" })).to.match(/curve/);
    expect(outcome({ ...ec, crv: "P-384" })).to.match(/malformed/);
    expect(outcome({ ...ec, x: `${String(ec.x)}AA` })).to.match(/malformed/);
    expect(outcome(without(ec, "y"))).to.match(/malformed/);
    expect(outcome({ ...publicJwk("ed25519"), x: "AA" })).to.match(/malformed/);
    expect(outcome({ kty: "AKP", alg: "ML-DSA-44", pub: "AA" })).to.match(/type/);
  });

  it("refuses private and symmetric keys", () => {
    expect(outcome({ ...keys.privateKey.export({ format: "jwk" }) })).to.match(
      /^it is a private or symmetric key/,
    );
    expect(outcome({ ...createSecretKey(Buffer.alloc(32, 1)).export({ format: "jwk" }) })).to.match(
      /^it is a private or symmetric key/,
    );
  });

  it("refuses a kid that is not a string of 1 to 512 characters", () => {
    for (const kid of ["", 1, {}, "k".repeat(513)])
      expect(outcome({ ...rsa, kid }), String(kid)).to.match(/kid/);
    expect(outcome({ ...rsa, kid: "k".repeat(512) })).to.match(/^RS256/);
  });
});

describe("a key set", () => {
  const kids = (set: unknown) =>
    readKeySet(set, publicKeyAlgorithms).usable.map(({ keyId }) => keyId);

  it("gives its usable keys and passes over the others", () => {
    const others = [
      { kty: "unheard of" },
      { ...rsa, use: "enc" },
      null,
      "key",
      publicJwk("rsa", 1024),
    ];
    expect(kids({ keys: [...others, keys.publicJwk, { ...rsa, kid: "k2" }] })).to.deep.equal([
      "k1",
      "k2",
    ]);
    expect(kids({ keys: [] })).to.deep.equal([]);
  });

  it("keeps of a key only what makes the key", () => {
    const [key] = readKeySet(
      { keys: [{ ...keys.publicJwk, x5u: "https://evil.test", ext: "?" }] },
      publicKeyAlgorithms,
    ).usable;
    expect(Object.keys(key?.jwk ?? {})).to.deep.equal(["kty", "crv", "x", "y"]);
  });

  it("passes over private and symmetric keys with their reason, and keeps the others", () => {
    const secret = { kty: "oct", k: Buffer.alloc(32, 1).toString("base64url"), kid: "s" };
    const leaked = { ...keys.privateKey.export({ format: "jwk" }), kid: "leaked" };
    const { usable, unused } = readKeySet(
      { keys: [secret, leaked, keys.publicJwk] },
      publicKeyAlgorithms,
    );
    expect(usable.map(({ keyId }) => keyId)).to.deep.equal(["k1"]);
    expect(unused.map(({ keyId }) => keyId)).to.deep.equal(["s", "leaked"]);
    for (const { reason } of unused) expect(reason).to.match(/^it is a private or symmetric key/);
    for (const member of ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
      expect(kids({ keys: [{ ...keys.publicJwk, [member]: "AA" }] }), member).to.deep.equal([]);
  });

  it("may have several keys of one kid, and the same key twice counts once", () => {
    expect(kids({ keys: [keys.publicJwk, { ...rsa, kid: "k1" }] })).to.deep.equal(["k1", "k1"]);
    expect(kids({ keys: [keys.publicJwk, keys.publicJwk] })).to.deep.equal(["k1"]);
    expect(kids({ keys: [rsa, without(keys.publicJwk, "kid")] })).to.deep.equal([
      undefined,
      undefined,
    ]);
  });

  it("may write the modulus with padding or leading zeros: it is the same key", () => {
    const padded = Buffer.concat([Buffer.alloc(2), Buffer.from(String(rsa.n), "base64url")]);
    for (const n of [padded.toString("base64url"), `${padded.toString("base64url")}==`]) {
      const [key] = readKeySet({ keys: [{ ...rsa, n }] }, publicKeyAlgorithms).usable;
      expect(key?.jwk.n).to.equal(rsa.n);
    }
  });

  it("is refused with more than 100 keys, and when it is no key set", () => {
    const many = (count: number) => ({
      keys: Array.from({ length: count }, (_, index) => ({ ...keys.publicJwk, kid: `k${index}` })),
    });
    expect(kids(many(100))).to.have.length(100);
    expect(() => kids(many(101))).to.throw(/more than 100/);
    for (const document of [null, [], "keys", {}, { keys: {} }])
      expect(() => kids(document)).to.throw(/no keys array/);
  });
});
