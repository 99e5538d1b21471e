import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { expect } from "chai";
import { AuthStopError } from "../../../client/errors.js";
import { clientCredentials } from "../../../client/login/index.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { claimsOf, openIssuer, type TestIssuer } from "../../helpers/tokens/test-issuer.js";

describe("clientCredentials", () => {
  let opened: TestIssuer;
  let server: Server;
  let url: string;
  let asked = 0;
  /** What the next requests are answered with, instead of the issuer's answer. */
  let failures: number[] = [];

  beforeEach(async () => {
    opened = await openIssuer();
    asked = 0;
    failures = [];
    server = createServer((request, response) => {
      asked++;
      const status = failures.shift();
      if (status === undefined) return opened.issuer.handler(request, response);
      if (status === 0) return request.socket.destroy();
      return response.writeHead(status).end("<html>");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  });

  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });

  const request = (more: object = {}) => ({
    ...{ force: false, previous: null, signal: new AbortController().signal },
    ...more,
  });

  async function made(more: object = {}) {
    const id = "billing/1:%+e";
    const client = await opened.issuer.clients.add({ clientId: id, scopes: ["orders:read", "x"] });
    return clientCredentials({ url, ...client, ...more });
  }

  it("gets a token for the program itself, and keeps it until a newer one is needed", async () => {
    const token = await made({ scope: "orders:read" });
    const first = await token(request());
    expect(claimsOf(first)).to.include({ sub: "client:billing/1:%+e", scope: "orders:read" });
    expect(await token(request({ previous: first }))).to.equal(first);
    expect(asked).to.equal(1);
    const second = await token(request({ force: true, previous: first }));
    expect(second).to.not.equal(first);
    expect(await token(request({ force: true, previous: first })), "it has that").to.equal(second);
    expect(asked).to.equal(2);
  });

  it("asks once for all that ask meanwhile, and one that gives up takes nothing from the others", async () => {
    const token = await made();
    const gone = new AbortController();
    const all = [token(request({ signal: gone.signal })), token(request()), token(request())];
    gone.abort(new Error("gone"));
    expect((await rejectionOf(all[0] as Promise<string>)).message).to.equal("gone");
    expect(await all[1]).to.equal(await all[2]);
    expect(asked).to.equal(1);
  });

  it("keeps no token that is about to end", async () => {
    opened = await openIssuer({ accessTokenTtl: 5_000 });
    const token = await made();
    await token(request());
    await token(request());
    expect(asked).to.equal(2);
  });

  it("tries again when the issuer fails for a moment, and says so when it goes on", async () => {
    const token = await made();
    failures = [503, 0];
    const first = await token(request());
    expect(claimsOf(first).sub).to.match(/^client:/);
    expect(asked).to.equal(3);
    failures = [500, 500, 500];
    const error = await rejectionOf(token(request({ force: true, previous: first })));
    expect(error).to.not.be.instanceOf(AuthStopError);
    expect(error.message).to.include("answered 500");
  });

  it("stops for credentials that are refused, without a second try", async () => {
    const { clientId } = await opened.issuer.clients.add({ scopes: [] });
    const token = clientCredentials({ url: `${url}/token`, clientId, clientSecret: "wrong" });
    expect(await rejectionOf(token(request()))).to.be.instanceOf(AuthStopError);
    const greedy = await made({ scope: "more" });
    expect(await rejectionOf(greedy(request()))).to.be.instanceOf(AuthStopError);
    expect(asked).to.equal(2);
    expect(() => clientCredentials({ url, clientId: "", clientSecret: "" })).to.throw(TypeError);
  });
});
