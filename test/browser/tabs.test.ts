import { expect } from "chai";
import { needsChromium } from "../helpers/browser/browser.js";
import { BrowserSite } from "../helpers/browser/browser-site.js";
import type { BrowserTab } from "../helpers/browser/browser-tab.js";

const lifetime = 300_000; // ms, of the embedded issuer's tokens
const sum = { ok: true, value: 5 };

describe("Three tabs of one login in Chromium", function () {
  this.timeout(30_000);

  before(function () {
    needsChromium(this);
  });

  /** Tabs of one browser session and one login, whose refresh tokens are good once. */
  async function threeTabs(site: BrowserSite, share: boolean): Promise<readonly BrowserTab[]> {
    const first = await site.visit();
    const tabs = [first, await site.visit({ beside: first }), await site.visit({ beside: first })];
    for (const tab of tabs) {
      await tab.do("open", { isTogether: true, share });
      expect(await tab.do("ready")).to.deep.equal({ ok: true, value: undefined });
    }
    // each has a first token of its own
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 2, sockets: 3 });
    return tabs;
  }

  const renewed = (tabs: readonly BrowserTab[], times: number) =>
    Promise.all(
      tabs.map((tab) =>
        tab.until(
          "a renewal",
          () => tab.received.filter((frame) => frame.includes('"changed":true')).length === times,
        ),
      ),
    );

  it("renew their session with one token call each time, in place, and nothing looks like a stolen token", async () => {
    await using site = await BrowserSite.open();
    const tabs = await threeTabs(site, true);
    for (let times = 1; times <= 3; times++) {
      site.clock.advance(lifetime * 0.81);
      await renewed(tabs, times);
      expect(site.cost).to.deep.equal({ logins: 1, renewals: 2 + times, sockets: 3 });
    }
    for (const tab of tabs) {
      expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
      expect((await tab.do("notes")).states).to.deep.equal([
        "connecting",
        "authenticating",
        "ready",
      ]);
      expect(tab.sentOf("refresh")).to.equal(3);
    }
    const asked = await Promise.all(
      tabs.map(async (tab) => (await tab.do("notes")).tokenCalls.length),
    );
    expect(asked.reduce((all, some) => all + some)).to.equal(3 + 3);
  });

  it("go on sharing when the tab that used to renew is closed", async () => {
    await using site = await BrowserSite.open();
    const [first, ...others] = await threeTabs(site, true);
    await first?.page.close();
    site.clock.advance(lifetime * 0.81);
    await renewed(others, 1);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 3, sockets: 3 });
  });

  it("ask each for itself where sharing is turned off", async () => {
    await using site = await BrowserSite.open();
    const tabs = await threeTabs(site, false);
    site.clock.advance(lifetime * 0.81);
    await renewed(tabs, 1);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 5, sockets: 3 });
  });
});
