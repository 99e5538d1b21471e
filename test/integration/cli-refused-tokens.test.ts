import { expect } from "chai";
import { type Finished, runCli } from "../helpers/cli/command-line.js";
import { sampleApp, startServer, type TestServer } from "../helpers/server/test-server.js";
import { createTestKeys, signHmac, signToken } from "../helpers/tokens/tokens.js";

const call = ({ url }: TestServer, token: string): Promise<Finished> =>
  runCli(["call", url, "numbers.add", '{"a":1}'], { env: { JOTWIRE_TOKEN: token } });

describe("jotwire call with a token that the server refuses", function () {
  this.timeout(60_000); // many processes

  it("says which rule it broke, and nothing about its expiry, outside of production", async () => {
    await using server = await startServer(sampleApp(), { production: false });
    const now = Math.floor(Date.now() / 1_000);
    expect(await call(server, server.token({ scope: "numbers:add" }))).to.include({
      code: 0,
      stdout: "2\n",
    });
    const refused = [
      [server.token({ aud: "somebody else" }), "aud is"],
      [server.token({ iss: "https://other.test" }), "iss"],
      [server.token({ sub: undefined }), "sub is missing"],
      [server.token({ iat: now + 3_600 }), "iat"],
      [signHmac("a secret of more than 32 bytes, so that it is one", {}, { alg: "HS256" }), "alg"],
      ["abc", "segments"],
    ] as const;
    for (const [token, detail] of refused) {
      const { code, stderr } = await call(server, token);
      expect(code, detail).to.equal(5);
      expect(stderr)
        .to.match(/^jotwire: the token was refused \(-32004 token_invalid\): [^\n]+\n$/)
        .and.include(detail)
        .and.not.include("expires in");
    }
  });

  it("points to the server's log in production", async () => {
    await using server = await startServer(sampleApp(), { production: true });
    const { code, stderr } = await call(server, signToken(createTestKeys()));
    expect(code).to.equal(5);
    expect(stderr).to.equal(
      "jotwire: the token was refused (-32004 token_invalid): the cause is in the server's log\n",
    );
  });

  it("says that it was revoked, and to log in again", async () => {
    await using server = await startServer(sampleApp());
    await server.server.revoke({ jti: "t1" });
    const { code, stderr } = await call(server, server.token({ jti: "t1" }));
    expect(code).to.equal(5);
    expect(stderr).to.equal(
      "jotwire: the token was refused (-32005 token_revoked): log in again\n",
    );
  });

  it("says since when it has been dead, when that is the cause", async () => {
    await using server = await startServer(sampleApp());
    const iat = Math.floor(Date.now() / 1_000) - 900 - 7_200;
    const { code, stderr } = await call(server, server.token({ iat }));
    expect(code).to.equal(5);
    expect(stderr).to.match(
      /refused \(-32002 token_expired\): it expired 2 h( \d+ s)? ago; a new one: jotwire token --user <name>\n$/,
    );
  });
});
