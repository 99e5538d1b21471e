import { expect } from "chai";
import { needsChromium } from "../helpers/browser/browser.js";
import { BrowserSite } from "../helpers/browser/browser-site.js";

const lifetime = 300_000; // ms, of the embedded issuer's tokens
const sum = { ok: true, value: 5 };

describe("A page's token callback in Chromium", function () {
  this.timeout(30_000);

  before(function () {
    needsChromium(this);
  });

  it("that throws costs no socket; it is asked again, and serves as soon as it can", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open", { habit: "throws", soon: true });
    const failing = await tab.until("three tries", ({ tokenCalls }) => tokenCalls.length >= 3);
    expect(failing.states.slice(0, 4)).to.deep.equal([
      "connecting",
      "waiting: token_unavailable",
      "connecting",
      "waiting: token_unavailable",
    ]);
    expect(failing.tokenCalls.slice(0, 3).map(({ attempt }) => attempt)).to.deep.equal([1, 2, 3]);
    expect(failing.sockets).to.equal(0);
    await tab.do("setHabit", "renews");
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 1 });
  });

  it("that throws under a live session ends nothing: calls are answered until the token's end, and it is asked again", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open", { soon: true });
    await tab.do("ready");
    await tab.do("setHabit", "throws");
    expect(await tab.do("refresh")).to.deep.equal({ ok: false, code: "Error: no token today" });
    await tab.until("more tries", ({ tokenCalls }) => tokenCalls.length >= 4);
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    expect((await tab.do("notes")).states).to.deep.equal(["connecting", "authenticating", "ready"]);
    await tab.do("setHabit", "renews");
    await tab.until("a renewal", () => tab.sentOf("refresh") === 1);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 1, sockets: 1 });
  });

  it("that hangs is given up after 10 seconds, and asked again; no socket waits for it", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.page.clock.install();
    await tab.do("open", { habit: "hangs", soon: true });
    await tab.until("a try", ({ tokenCalls }) => tokenCalls.length === 1);
    await tab.page.clock.runFor(9_000);
    expect((await tab.do("notes")).state).to.equal("connecting");
    await tab.do("setHabit", "renews");
    await tab.page.clock.runFor(2_000);
    const notes = await tab.state("ready");
    expect(notes.states).to.deep.equal([
      "connecting",
      "waiting: token_unavailable",
      "connecting",
      "authenticating",
      "ready",
    ]);
    expect(notes.tokenCalls).to.have.length(2);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 1 });
  });

  it("that says nobody is signed in closes the client, without a socket, and is not asked again", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.page.clock.install();
    await tab.do("open", { habit: "none", soon: true });
    await tab.state("closed");
    await tab.page.clock.runFor(600_000);
    const notes = await tab.do("notes");
    expect(notes.states).to.deep.equal(["connecting", "closed: signed_out"]);
    expect(notes.tokenCalls).to.have.length(1);
    expect(await tab.do("call", "time.now")).to.deep.equal({
      ok: false,
      code: "disconnected",
      sent: "no",
      reason: "signed_out",
    });
    expect(site.cost).to.deep.equal({ logins: 0, renewals: 0, sockets: 0 });
  });

  it("that gives the dead token again is asked again with back-off, over the end of the grace too, and no socket is opened for that token", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open", { soon: true });
    await tab.do("ready");
    await tab.do("setHabit", "same");
    site.clock.advance(lifetime + 1_000);
    await tab.until("tries in the grace", ({ tokenCalls }) => tokenCalls.length >= 4);
    expect((await tab.do("notes")).states.slice(3)).to.deep.equal(["refreshing"]);
    site.clock.advance(31_000);
    const waiting = await tab.until("tries after it", ({ states }) =>
      states.includes("waiting: token_refused"),
    );
    expect(waiting.sockets).to.equal(1);
    await tab.do("setHabit", "renews");
    await tab.state("ready");
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 1, sockets: 2 });
  });

  it("may come to itself after that: `reconnect` signs in anew", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open", { habit: "none" });
    await tab.state("closed");
    await tab.do("setHabit", "renews");
    expect(await tab.do("reconnect")).to.deep.equal({ ok: true, value: undefined });
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 1 });
  });
});
