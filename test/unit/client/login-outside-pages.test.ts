import { expect } from "chai";
import { afterEach, describe, it } from "mocha";
import { createSession, type LoginState } from "../../../client/login/index.js";
import { createRpc, createServer, type Server } from "../../../src/index.js";
import { createIssuer, memoryStore } from "../../../src/issuer/index.js";

const provider = { issuer: "https://id.example.com", clientId: "board" };
const request = {
  ...{ reason: "connect", force: false, attempt: 1, previous: null },
  signal: new AbortController().signal,
} as const;

describe("A session of `createSession` outside of pages", () => {
  const servers: Server[] = [];
  const { fetch } = globalThis;
  afterEach(async () => {
    globalThis.fetch = fetch;
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });

  for (const [name, create] of [
    ["without a URL", () => createSession()],
    ["with a URL", () => createSession({ url: "https://id.example.com" })],
    ["of a provider", () => createSession({ provider })],
  ] as const)
    it(`${name} is signed out, and asks nobody`, async () => {
      let asked = 0;
      globalThis.fetch = () => Promise.reject(new Error(`asked ${++asked} times`));
      const session = create();
      expect(session.state.status).to.equal("loading");
      const { status, reason }: LoginState = await session.ready();
      expect({ status, reason }).to.deep.equal({ status: "signed_out", reason: "never" });
      expect(await session.token(request)).to.equal(null);
      expect(asked).to.equal(0);
    });

  it("says what `login` needs", async () => {
    for (const [login, text] of [
      [() => createSession().login("ada", "x"), /"url"/],
      [() => createSession({ provider }).login(), /in a page/],
    ] as const) {
      const error = await login().catch((error: unknown) => error);
      expect(error).to.be.an.instanceOf(TypeError).with.property("message").that.matches(text);
    }
  });

  it("logs in at the issuer that `url` names, such as in a test", async () => {
    const issuer = await createIssuer({
      ...{ issuer: "http://localhost:1", audience: "board", cookie: true },
      store: memoryStore(),
    });
    await issuer.users.add("ada", "correct horse battery", { scopes: ["orders"] });
    const server = createServer(createRpc().router({}), { auth: issuer });
    servers.push(server);
    const { port } = await server.listen(0);
    const session = createSession({ url: `http://127.0.0.1:${port}` });
    const refused = await session.login("ada", "wrong").catch((error: unknown) => error);
    expect(refused).to.have.property("code", "invalid_credentials");
    await session.login("ada", "correct horse battery");
    expect(session.state).to.include({ status: "signed_in", subject: "ada" });
    const first = await session.token(request);
    const next = await session.token({ ...request, force: true, previous: first });
    expect((await server.verify(next ?? "")).subject).to.equal("ada");
    expect(next).to.not.equal(first);
    await session.signOutEverywhere();
    expect(session.state.status).to.equal("signed_out");
    expect(await session.token(request)).to.equal(null);
  });
});
