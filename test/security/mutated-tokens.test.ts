import { expect } from "chai";
import fc from "fast-check";
import {
  base64url,
  createTestKeys,
  publicBytes,
  signature,
  signHmac,
  signToken,
} from "../helpers/tokens/tokens.js";
import { startOfTime as iat, reasonOf, verifierOf } from "../helpers/tokens/verification.js";

const keys = createTestKeys("ES256", "k1");
const rsa = createTestKeys("RS256", "k2");
const edwards = createTestKeys("Ed25519", "k3");

describe("ten thousand mutated tokens", () => {
  const signers = [keys, rsa, edwards];
  const impostors = signers.map(({ algorithm, kid }) => createTestKeys(algorithm, kid));
  const genuine = signers.flatMap((signer) => [
    signToken(signer, { iat, scope: "a" }),
    signToken(signer, { iat, sub: "user-2", aud: ["test", "other"] }),
    signToken(signer, { iat, exp: iat + 60, admin: true }, { typ: "JWT" }),
  ]);

  const anyToken = fc.constantFrom(...genuine);
  const anyIndex = fc.nat(2_000);
  const anyName = fc.constantFrom(
    "alg",
    "kid",
    "typ",
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "scope",
    "admin",
    "cnf",
    "jku",
    "crit",
    "__proto__",
  );
  const anyValue = fc.oneof(
    fc.constantFrom(
      "none",
      "HS256",
      "ES256",
      "RS256",
      "k1",
      "k2",
      "k3",
      "admin",
      "test",
      1e12,
      null,
    ),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const anyCharacter = fc.oneof(
    fc.constantFrom(..."AQgw-_=.+/ \n\0"),
    fc.string({ minLength: 1, maxLength: 1 }),
  );

  const spliced = fc
    .tuple(anyToken, anyIndex, fc.nat(3), fc.array(anyCharacter, { maxLength: 3 }))
    .map(([text, index, deleted, inserted]) => {
      const at = index % (text.length + 1);
      return text.slice(0, at) + inserted.join("") + text.slice(at + deleted);
    });
  const bitFlipped = fc
    .tuple(anyToken, fc.nat(2), anyIndex, fc.nat(7))
    .map(([text, segment, index, bit]) => {
      const segments = text.split(".").map((part) => Buffer.from(part, "base64url"));
      const bytes = segments[segment] ?? Buffer.alloc(1);
      const at = index % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
      return segments.map((part) => part.toString("base64url")).join(".");
    });
  const shuffled = fc
    .array(fc.tuple(anyToken, fc.nat(2)), { minLength: 2, maxLength: 4 })
    .map((parts) => {
      return parts.map(([text, segment]) => text.split(".")[segment]).join(".");
    });
  const rewritten = fc
    .tuple(anyToken, fc.nat(1), anyName, anyValue, fc.option(fc.nat(2)))
    .map(([text, segment, name, value, impostor]) => {
      const [header = "", payload = "", last = ""] = text.split(".");
      const change = (part: string) =>
        `{${JSON.stringify(name)}:${JSON.stringify(value)},${Buffer.from(part, "base64url").toString().slice(1)}`;
      const input =
        segment === 0
          ? `${base64url(change(header))}.${payload}`
          : `${header}.${base64url(change(payload))}`;
      const signer = impostor === null ? undefined : impostors[impostor];
      return `${input}.${signer ? signature(signer, input) : last}`;
    });
  const forged = fc
    .tuple(fc.nat(2), fc.nat(2), anyName, anyValue)
    .map(([impostor, kid, name, value]) => {
      return signToken(
        impostors[impostor] ?? keys,
        { iat, [name]: value },
        { kid: signers[kid]?.kid },
      );
    });
  const crossed = fc
    .tuple(fc.nat(2), fc.nat(2), fc.constantFrom("ES256", "RS256", "PS256", "Ed25519", "EdDSA"))
    .map(([signer, kid, alg]) => {
      const other = signers[(signer + 1 + (kid % 2)) % 3] ?? keys; // never the signer's own
      return signToken(signers[signer] ?? keys, { iat }, { kid: other.kid, alg });
    });
  const confused = fc
    .tuple(fc.nat(2), fc.constantFrom("HS256", "HS384", "HS512"), fc.nat(5))
    .map(([signer, alg, form]) => {
      const pair = signers[signer] ?? keys;
      return signHmac(publicBytes(pair)[form] ?? "", { iat }, { alg, kid: pair.kid });
    });
  const dressed = fc
    .tuple(
      anyToken,
      fc.constantFrom("", " ", "Bearer ", "\n", " Bearer  ", "bearer ", "Bearer Bearer ", "\u00a0"),
      anyIndex,
    )
    .map(([text, before, index]) => `${before}${text.slice(0, index)}\r\n${text.slice(index)} \n`);
  const mutated = fc.oneof(
    spliced,
    bitFlipped,
    shuffled,
    rewritten,
    forged,
    crossed,
    confused,
    dressed,
  );

  /** The trimming of the protocol, written another way than in the product. */
  function normalized(text: string): string {
    return (/^\s*(?:[Bb][Ee][Aa][Rr][Ee][Rr]\s+)?(.*?)\s*$/s.exec(text)?.[1] ?? "")
      .split(/[\r\n]+/)
      .join("");
  }

  it("are accepted only where every byte is that of a genuine one, and refused with a TokenRefusedError", async () => {
    const verifier = verifierOf(signers);
    const known = new Set(genuine);
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(mutated, async (text) => {
        if (known.has(normalized(text))) {
          accepted += 1;
          expect((await verifier.verify(text)).issuer).to.equal("https://id.test");
        } else {
          expect(await reasonOf(verifier.verify(text))).to.equal("token_invalid");
        }
      }),
      { numRuns: 10_000 },
    );
    expect(accepted).to.be.within(100, 5_000); // both sides were tried
  }).timeout(60_000);
});
