import { expect } from "chai";
import { needsChromium } from "../helpers/browser.js";
import { BrowserSite } from "../helpers/browser-site.js";

describe("The SDK's session in Chromium", function () {
  this.timeout(30_000);

  before(function () {
    needsChromium(this);
  });

  it("authenticates with one token call and one socket, and calls are answered", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open");
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.equal({ ok: true, value: 5 });
    const notes = await tab.do("notes");
    expect(notes.states).to.deep.equal(["connecting", "authenticating", "ready"]);
    expect(notes).to.deep.include({ subject: "ada", sockets: 1, tokenCalls: [{ reason: "connect", force: false, attempt: 1 }] });
    expect(notes.events).to.deep.equal([{ name: "numbers.changed", params: { sum: 5 } }]);
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 1 });
    expect(tab.sentOf("authenticate")).to.equal(1);
    expect(tab.sentOf("numbers.add")).to.equal(1);
    expect(tab.sent).to.have.length(2);
  });
});
