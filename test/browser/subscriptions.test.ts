import { expect } from "chai";
import { needsChromium } from "../helpers/browser/browser.js";
import { BrowserSite } from "../helpers/browser/browser-site.js";
import { PlainTab } from "../helpers/browser/plain-tab.js";

const lifetime = 300_000; // ms, of the embedded issuer's tokens
const colour = { colour: "red" };

describe("A subscription of the SDK in Chromium", function () {
  this.timeout(30_000);

  before(function () {
    needsChromium(this);
  });

  const publish = async (site: BrowserSite, ...numbers: readonly number[]) => {
    for (const number of numbers)
      await site.server.publish(site.app.routes.numbers.watch, colour, number);
  };

  /** A page that watches, and has seen the number 0. */
  async function watching<Tab extends PlainTab | Awaited<ReturnType<BrowserSite["visit"]>>>(
    site: BrowserSite,
    tab: Tab,
  ): Promise<Tab> {
    await tab.do("open", { soon: true });
    await tab.do("ready");
    await tab.do("watch", "numbers.watch", colour);
    await tab.until("the subscription", () =>
      tab.received.some((frame) => frame.includes('"epoch"')),
    );
    await publish(site, 0);
    await tab.until("the first event", ({ watched }) => watched.length === 1);
    return tab;
  }

  it("misses nothing over a renewal and an expiry: what is held back follows, in order, on the same socket", async () => {
    await using site = await BrowserSite.open();
    const tab = await watching(site, await site.visit());
    await tab.do("setHabit", "held");
    site.clock.advance(lifetime + 1_000);
    await publish(site, 1, 2); // while it has expired
    await tab.state("refreshing");
    expect((await tab.do("notes")).watched).to.deep.equal([0]);
    await tab.do("release");
    await tab.until("what was held", ({ watched }) => watched.length === 3);
    await publish(site, 3);
    const { watched } = await tab.until("the next", (notes) => notes.watched.length === 4);
    expect(watched).to.deep.equal([0, 1, 2, 3]);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 1, sockets: 1 });
    expect(tab.sentOf("numbers.watch")).to.equal(1);
  });

  it("goes on after a lost connection with every event once and in order: it says where it was", async () => {
    await using site = await BrowserSite.open();
    const tab = await watching(site, await site.visit());
    site.network.down();
    await publish(site, 1, 2, 3);
    site.network.restore();
    await tab.until("what it missed", ({ watched }) => watched.length === 4);
    await publish(site, 4);
    const { watched } = await tab.until("the next", (notes) => notes.watched.length === 5);
    expect(watched).to.deep.equal([0, 1, 2, 3, 4]);
    expect(tab.sentOf("numbers.watch")).to.equal(2);
    expect(tab.sent.some((frame) => frame.includes('"$since"'))).to.equal(true);
    expect(site.cost).to.include({ logins: 1, renewals: 0 });
  });

  it("goes on after a restart of the server that forgot what was: one gap is told, and the events after it", async () => {
    await using site = await BrowserSite.open();
    const tab = await watching(site, await site.visit());
    await site.stop();
    await site.start();
    const answers = () => tab.received.filter((frame) => frame.includes('"epoch"')).length;
    await tab.until("another subscription", () => answers() === 2);
    await publish(site, 7, 8);
    const { watched } = await tab.until("events", (notes) => notes.watched.length >= 4);
    expect(watched).to.deep.equal([0, "gap", 7, 8]);
    expect(tab.sentOf("numbers.watch")).to.equal(2);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 2 });
  });

  it("catches up when its page comes out of the back/forward cache", async () => {
    await using site = await BrowserSite.open();
    await using tab = await PlainTab.open(site.url);
    await watching(site, tab);
    await tab.visit(`${site.url}elsewhere`);
    await publish(site, 1, 2);
    await tab.back();
    const { shown, watched } = await tab.until(
      "what it missed",
      (notes) => notes.watched.length === 3,
    );
    expect(shown).to.deep.equal([false, true]);
    expect(watched).to.deep.equal([0, 1, 2]);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 2 });
  });
});
