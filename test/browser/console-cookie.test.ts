import { expect } from "chai";
import { needsChromium } from "../helpers/browser/browser.js";
import { button, ConsoleVisit, call, logIn, method } from "../helpers/browser/console-visit.js";

const lifetime = 300_000; // ms, of the issuer's tokens

describe("The console of an issuer that keeps refresh tokens in a cookie, in Chromium", function () {
  this.timeout(60_000);

  before(function () {
    needsChromium(this);
  });

  it("logs in, refreshes, survives a reload and logs out, as without a cookie", async () => {
    await using visit = await ConsoleVisit.open({}, { cookie: true });
    const page = await visit.page();
    await page.getByLabel(/^Stay logged in/).check();
    await logIn(page);
    await button(page, "Refresh").click();
    await page.getByText("Session refreshed").waitFor();
    await page.reload();
    await page.getByText("connected", { exact: true }).waitFor();
    await method(page, "orders.list").click();
    expect(await call(page)).to.match(/^Result/);
    const renewal = page.waitForResponse((response) => response.url().endsWith("/token"));
    visit.clock.advance(lifetime * 0.9); // the SDK refreshes by itself
    expect((await renewal).status()).to.equal(200);
    expect(await call(page)).to.match(/^Result/);
    await button(page, "Log out").click();
    await button(page, "Log in").waitFor();
    await page.reload();
    await button(page, "Log in").waitFor();
    expect(await page.context().cookies(), "it leaves the application's login alone").to.deep.equal(
      [],
    );
    expect(visit.complaints).to.deep.equal([]);
  });

  it("has a login of its own in each tab, beside that of the application's pages", async () => {
    await using visit = await ConsoleVisit.open({}, { cookie: true });
    const ada = await visit.visitor("ada");
    const bob = await visit.pageIn(ada.context());
    await logIn(bob, "bob");
    for (const [page, name] of [
      [ada, "ada"],
      [bob, "bob"],
    ] as const) {
      await button(page, "Refresh").click();
      await page.getByText("Session refreshed").waitFor();
      const session = page.getByRole("complementary", { name: "Session" });
      expect(await session.getByText(name, { exact: true }).first().isVisible()).to.equal(true);
    }
    expect(await ada.context().cookies()).to.deep.equal([]);
  });
});
