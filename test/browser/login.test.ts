import { expect } from "chai";
import { needsChromium } from "../helpers/browser/browser.js";
import { BrowserSite } from "../helpers/browser/browser-site.js";
import { type Outcome, Visitor } from "../helpers/browser/visitor.js";
import { password } from "../helpers/tokens/test-issuer.js";

const lifetime = 300_000; // ms, of the embedded issuer's tokens

describe("createSession with the embedded issuer in Chromium", function () {
  this.timeout(60_000);

  before(function () {
    needsChromium(this);
  });

  const open = (cookie = true) => BrowserSite.open({ issuer: { cookie } });

  async function visit(site: BrowserSite, beside?: Visitor): Promise<Visitor> {
    const tab = await site.visit({ path: "session", ...(beside ? { beside: beside.page } : {}) });
    return new Visitor(tab.page);
  }

  it("logs in, keeps no secret where a script can read it, and survives a reload", async () => {
    await using site = await open();
    const ada = await visit(site);
    await ada.until("signed_out", null);
    expect(site.asked("/token"), "nobody was signed in: nobody is asked").to.equal(0);
    expect(await ada.do("login", "ada", "wrong password")).to.include({
      code: "invalid_credentials",
    });
    expect(await ada.do("login", "ada", password)).to.include({ ok: true });
    await ada.until("signed_in", "ada", "ready");
    expect(await ada.do("add", 2, 3)).to.deep.equal({ ok: true, value: 5 });
    expect(await ada.do("state")).to.deep.include({
      scopes: ["numbers:add"],
      survivesReload: true,
      reason: null,
    });
    const secrets = /[\w-]{22}\.[\w-]{48}|eyJ/;
    expect(await ada.do<string>("stored")).to.not.match(secrets);
    expect(await ada.do<string>("cookie")).to.equal("");
    await ada.page.reload();
    await ada.until("signed_in", "ada", "ready");
    expect(site.cost).to.include({ logins: 2, renewals: 1 });
  });

  it("renews once for two tabs, which a reload or a new tab joins", async () => {
    await using site = await open();
    const first = await visit(site);
    await first.do("login", "ada", password);
    await first.until("signed_in", "ada", "ready");
    const second = await visit(site, first);
    await second.until("signed_in", "ada", "ready");
    expect(site.cost).to.include({ logins: 1, renewals: 1 });
    const tokens = await Promise.all([first, second].map((tab) => tab.do("token", {})));
    expect(site.asked("/token"), "one renewal for both").to.be.within(1, 2);
    expect(tokens[0]?.value).to.equal(tokens[1]?.value);
    const before = site.asked("/token");
    site.clock.advance(lifetime * 0.81);
    for (const tab of [first, second])
      await tab.page.waitForFunction(
        () =>
          (globalThis as unknown as { visitor: { client(): string } }).visitor.client() === "ready",
      );
    expect((await first.do("add", 1, 1)).ok && (await second.do("add", 1, 1)).ok).to.equal(true);
    expect(site.asked("/token") - before).to.be.at.most(1);
  });

  it("feels a logout, a login and another user in the other tab", async () => {
    await using site = await open();
    await site.issuer.users.add("bob", password);
    const first = await visit(site);
    const second = await visit(site, first);
    await first.do("login", "ada", password);
    for (const tab of [first, second]) await tab.until("signed_in", "ada", "ready");
    await second.do("logout");
    for (const tab of [first, second]) await tab.until("signed_out", null, "closed");
    expect(await first.do("state")).to.include({ reason: "logout" });
    await second.do("login", "bob", password);
    for (const tab of [first, second]) {
      await tab.until("signed_in", "bob", "ready");
      expect((await tab.do("whoami")).value).to.include({ subject: "bob" });
    }
    await first.do("login", "ada", password);
    await second.until("signed_in", "ada", "ready");
  });

  it("sets a password by a token, which signs in all tabs and ends the logins elsewhere", async () => {
    await using site = await open();
    const [here, elsewhere] = [await visit(site), await visit(site)]; // two browsers
    const beside = await visit(site, here);
    await elsewhere.do("login", "ada", password);
    await elsewhere.until("signed_in", "ada", "ready");
    const token = await site.issuer.users.resetPassword("ada");
    const chosen = "a password of my own";
    expect(await here.do("setPassword", token, "short")).to.include({ code: "invalid_password" });
    expect(await here.do("setPassword", "x", chosen)).to.include({
      code: "invalid_password_token",
    });
    await here.until("signed_out", null);
    expect(await here.do("setPassword", token, chosen)).to.include({ ok: true });
    for (const tab of [here, beside]) await tab.until("signed_in", "ada", "ready");
    expect(await here.do("add", 2, 3)).to.deep.equal({ ok: true, value: 5 });
    await elsewhere.until("signed_out", null, "closed");
    expect(await elsewhere.do("state")).to.include({ reason: "ended" });
    expect(await here.do("setPassword", token, chosen)).to.include({
      code: "invalid_password_token",
    });
    await here.page.reload();
    await here.until("signed_in", "ada", "ready");
    expect(await elsewhere.do("login", "ada", password)).to.include({
      code: "invalid_credentials",
    });
    expect(await elsewhere.do("login", "ada", chosen)).to.include({ ok: true });
  });

  it("signs out everywhere, and a new login is good at once", async () => {
    await using site = await open();
    const [here, elsewhere] = [await visit(site), await visit(site)]; // two browsers
    for (const one of [here, elsewhere]) {
      await one.do("login", "ada", password);
      await one.until("signed_in", "ada", "ready");
    }
    expect(await here.do("everywhere")).to.include({ ok: true });
    await here.until("signed_out", null, "closed");
    await elsewhere.until("signed_out", null, "closed");
    expect(await elsewhere.do("state")).to.include({ reason: "ended" });
    const startedAt = performance.now();
    expect(await here.do("login", "ada", password)).to.include({ ok: true });
    await here.until("signed_in", "ada", "ready");
    expect(performance.now() - startedAt).to.be.below(5_000); // a lock-out would be minutes
  });

  it("asks for the password again when a method demands a newer login", async () => {
    await using site = await open();
    const ada = await visit(site);
    await ada.do("login", "ada", password);
    const before = await ada.do("token", { reason: "connect", force: false });
    const stronger = ada.do("token", { reason: "step_up", maxAge: 60 });
    await ada.page.waitForFunction(
      () =>
        (globalThis as unknown as { visitor: { state(): { stepUp: unknown } } }).visitor.state()
          .stepUp !== null,
    );
    expect((await ada.do<{ stepUp: object }>("state")).stepUp).to.deep.equal({
      acrValues: [],
      maxAge: 60,
    });
    await ada.do("login", "ada", password);
    const { ok, value } = (await stronger) as Outcome;
    expect(ok && value !== before.value).to.equal(true);
    expect((await ada.do<{ stepUp: unknown }>("state")).stepUp).to.equal(null);
  });

  it("says that a reload ends the login where the issuer keeps no cookie", async () => {
    await using site = await open(false);
    const ada = await visit(site);
    await ada.do("login", "ada", password);
    await ada.until("signed_in", "ada", "ready");
    expect(await ada.do("state")).to.include({ survivesReload: false });
    expect((await ada.do("token", {})).ok, "it renews all the same").to.equal(true);
    await ada.page.reload();
    await ada.until("signed_out", null);
    expect(await ada.do("state")).to.include({ reason: "never" });
  });
});
