import { expect } from "chai";
import { needsChromium } from "../helpers/browser/browser.js";
import { BrowserSite } from "../helpers/browser/browser-site.js";

const frameworks = ["react", "vue", "svelte"] as const;

describe("The live state of a topic in React, Vue and Svelte in Chromium", function () {
  this.timeout(60_000);

  before(function () {
    needsChromium(this);
  });

  /** A page of each framework, and the cards that they show. */
  async function shown(site: BrowserSite) {
    const tab = await site.visit({ path: "live" });
    const move = async (id: string, tells = true) => {
      const version = (site.versions.get(id) ?? 0) + 1;
      site.versions.set(id, version);
      if (tells) await site.server.publish(site.app.routes.cards, { board: "b1" }, { id, version });
    };
    const see = async (status: string) => {
      const sorted = [...site.versions].sort(([one], [other]) => (one < other ? -1 : 1));
      const text = `${status} ${JSON.stringify(Object.fromEntries(sorted))}`;
      for (const id of frameworks)
        await tab.page.locator(`#${id}`, { hasText: text }).waitFor({ timeout: 15_000 });
    };
    const drawn = () =>
      tab.page.evaluate(() => (globalThis as unknown as { drawn(): string[] }).drawn());
    return { tab, move, see, drawn };
  }

  it("is the server's, over a lost connection and a restart, with no error drawn on the way", async () => {
    await using site = await BrowserSite.open();
    site.versions.set("c1", 1);
    const { tab, move, see, drawn } = await shown(site);
    await see("live");
    const snapshots = tab.sent.filter((frame) => frame.includes('"$snapshot":true'));
    expect(snapshots, "one for each, in StrictMode, too").to.have.length(3);
    await move("c2");
    await move("c1");
    await see("live");

    site.network.down(); // a few events, which the history still has
    for (const id of frameworks)
      await tab.page.locator(`#${id}`, { hasText: "waiting" }).waitFor({ timeout: 15_000 });
    await move("c2");
    await move("c3");
    site.network.restore();
    await see("live");

    site.network.down(); // more than it has
    for (const id of frameworks)
      await tab.page.locator(`#${id}`, { hasText: "waiting" }).waitFor({ timeout: 15_000 });
    for (let count = 0; count < 9; count++) await move(`c${count % 4}`);
    site.network.restore();
    await see("live");

    await site.stop();
    await move("c4", false); // while no server is there to tell
    await site.start();
    await see("live");
    await move("c4");
    await see("live");

    expect(await drawn()).to.deep.equal(
      frameworks
        .flatMap((name) => ["live", "loading", "waiting"].map((status) => `${name} ${status}`))
        .sort(),
    );
    expect(tab.sentOf("unsubscribe")).to.equal(0);
  });
});
