import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { requires, runs } from "../helpers/requirement.js";
import type { Message } from "../helpers/server/raw-client.js";
import { sampleApp, startServer, type TestServer } from "../helpers/server/test-server.js";
import { createTestKeys } from "../helpers/tokens/tokens.js";

const python = "/usr/bin/python3"; // Debian's, which sees Debian's packages
const program = fileURLToPath(new URL("../helpers/python/client.py", import.meta.url));

type Steps = Readonly<Record<string, Message>>;

/** What the Python client was answered, step by step. */
function converse(settings: object): Promise<Steps> {
  return new Promise((resolve, reject) => {
    const child = execFile(python, [program], { timeout: 15_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as Steps);
      else reject(new Error(`${error.message}\n${stderr}`));
    });
    child.stdin?.end(JSON.stringify(settings));
  });
}

describe("A client in Python, with websockets and PyJWT", function () {
  this.timeout(20_000);

  before(function () {
    requires(this, "python3-websockets or python3-jwt", () =>
      runs(python, "-c", "import websockets, jwt, cryptography"),
    );
  });

  const secret = "a secret of more than thirty-two bytes";
  const keys = createTestKeys("ES256");
  const modes = [
    { algorithm: "HS256", key: secret, trust: { secret } },
    {
      algorithm: "ES256",
      key: String(keys.privateKey.export({ type: "pkcs8", format: "pem" })),
      trust: { publicKey: keys.publicKey },
    },
  ];

  for (const { algorithm, key, trust } of modes) {
    describe(`signing with ${algorithm}`, () => {
      let server: TestServer;
      let steps: Steps;

      before(async () => {
        server = await startServer(sampleApp(), {
          auth: { issuer: "https://id.test", audience: "test", ...trust },
        });
        steps = await converse({ url: server.url, key, algorithm });
      });

      after(() => server.close());

      const succeeds = (step: string) => expect(steps[step], step).to.have.property("result");
      const fails = (step: string, code: number) =>
        expect(steps[step]?.error?.code, step).to.equal(code);

      it("is let in with its own token, and its calls are answered", () => {
        expect(steps.subprotocol).to.equal("jotwire.v1");
        succeeds("authenticate");
        expect(steps.call?.result).to.equal(3);
        fails("not in scope", -32003);
      });

      it("is not let in without a token, or with one that is not right", () => {
        fails("call before authenticate", -32001);
        fails("another audience", -32004);
        fails("expired", -32002);
        fails("unsigned", -32004);
      });

      it("renews its session with another token, and keeps it when one is not accepted", () => {
        fails("refresh for somebody else", -32006);
        fails("refresh with a broken signature", -32004);
        expect(steps.refresh?.result).to.include({ subject: "ada", changed: true });
        expect(steps["in scope now"]?.result).to.equal("done");
        expect(steps["late refresh"]?.result).to.include({ changed: false });
        expect(steps.whoami?.result).to.deep.include({
          state: "active",
          subject: "ada",
          scopes: ["numbers:add", "admin"],
        });
      });
    });
  }
});
