import { expect } from "chai";
import { needsChromium } from "../helpers/browser/browser.js";
import { BrowserSite } from "../helpers/browser/browser-site.js";

const sum = { ok: true, value: 5 };

describe("The SDK in Chromium, over a network that fails,", function () {
  this.timeout(30_000);

  before(function () {
    needsChromium(this);
  });

  it("comes back after a server's restart with the token that it has: no token is fetched, and it takes one socket more", async () => {
    await using site = await BrowserSite.open({ realTime: true });
    const tab = await site.visit();
    await tab.do("open", { soon: true });
    await tab.do("ready");
    await site.stop({ drain: 200 });
    await site.start();
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    const { states, sockets } = await tab.do("notes");
    expect(states.slice(3, 4)).to.deep.equal(["waiting: server_restart"]);
    expect(states.slice(-3)).to.deep.equal(["connecting", "authenticating", "ready"]);
    expect(tab.sentOf("authenticate")).to.equal(2);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 2 });
    expect(sockets).to.be.within(2, 4); // the first one or two may have met nobody
  });

  it("keeps trying while the server is away, and what waits is sent once when it is back", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open", { soon: true });
    await tab.do("ready");
    await site.stop();
    await tab.do("start", "numbers.add", { a: 2, b: 3 });
    await tab.until("attempts", ({ sockets }) => sockets > 2);
    await site.start();
    expect(await tab.do("outcomes")).to.deep.equal([sum]);
    expect(tab.sentOf("numbers.add")).to.equal(1);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 2 });
  });

  it("tells a call that was in flight that it may have run, and does not send it again", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open", { soon: true });
    await tab.do("ready");
    await tab.do("start", "wait");
    await tab.until("the call", () => tab.sentOf("wait") === 1);
    site.network.cut();
    expect(await tab.do("outcomes")).to.deep.equal([
      { ok: false, code: "disconnected", sent: "maybe", reason: "connection_lost" },
    ]);
    expect(await tab.do("ready")).to.deep.equal({ ok: true, value: undefined });
    expect(tab.sentOf("wait")).to.equal(1);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 2 });
  });

  it("comes back at once when the browser says that it is online again, however long it would have waited", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.page.clock.install();
    await tab.do("open");
    await tab.do("ready");
    await tab.page.context().setOffline(true);
    site.network.down();
    await tab.state("waiting");
    for (let tries = 0; tries < 5; tries++) await tab.page.clock.runFor(20_000);
    await tab.state("waiting");
    const before = site.cost;
    site.network.restore();
    await tab.do("start", "numbers.add", { a: 2, b: 3 });
    await tab.page.context().setOffline(false); // no time passes in the page from here on
    expect(await tab.do("outcomes")).to.deep.equal([sum]);
    expect(before).to.deep.equal({ logins: 1, renewals: 0, sockets: 1 });
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 2 });
  });

  it("finds out within 5 seconds that the network under a socket is another one, and leaves the dead socket", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.page.clock.install();
    await tab.do("open");
    await tab.do("ready");
    // the page's clock stands still, however slow the machine is
    await tab.page.clock.pauseAt(Date.now() + 5_000);
    site.network.blackHole();
    await tab.page.context().setOffline(true);
    await tab.page.context().setOffline(false);
    await tab.until("a ping", () => tab.sentOf("ping") === 1);
    await tab.page.clock.runFor(4_900);
    expect((await tab.do("notes")).state).to.equal("ready");
    await tab.page.clock.runFor(1_200);
    const { states } = await tab.state("ready");
    expect(states).to.deep.equal([
      ...["connecting", "authenticating", "ready"],
      ...["waiting: no_answer", "connecting", "authenticating", "ready"],
    ]);
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 2 });
  });
});
