import { expect } from "chai";
import { needsChromium } from "../helpers/browser/browser.js";
import { BrowserSite } from "../helpers/browser/browser-site.js";
import type { BrowserTab } from "../helpers/browser/browser-tab.js";

const lifetime = 300_000; // ms, of the embedded issuer's tokens
const grace = 30_000; // ms
const hour = 3_600_000; // ms
const sum = { ok: true, value: 5 };

describe("The SDK's session in Chromium", function () {
  this.timeout(30_000);

  before(function () {
    needsChromium(this);
  });

  it("authenticates with one token call and one socket, and calls are answered", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open");
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    const notes = await tab.do("notes");
    expect(notes.states).to.deep.equal(["connecting", "authenticating", "ready"]);
    expect(notes).to.deep.include({
      subject: "ada",
      sockets: 1,
      tokenCalls: [{ reason: "connect", force: false, attempt: 1 }],
    });
    expect(notes.events).to.deep.equal([{ name: "numbers.changed", params: { sum: 5 } }]);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 1 });
    expect(tab.sentOf("authenticate")).to.equal(1);
    expect(tab.sentOf("numbers.add")).to.equal(1);
    expect(tab.sent).to.have.length(2);
  });

  it("is renewed in place, before it expires, at the server's word: one token call more, and the same socket", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open");
    await tab.do("ready");
    site.clock.advance(lifetime * 0.79);
    expect(tab.sentOf("refresh")).to.equal(0);
    site.clock.advance(lifetime * 0.02);
    await tab.until("a renewal", () => renewals(tab) === 1);
    site.clock.advance(lifetime * 0.5); // the first token would be dead by now
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    const { states, sockets, tokenCalls } = await tab.do("notes");
    expect(states).to.deep.equal(["connecting", "authenticating", "ready"]);
    expect(sockets).to.equal(1);
    expect(tokenCalls).to.deep.equal([
      { reason: "connect", force: false, attempt: 1 },
      { reason: "refresh", force: true, attempt: 1 },
    ]);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 1, sockets: 1 });
    expect(tab.receivedOf("auth.expiring")).to.equal(1);
    expect(tab.receivedOf("auth.expired")).to.equal(0);
  });

  it("is renewed when the page says so, under a call in flight, which is answered on the same socket", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open");
    await tab.do("ready");
    await tab.do("start", "wait"); // answers when its deadline is over, 30 s later
    expect(await tab.do("refresh")).to.deep.equal({ ok: true, value: undefined });
    site.clock.advance(30_000);
    expect(await tab.do("outcomes")).to.deep.equal([{ ok: false, code: "timeout" }]);
    expect(tab.sentOf("wait")).to.equal(1);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 1, sockets: 1 });
  });

  it("that expired holds calls back during the grace, and a late token revives it on the same socket", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open");
    await tab.do("ready");
    await tab.do("setHabit", "held");
    site.clock.advance(lifetime + 1_000);
    await tab.state("refreshing");
    await tab.do("start", "numbers.add", { a: 2, b: 3 });
    site.clock.advance(grace / 2);
    expect(tab.sentOf("numbers.add")).to.equal(0);
    await tab.do("release");
    expect(await tab.do("outcomes")).to.deep.equal([sum]);
    const { states, sockets, tokenCalls } = await tab.do("notes");
    expect(states).to.deep.equal(["connecting", "authenticating", "ready", "refreshing", "ready"]);
    expect(sockets).to.equal(1);
    expect(tokenCalls).to.have.length(2); // the one that the warning began serves the expiry too
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 1, sockets: 1 });
    expect(tab.sentOf("numbers.add")).to.equal(1);
  });

  it("whose grace is over comes back with another token: one token call and one socket more, and the waiting call is answered", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open", { soon: true });
    await tab.do("ready");
    await tab.do("setHabit", "held");
    site.clock.advance(lifetime + 1_000);
    await tab.state("refreshing");
    await tab.do("start", "numbers.add", { a: 2, b: 3 });
    site.clock.advance(grace);
    await tab.state("connecting");
    await tab.do("setHabit", "renews");
    // what was asked for the old connection: the SDK may use it, and must not ask twice at a time
    await tab.do("release");
    expect(await tab.do("outcomes")).to.deep.equal([sum]);
    const { states, sockets } = await tab.do("notes");
    expect(states.slice(3)).to.deep.equal([
      "refreshing",
      "waiting: token_expired",
      "connecting",
      "authenticating",
      "ready",
    ]);
    expect(sockets).to.equal(2);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 1, sockets: 2 });
    expect(tab.sentOf("numbers.add")).to.equal(1);
  });

  it("is renewed in time by the page's own timers, also where its clock is wrong by two hours; the skew is told", async () => {
    await using site = await BrowserSite.open({
      realTime: true,
      issuer: { accessTokenTtl: 6_000 },
    });
    const renewedAt = async (ahead: number) => {
      const tab = await site.visit({ script: wrongClock(ahead) });
      await tab.do("open");
      await tab.do("ready");
      expect((await tab.do("notes")).tokenCalls).to.have.length(1);
      const { events, sockets, tokenCalls } = await tab.until(
        "a renewal",
        () => tab.sentOf("refresh") === 1,
      );
      expect(tokenCalls).to.have.length(2);
      expect(sockets).to.equal(1);
      expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
      return events
        .filter(({ name }) => name === "clockSkew")
        .map(({ params }) => Math.round((params as { skew: number }).skew / hour));
    };
    const skews = await Promise.all([0, 2 * hour, -2 * hour].map(renewedAt));
    // told with each token
    expect(skews.map((told) => [...new Set(told)])).to.deep.equal([[], [-2], [2]]);
    expect(site.cost).to.deep.equal({ logins: 3, renewals: 3, sockets: 3 });
  });
});

/** How many refreshes have brought the page another expiry. */
function renewals({ received }: BrowserTab): number {
  return received.filter((frame) => frame.includes('"changed":true')).length;
}

/** For a page whose clock is ahead of the world's: by `ahead` milliseconds. */
function wrongClock(ahead: number): string {
  return `{
    const Right = Date;
    globalThis.Date = class Date extends Right {
      constructor(...given) { if (given.length === 0) super(Right.now() + ${ahead}); else super(...given); }
      static now() { return Right.now() + ${ahead}; }
    };
  }`;
}
