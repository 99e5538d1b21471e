import { expect } from "chai";
import { needsChromium } from "../helpers/browser.js";
import { BrowserSite } from "../helpers/browser-site.js";
import { PlainTab } from "../helpers/plain-tab.js";

const lifetime = 300_000; // ms, of the embedded issuer's tokens
const grace = 30_000; // ms
const sum = { ok: true, value: 5 };

describe("The SDK in Chromium, in a page that is put away,", function () {
  this.timeout(30_000);

  before(function () {
    needsChromium(this);
  });

  it("frozen for a short while, hears afterwards what it missed, on the same socket", async () => {
    await using site = await BrowserSite.open();
    await using tab = await PlainTab.open(site.url);
    await tab.do("open");
    await tab.do("ready");
    await tab.freeze();
    site.clock.advance(lifetime * 0.81); // the server warns; nobody hears it
    const frozen = await tab.do("notes");
    await tab.thaw();
    const { events, states } = await tab.until("a renewal", () => tab.sentOf("refresh") === 1);
    expect(frozen.events).to.deep.equal([]);
    expect(events.map(({ name }) => name)).to.include("auth.expiring");
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    expect(states).to.deep.equal(["connecting", "authenticating", "ready"]);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 1, sockets: 1 });
  });

  it("frozen until its session was closed, comes back by itself: one token call and one socket more", async () => {
    await using site = await BrowserSite.open();
    await using tab = await PlainTab.open(site.url);
    await tab.do("open", { soon: true });
    await tab.do("ready");
    await tab.freeze();
    site.clock.advance(lifetime + grace + 1_000);
    const frozen = await tab.do("notes");
    await tab.thaw();
    await tab.until("another session", ({ sockets, state }) => sockets === 2 && state === "ready");
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    expect(frozen.states).to.deep.equal(["connecting", "authenticating", "ready"]);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 1, sockets: 2 });
    expect((await tab.do("notes")).state).to.equal("ready");
  });

  it("in the back/forward cache, holds no socket, and is back with its session when the user comes back", async () => {
    await using site = await BrowserSite.open();
    await using tab = await PlainTab.open(site.url);
    await tab.do("open", { soon: true });
    await tab.do("ready");
    await tab.visit(`${site.url}elsewhere`);
    expect(site.server.connections).to.equal(0);
    await tab.back();
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    const { shown, states } = await tab.do("notes");
    expect(shown).to.deep.equal([false, true]); // it is the page of before, and not one that was loaded anew
    expect(states.slice(3)).to.deep.equal(["waiting: page_cached", "connecting", "authenticating", "ready"]);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 2 });
  });

  it("on a computer that sleeps for an hour, notices on waking, and leaves the dead socket: one token call and one socket more", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.page.clock.install();
    await tab.do("open");
    await tab.do("ready");
    site.network.blackHole(); // nobody is told of the end
    site.clock.advance(3_600_000);
    await tab.page.clock.fastForward(3_600_000); // timers fire once, however often they were due
    await tab.until("a refresh", () => tab.sentOf("refresh") === 1);
    await tab.do("start", "numbers.add", { a: 2, b: 3 });
    await tab.page.clock.runFor(12_000); // nobody answers for 10 s
    expect((await tab.state("ready")).sockets).to.equal(2);
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    expect(await tab.do("outcomes")).to.deep.equal([{ ok: false, type: "disconnected", sent: "maybe", reason: "no_answer" }]);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 1, sockets: 2 });
  });

  it("with a twentieth of the processor, is renewed in place all the same", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    const cdp = await tab.page.context().newCDPSession(tab.page);
    await cdp.send("Emulation.setCPUThrottlingRate", { rate: 20 });
    await tab.do("open");
    await tab.do("ready");
    site.clock.advance(lifetime * 0.81);
    await tab.until("a renewal", () => tab.sentOf("refresh") === 1);
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    expect((await tab.do("notes")).states).to.deep.equal(["connecting", "authenticating", "ready"]);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 1, sockets: 1 });
  });
});
