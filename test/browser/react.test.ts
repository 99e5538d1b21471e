import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { useRpc } from "../../client/react/index.js";
import { needsChromium } from "../helpers/browser/browser.js";
import { BrowserSite } from "../helpers/browser/browser-site.js";

/** Looks again and again; the test's own limit ends it. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(10);
}

describe("The hooks for React in Chromium, in StrictMode", function () {
  this.timeout(30_000);

  before(function () {
    needsChromium(this);
  });

  /** A page of the site with the hooks in it, once its subscription is there. */
  async function shown(site: BrowserSite, path: "react" | "react?hydrated" = "react") {
    const tab = await site.visit({ path });
    const see = (id: string, text: string) =>
      tab.page.locator(`#${id}`, { hasText: text }).waitFor({ timeout: 10_000 });
    await see("session", "ready ada");
    await until(() => tab.received.some((frame) => frame.includes('"epoch"')));
    const publish = (colour: string, number: number) =>
      site.server.publish(site.app.routes.numbers.watch, { colour }, number);
    return { tab, see, publish };
  }

  it("show the session, the last event and all of them, with one subscription on the wire", async () => {
    await using site = await BrowserSite.open();
    const { tab, see, publish } = await shown(site);
    for (const number of [1, 2, 3]) await publish("red", number);
    await see("numbers", "live 0 3 1,2,3");
    expect(tab.sentOf("numbers.watch")).to.equal(1);
    expect(tab.sentOf("unsubscribe")).to.equal(0);
    await tab.page.click("#add");
    await see("sum", "3");
    expect(site.cost).to.deep.equal({ logins: 1, renewals: 0, sockets: 1 });
    expect(tab.console.filter((line) => !line.includes("React DevTools"))).to.deep.equal([]);
  });

  it("subscribe anew when the params change, and unsubscribe when the component goes", async () => {
    await using site = await BrowserSite.open();
    const { tab, see, publish } = await shown(site);
    await tab.page.click("#blue");
    await until(() => tab.sentOf("numbers.watch") === 2 && tab.sentOf("unsubscribe") === 1);
    await until(() => tab.received.filter((frame) => frame.includes('"epoch"')).length === 2);
    await publish("red", 1);
    await publish("blue", 2);
    await see("numbers", "live 0 2 2");
    await tab.page.click("#leave");
    await until(() => tab.sentOf("unsubscribe") === 2);
    expect(tab.sentOf("numbers.watch")).to.equal(2);
  });

  it("take over a page that a server has drawn, whatever the client has done meanwhile, with nothing drawn anew for it", async () => {
    await using site = await BrowserSite.open();
    const { tab, see, publish } = await shown(site, "react?hydrated");
    await publish("red", 1);
    await see("numbers", "live 0 1 1");
    expect(tab.console.filter((line) => !line.includes("React DevTools"))).to.deep.equal([]);
  });

  it("show a lost connection, and what was missed when it is back", async () => {
    await using site = await BrowserSite.open();
    const { see, publish } = await shown(site);
    await publish("red", 1);
    await see("numbers", "live 0 1 1");
    site.network.down();
    await see("session", "waiting nobody");
    await publish("red", 2);
    site.network.restore();
    await see("session", "ready ada");
    await see("numbers", "live 0 2 1,2");
  });
});

describe("The hooks for React", () => {
  it("say what is missing when there is no provider", () => {
    const Lost = () => createElement("p", null, useRpc().state);
    expect(() => renderToString(createElement(Lost))).to.throw("RpcProvider");
  });
});
