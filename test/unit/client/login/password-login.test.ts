import { once } from "node:events";
import { createServer } from "node:http";
import { expect } from "chai";
import { LoginSession } from "../../../../client/login/login-session.js";
import { PasswordLogin } from "../../../../client/login/password-login.js";
import type { LoginFailure } from "../../../../client/login/session-state.js";
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

  it("begins by a token that sets the password, and says apart what is wrong with either", async () => {
    await using page = await open();
    const { session, source, issuer } = page;
    const token = await issuer.users.invite("bob");
    const set = (...given: [string, string]) => session.change(() => source.setPassword(...given));
    const weak = await rejectionOf(set(token, "1234567"));
    expect(weak).to.include({ name: "LoginFailure", code: "invalid_password" });
    expect(weak.message).to.equal("A password needs at least 8 characters.");
    expect(session.state.status).to.equal("loading");
    await set(token, "bob's own password");
    expect(session.state).to.include({ status: "signed_in", subject: "bob" });
    expect(await session.renew()).to.be.a("string");
    expect(await rejectionOf(set(token, "an other password"))).to.include({
      code: "invalid_password_token",
    });
    expect(session.state, "who is signed in stays so").to.include({ subject: "bob" });
    for (let n = 0; n < 20; n++) await rejectionOf(set(`x.${n}`, "an other password"));
    const limited = await rejectionOf(set("x", "an other password"));
    expect(limited).to.include({ code: "too_many" });
    expect((limited as LoginFailure).retryAfter).to.be.within(1_000, 60_000);
  });

  it("reads the answer to a new password by the issuer's words, not by its status alone", async () => {
    let isBroken = true;
    await using page = await open(() => isBroken);
    const { session, source, issuer } = page;
    const token = await issuer.users.invite("bob");
    const set = () => session.change(() => source.setPassword(token, "bob's own password"));
    expect(await rejectionOf(set())).to.include({ code: "refused" });
    isBroken = false;
    await set();
    expect(session.state).to.include({ status: "signed_in", subject: "bob" });
  });
});
