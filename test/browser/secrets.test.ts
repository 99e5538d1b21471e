import { expect } from "chai";
import { needsChromium } from "../helpers/browser/browser.js";
import { BrowserSite } from "../helpers/browser/browser-site.js";
import type { BrowserTab } from "../helpers/browser/browser-tab.js";

const lifetime = 300_000; // ms, of the embedded issuer's tokens

/**
 * All that a page leaves behind where others may read it: storage, addresses, the console. Run in
 * the page, but for the last two.
 */
const traces = `(async () => {
  const rows = (store) => new Promise((resolve, reject) => {
    const all = store.getAll();
    all.onsuccess = () => resolve([...all.result]);
    all.onerror = () => reject(all.error);
  });
  const databases = await Promise.all((await indexedDB.databases()).map(({ name }) => new Promise((resolve, reject) => {
    const opening = indexedDB.open(name);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = async () => {
      const { result } = opening;
      const names = [...result.objectStoreNames];
      resolve({ name, rows: await Promise.all(names.map((store) => rows(result.transaction(store).objectStore(store)))) });
      result.close();
    };
  })));
  return JSON.stringify({
    databases,
    localStorage: { ...localStorage },
    sessionStorage: { ...sessionStorage },
    cookie: document.cookie,
    address: location.href,
    history: history.state,
    name: window.name,
    loaded: performance.getEntries().map(({ name }) => name),
    caches: await caches.keys(),
    globals: Object.keys(globalThis).filter((name) => typeof globalThis[name] === "string").map((name) => globalThis[name]),
    document: document.documentElement.outerHTML,
  });
})()`;

async function tracesOf({ page, console, urls }: BrowserTab): Promise<string> {
  return [await page.evaluate(traces), ...console, ...urls].join("\n");
}

describe("The SDK's secrets in Chromium", function () {
  this.timeout(30_000);

  before(function () {
    needsChromium(this);
  });

  it("stay in memory, through login, renewal, expiry, loss and refusal: no storage, address, cookie or console has a token", async () => {
    await using site = await BrowserSite.open();
    const tab = await site.visit();
    await tab.do("open", { soon: true });
    await tab.do("ready");
    expect(await tab.do("refresh")).to.deep.include({ ok: true });
    site.clock.advance(lifetime + 60_000);
    await tab.until(
      "another session",
      (notes) => notes.state === "ready" && site.cost.sockets === 2,
    );
    site.network.cut();
    await tab.until(
      "another socket",
      (notes) => notes.state === "ready" && site.cost.sockets === 3,
    );
    expect(await tab.do("call", "numbers.add", { a: 2, b: 3 })).to.deep.include({ ok: true });
    const { renewals } = site.cost;
    expect(renewals).to.be.at.least(2);
    await tab.do("setHabit", "same");
    site.clock.advance(lifetime + 60_000);
    await tab.until("tries after the refusal", ({ states }) =>
      states.includes("waiting: token_refused"),
    );

    const secrets = await tab.do("secrets");
    expect(secrets).to.have.length(2 * (renewals + 1));
    const found = await tracesOf(tab);
    // in frames there is one: what is looked for is what was used
    expect(tab.sent.join("\n")).to.include(secrets[0]);
    for (const secret of secrets) {
      expect(found).to.not.include(secret);
      for (const part of secret.split("."))
        if (part.length > 20) expect(found).to.not.include(part);
    }
  });

  for (const [place, plant] of [
    ["localStorage", "localStorage.setItem('kept', secret)"],
    ["sessionStorage", "sessionStorage.setItem('kept', secret)"],
    ["the address", "history.replaceState(null, '', '#' + secret)"],
    ["the console", "console.log(secret)"],
    [
      "IndexedDB",
      `new Promise((resolve) => {
        const opening = indexedDB.open("kept");
        opening.onupgradeneeded = () => opening.result.createObjectStore("kept", { autoIncrement: true });
        opening.onsuccess = () => {
          const adding = opening.result.transaction("kept", "readwrite");
          adding.objectStore("kept").add({ secret });
          adding.oncomplete = () => { opening.result.close(); resolve(); };
        };
      })`,
    ],
  ] as const) {
    it(`would be found in ${place}, if they were there`, async () => {
      await using site = await BrowserSite.open();
      const tab = await site.visit();
      const secret = "a-secret-of-some-length";
      expect(await tracesOf(tab)).to.not.include(secret);
      await tab.page.evaluate(`{ const secret = "${secret}"; ${plant} }`);
      expect(await tracesOf(tab)).to.include(secret);
    });
  }
});
