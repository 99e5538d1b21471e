import { expect } from "chai";
import { faultOf, TokenRefusedError } from "../../../src/auth/refusal.js";
import { readToken } from "../../../src/auth/token/token-format.js";
import { base64url, createTestKeys, signToken } from "../../helpers/tokens/tokens.js";

const keys = createTestKeys("Ed25519", "k1");
const token = signToken(keys);
const [header = "", payload = "", signature = ""] = token.split(".");

function complaint(input: unknown): string {
  try {
    readToken(input, 8_192);
  } catch (error) {
    if (error instanceof TokenRefusedError && error.code === "token_invalid") return error.detail;
    throw error;
  }
  return "none";
}

function refusalOf(input: unknown): unknown {
  try {
    return readToken(input, 8_192);
  } catch (error) {
    return error;
  }
}

function withHeader(text: string | Uint8Array): string {
  return `${base64url(text)}.${payload}.${signature}`;
}

describe("the format of a token", () => {
  it("tells alg, kid, header and claims", () => {
    const read = readToken(token, 8_192);
    expect(read).to.include({ text: token, algorithm: "Ed25519", keyId: "k1" });
    expect(read.claims).to.include({ iss: "https://id.test", sub: "user-1" });
    expect(read.header).to.include({ typ: "at+jwt" });
  });

  it("takes off white space at the ends, line breaks inside, and one Bearer", () => {
    const broken = token.replace(/(.{60})/g, "$1\r\n");
    for (const input of [
      ` ${token}\n`,
      `\t${token}\r\n`,
      `Bearer ${token}`,
      `  Bearer   ${token} `,
      broken,
      `Bearer ${broken}`,
    ]) {
      expect(readToken(input, 8_192).text).to.equal(token);
    }
    expect(complaint(`Bearer Bearer ${token}`)).to.match(/three base64url segments/);
    for (const scheme of ["bearer", "BEARER", "bEaReR", "Bearer\t"])
      expect(readToken(`${scheme} ${token}`, 8_192).text).to.equal(token);
    expect(complaint(`Bearer${token}`)).to.match(/the header is refused|not canonical/);
    expect(complaint(`Basic ${token}`)).to.match(/three base64url segments/);
  });

  it("asks whether what is no JWT is a refresh token, or another that only its issuer can read", () => {
    expect(complaint("CPMxlaJ_0q2H4tj7pIMpKQ.AAAAASxZ_jJJ1gSbGtJ6")).to.match(
      /^this is no JWT.* a refresh token, or an opaque one\?$/,
    );
    expect(complaint(`${token}.${signature}`)).to.match(/^this is no JWT/);
    expect(complaint(`${token}!`)).to.match(/^this is no JWT/);
  });

  it("tells an encrypted token from what is none, with a hint of its own", () => {
    const encrypted = ["eyJhbGciOiJkaXIifQ", "", "iv", "ciphertext", "tag"].join(".");
    for (const input of [encrypted, `Bearer ${encrypted}`, `${token}.${signature}.${signature}`]) {
      expect(complaint(input)).to.match(/^this is an encrypted token \(JWE, five segments\)/);
      const { error } = faultOf(refusalOf(input), false);
      expect((error.data as { hint?: string }).hint).to.match(/signed access tokens \(JWS\)/);
      expect(faultOf(refusalOf(input), true).error.data).to.not.have.property("hint");
    }
    const hintFor = (input: string) =>
      (faultOf(refusalOf(input), false).error.data as { hint?: string }).hint;
    expect(hintFor("x.y.z")).to.match(/get a new token/);
    expect(hintFor("key_1")).to.match(/opaque tokens give the server auth: \{ verify \}/);
    expect(complaint(`${token}.${signature}.${signature}.${signature}`)).to.match(
      /^this is no JWT/,
    );
  });

  it("refuses anything but a string", () => {
    for (const input of [undefined, null, 0, true, {}, [token], new String(token)])
      expect(complaint(input)).to.equal("the token is not a string");
  });

  it("refuses anything but three canonical base64url segments", () => {
    // 64 bytes leave four spare bits
    const spare = { A: "B", Q: "R", g: "h", w: "x" }[signature.slice(-1)];
    const variants: Record<string, string> = {
      empty: "",
      "one segment": header,
      "two segments": `${header}.${payload}`,
      "four segments": `${token}.${signature}`,
      "six segments": `${token}.${signature}.${signature}.${signature}`,
      "empty header": `.${payload}.${signature}`,
      "empty payload": `${header}..${signature}`,
      "empty signature": `${header}.${payload}.`,
      padding: `${token}==`,
      "padding inside": `${header}=.${payload}.${signature}`,
      plus: `${header}.${payload}.+${signature.slice(1)}`,
      slash: `${header}.${payload}./${signature.slice(1)}`,
      "space inside": `${header}. ${payload}.${signature}`,
      "space in a segment": `${header}.${payload.slice(0, 4)} ${payload.slice(4)}.${signature}`,
      tab: `${header}.\t${payload}.${signature}`,
      NUL: `${token}\0`,
      "JSON serialization": JSON.stringify({ protected: header, payload, signature }),
      "spare bits": `${token.slice(0, -1)}${spare}`,
      "one character left over": `${header}.${payload}.${signature}AAA`,
      "full-width dot": token.replace(".", "．"),
      "Cyrillic letter": `${header}.${payload}.а${signature.slice(1)}`,
    };
    expect(spare).to.be.a("string");
    for (const [name, variant] of Object.entries(variants)) {
      expect(complaint(variant), name).to.match(/three base64url segments|canonical/);
    }
  });

  it("takes as many characters as it may have, and refuses one more", () => {
    const long = (length: number) => `${token}${"A".repeat(length - token.length)}`;
    expect(complaint(long(8_193))).to.equal(
      "the token has 8193 characters, and auth.maxTokenLength is 8192",
    );
    expect(complaint(long(8_192))).not.to.match(/maxTokenLength/);
  });

  it("refuses header parameters that bring keys or change the meaning, whatever their value", () => {
    for (const name of ["jwk", "crit", "b64", "zip", "enc"]) {
      for (const value of ["https://evil.test", "", null, [], {}, 0, false]) {
        expect(complaint(withHeader(JSON.stringify({ alg: "ES256", [name]: value })))).to.equal(
          `the header has ${name}`,
        );
      }
    }
    for (const name of ["jku", "x5u", "cty", "x5t"])
      expect(complaint(withHeader(`{"alg":"ES256","${name}":"a"}`)), name).to.equal("none");
  });

  it("refuses an alg that is not a string", () => {
    for (const alg of [undefined, null, 0, [], ["ES256"], {}]) {
      expect(complaint(withHeader(JSON.stringify({ alg, typ: "JWT" })))).to.equal(
        "the header has no alg",
      );
    }
  });

  it("refuses a kid that is not a string of 1 to 512 characters", () => {
    for (const kid of [null, 1, "", [], {}, "k".repeat(513)]) {
      expect(complaint(withHeader(JSON.stringify({ alg: "ES256", kid })))).to.match(/kid/);
    }
    expect(complaint(withHeader(JSON.stringify({ alg: "ES256", kid: "k".repeat(512) })))).to.equal(
      "none",
    );
  });

  it("refuses a header or payload that is not one unambiguous object", () => {
    for (const text of [
      '{"alg":"ES256","alg":"none"}',
      '{"alg":"ES256","\\u0061lg":"none"}',
      "[]",
      "null",
      '"ES256"',
      "{}{}",
      '\ufeff{"alg":"ES256"}',
    ]) {
      expect(complaint(withHeader(text)), text).to.match(/^the header is refused/);
    }
    for (const text of [
      '{"sub":"admin","sub":"u"}',
      '{"\\ud800":1}',
      "[]",
      "1",
      "",
      Buffer.from("{}", "utf16le"),
      Buffer.of(0x7b, 0xff, 0x7d),
    ]) {
      const segment = base64url(text);
      expect(complaint(`${header}.${segment}.${signature}`), String(text)).to.match(
        /^the payload is refused|three base64url segments/,
      );
    }
  });
});
