import { expect } from "chai";
import { needsChromium } from "../helpers/browser/browser.js";
import { BrowserSite } from "../helpers/browser/browser-site.js";
import { PlainTab } from "../helpers/browser/plain-tab.js";
import { eventually } from "../helpers/eventually.js";

const lifetime = 300_000; // ms, of the embedded issuer's tokens
const grace = 30_000; // ms
const colour = { colour: "red" };
const sum = { ok: true, value: 5 };

/** A WebSocket without the SDK, to see what the browser does with it. */
const openBareSocket = ({ url }: BrowserSite) =>
  `bare = new WebSocket("${url.replace("http", "ws")}rpc"), new Promise((opened) => { bare.onopen = () => opened(true); })`;
/** Whether that socket still carries a question and its answer. */
const askBareSocket = `new Promise((carries) => {
  bare.onmessage = () => carries(true);
  bare.onclose = () => carries(false);
  if (bare.readyState === WebSocket.OPEN) bare.send('{"jsonrpc":"2.0","id":"1","method":"ping"}');
  else carries(false);
})`;

describe("The SDK in Chromium, in a page that is put away,", function () {
  this.timeout(30_000);

  before(function () {
    needsChromium(this);
  });

  /** Has a page watch, and see the number 0. */
  async function watch(site: BrowserSite, tab: PlainTab): Promise<void> {
    await tab.do("ready");
    await tab.do("watch", "numbers.watch", colour);
    await tab.until("the subscription", () =>
      tab.received.some((frame) => frame.includes('"epoch"')),
    );
    await publish(site, 0);
    await tab.until("the first event", ({ watched }) => watched.length === 1);
  }

  const publish = async (site: BrowserSite, ...numbers: readonly number[]) => {
    for (const number of numbers)
      await site.server.publish(site.app.routes.numbers.watch, colour, number);
  };

  it("frozen for a short while, gives its socket back, and on resume hears at once what it missed, with the token it had", async () => {
    await using site = await BrowserSite.open();
    await using tab = await PlainTab.open(site.url);
    await tab.do("open", { slow: true });
    await watch(site, tab);
    await tab.freeze();
    await eventually(() => expect(site.server.connections).to.equal(0));
    expect(site.closings).to.deep.equal([1000]); // in order, and not cut
    await publish(site, 1, 2);
    await tab.thaw();
    const { states, tokenCalls, watched } = await tab.until(
      "what it missed",
      (notes) => notes.watched.length === 3,
    );
    expect(watched).to.deep.equal([0, 1, 2]);
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    expect(states.slice(3)).to.deep.equal([
      "waiting: page_frozen",
      "connecting",
      "authenticating",
      "ready",
    ]);
    expect(tokenCalls).to.have.length(1);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 2 });
  });

  it("frozen by a browser that doesn't say so, hears what it missed: on the same socket where the browser has kept it, else on another", async () => {
    await using site = await BrowserSite.open();
    await using tab = await PlainTab.open(site.url);
    await using probe = await PlainTab.open(site.url);
    await tab.evaluate(
      'window.addEventListener("freeze", (event) => event.stopImmediatePropagation(), true)',
    );
    await tab.do("open", { soon: true });
    await watch(site, tab);
    await probe.evaluate(openBareSocket(site));
    await Promise.all([tab.freeze(), probe.freeze()]);
    await publish(site, 1, 2);
    await Promise.all([tab.thaw(), probe.thaw()]);
    const isKept = await probe.evaluate(askBareSocket);
    const { watched, sockets } = await tab.until(
      "what it missed",
      (notes) => notes.watched.length === 3,
    );
    expect(watched).to.deep.equal([0, 1, 2]);
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    expect(sockets).to.equal(isKept === true ? 1 : 2);
    expect(site.cost).to.include({ logins: 1, renewals: 0 });
  });

  it("frozen until its session is over, comes back by itself: one token call and one socket more", async () => {
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
    expect(frozen.states).to.deep.equal([
      "connecting",
      "authenticating",
      "ready",
      "waiting: page_frozen",
    ]);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 1, sockets: 2 });
    expect((await tab.do("notes")).state).to.equal("ready");
  });

  it("in the back/forward cache, holds no socket, and is back with its session when the user comes back", async () => {
    await using site = await BrowserSite.open();
    await using tab = await PlainTab.open(site.url);
    await tab.do("open", { soon: true });
    await tab.do("ready");
    await tab.visit(`${site.url}elsewhere`);
    await eventually(() => expect(site.server.connections).to.equal(0));
    await tab.back();
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal(sum);
    const { shown, states, tokenCalls } = await tab.do("notes");
    // it is the page of before, and not one that was loaded anew
    expect(shown).to.deep.equal([false, true]);
    expect(states.slice(3)).to.deep.equal([
      "waiting: page_cached",
      "connecting",
      "authenticating",
      "ready",
    ]);
    expect(tokenCalls).to.have.length(1);
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
    expect(await tab.do("outcomes")).to.deep.equal([
      { ok: false, code: "disconnected", sent: "maybe", reason: "no_answer" },
    ]);
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
