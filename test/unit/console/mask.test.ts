import { expect } from "chai";
import { maskedFrame, maskedValue } from "../../../console/model/session/mask.js";

const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl";

describe("A frame without its secrets", () => {
  it("has no token, whatever its place: by name, by position, in a text, in a frame that is not JSON", () => {
    for (const frame of [
      `{"jsonrpc":"2.0","id":1,"method":"authenticate","params":{"token":"${jwt}"}}`,
      `{"jsonrpc":"2.0","id":1,"method":"authenticate","params":["${jwt}"]}`,
      `{"jsonrpc":"2.0","id":1,"method":"x","params":{"note":"Bearer ${jwt}, please"}}`,
      `{"token":"\\u0065yJ${jwt.slice(3)}"}`,
      `[{"result":{"token":"${jwt}"}}]`,
      `not JSON ${jwt}`,
    ]) {
      expect(maskedFrame(frame)).to.not.match(/eyJ|c2lnbmF0dXJl/);
      expect(maskedFrame(frame)).to.include("characters›");
    }
  });

  it("has no opaque secret under a telling name, and says how long it was", () => {
    const names = [
      "refreshToken",
      "refresh_token",
      "access_token",
      "password",
      "client_secret",
      "proof",
      "newPassword",
      "current_password",
      "passwordToken",
      "password_token",
      "resetToken",
      "Token",
    ];
    for (const name of names)
      expect(maskedValue({ [name]: "SLJR9W" }), name).to.deep.equal({
        [name]: "‹hidden, 6 characters›",
      });
    expect(maskedValue({ deep: [{ password: "x" }] })).to.deep.equal({
      deep: [{ password: "‹hidden, 1 characters›" }],
    });
  });

  it("is otherwise as it came: numbers that JavaScript would round, white space, names alike, values that are no text", () => {
    for (const frame of [
      '{ "n": 12345678901234567890 }',
      '{"tokens":3,"token":7,"tokenised":"yes","passwordHint":"cat","nextPageToken":"2"}',
      '{"__proto__":{"a":1}}',
      "plain words",
    ]) {
      expect(maskedFrame(frame)).to.equal(frame);
    }
  });

  it("is cut where it is deeper than anybody nests", () => {
    const deep = JSON.parse("[".repeat(5_000) + "]".repeat(5_000)) as unknown;
    expect(JSON.stringify(maskedValue(deep))).to.include("…");
  });
});
