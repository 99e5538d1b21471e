import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { needsChromium } from "../helpers/browser/browser.js";
import { BrowserSite } from "../helpers/browser/browser-site.js";

describe("Components of Vue and Svelte in Chromium", function () {
  this.timeout(30_000);

  before(function () {
    needsChromium(this);
  });

  it("show calls and subscriptions, waiting while the connection is lost, and end with their component", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit({ path: "frameworks" });
    const see = async (text: string) => {
      for (const id of ["vue", "svelte"])
        await tab.page.locator(`#${id}`, { hasText: text }).waitFor({ timeout: 10_000 });
    };
    await see("live undefined done 3");
    while (tab.received.filter((frame) => frame.includes('"epoch"')).length < 2) await delay(10);
    await site.server.publish(site.app.routes.numbers.watch, { colour: "red" }, 7);
    await see("live 7 done 3");
    site.network.down();
    await see("waiting 7 done 3");
    site.network.restore();
    await see("live 7 done 3");
    expect(tab.sentOf("numbers.add"), "one of each").to.equal(2);
    expect(tab.sentOf("unsubscribe")).to.equal(0);
    await tab.page.evaluate(() => (globalThis as unknown as { leave(): void }).leave());
    await site.server.publish(site.app.routes.numbers.watch, { colour: "red" }, 8);
    await tab.page.locator("#svelte", { hasText: "live 8 done 3" }).waitFor({ timeout: 10_000 });
    expect(await tab.page.locator("#vue").count()).to.equal(0);
    expect(tab.console.filter((line) => !line.includes("net::ERR_"))).to.deep.equal([]);
  });
});
