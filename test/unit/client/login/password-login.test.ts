import { once } from "node:events";
import { createServer } from "node:http";
import { expect } from "chai";
import { LoginSession } from "../../../../client/login/login-session.js";
import { PasswordLogin } from "../../../../client/login/password-login.js";
import { rejectionOf } from "../../../helpers/rejection.js";
import { openIssuer, password } from "../../../helpers/tokens/test-issuer.js";

/** A page's login at an embedded issuer, or at what is in its place. */
async function open(isBroken: () => boolean = () => false) {
  const { issuer } = await openIssuer();
  const server = createServer((request, response) => {
    if (!isBroken()) return issuer.handler(request, response);
    response.writeHead(400, { "Content-Type": "text/html" }).end("<h1>400 Bad Request</h1>");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const before = Object.getOwnPropertyDescriptor(globalThis, "location");
  Object.defineProperty(globalThis, "location", { value: new URL(url), configurable: true });
  const source = new PasswordLogin(url);
  const session = new LoginSession(url, {
    survivesReload: () => source.survivesReload(),
    renew: (signal) => source.renew(signal),
    forget: () => source.forget(),
    stepUp: async () => {},
  });
  const close = async () => {
    if (before) Object.defineProperty(globalThis, "location", before);
    else Reflect.deleteProperty(globalThis, "location");
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { issuer, source, session, [Symbol.asyncDispose]: close };
}

describe("The login of a page by a password", () => {
  it("is not ended by an answer that is not the issuer's", async () => {
    let isBroken = false;
    await using page = await open(() => isBroken);
    const { session, source } = page;
    await session.change(() => source.login("ada", password));
    isBroken = true;
    expect(await rejectionOf(session.renew())).to.include({ code: "unavailable" });
    expect(session.state.status).to.equal("signed_in");
    isBroken = false;
    expect(await session.renew()).to.be.a("string");
    await page.issuer.endSessions("ada");
    expect(await session.renew()).to.equal(null);
    expect(session.state).to.include({ status: "signed_out", reason: "ended" });
  });

  it("that has ended can't sign out everywhere, and does not say that it has", async () => {
    await using page = await open();
    const { session, source, issuer } = page;
    await session.change(() => source.login("ada", password));
    await issuer.endSessions("ada");
    const elsewhere = await issuer.login("ada", password);
    const failure = await rejectionOf(session.change(() => source.logout(true)));
    expect(failure).to.include({ code: "refused" });
    await issuer.renew(elsewhere.refreshToken); // still signed in
    await session.change(() => source.logout(false));
    expect(session.state).to.include({ status: "signed_out", reason: "logout" });
    await session.change(() => source.login("ada", password));
    const other = await issuer.login("ada", password);
    await session.change(() => source.logout(true));
    await rejectionOf(issuer.renew(other.refreshToken));
  });
});
