import { expect } from "chai";
import { needsChromium } from "../helpers/browser/browser.js";
import { BrowserSite } from "../helpers/browser/browser-site.js";
import { Visitor } from "../helpers/browser/visitor.js";
import { TcpProxy } from "../helpers/network/tcp-proxy.js";
import { IdentityProvider, pageClient } from "../helpers/tokens/identity-provider.js";

const audience = "https://orders.test";

describe("createSession with oidc-provider in Chromium", function () {
  this.timeout(60_000);

  before(function () {
    needsChromium(this);
  });

  it("logs in by PKCE, renews with rotation, survives a reload, steps up, and logs out", async () => {
    const network = await TcpProxy.listen();
    const page = `http://127.0.0.1:${network.port}/session`;
    await using provider = await IdentityProvider.start("ES256", 0, page);
    const { issuer } = provider;
    await using site = await BrowserSite.open(
      { realTime: true, provider: { issuer, audience } },
      network,
    );
    const options = {
      ...{ issuer, clientId: pageClient, redirectUri: page },
      ...{ scope: "openid offline_access numbers:add", parameters: { resource: audience } },
    };
    const tab = await site.visit({
      path: "session",
      script: `globalThis.provider = ${JSON.stringify(options)}`,
    });
    const ada = new Visitor(tab.page);
    await ada.until("signed_out", null);

    const signIn = async (): Promise<void> => {
      await tab.page.waitForURL(`${issuer}/**`);
      await tab.page.fill("input[name=login]", "ada");
      await tab.page.fill("input[name=password]", "any");
      await tab.page.click("button[type=submit]");
    };
    void ada.do("login").catch(() => {}); // the page is left
    await signIn();
    await tab.page.click("button[type=submit]"); // consent
    await ada.until("signed_in", "ada", "ready");
    expect(new URL(tab.page.url()).search, "the code is in no history").to.equal("");
    expect(await ada.do("add", 2, 3)).to.deep.equal({ ok: true, value: 5 });

    const first = await ada.do("token", { reason: "connect", force: false });
    const second = await ada.do("token", { previous: first.value });
    expect(second.ok && second.value !== first.value, "a refresh").to.equal(true);
    const third = await ada.do("token", { previous: second.value });
    expect(third.ok && third.value !== second.value, "with the rotated token").to.equal(true);

    await tab.page.reload();
    await ada.until("signed_in", "ada", "ready");

    void ada.do("token", { reason: "step_up", maxAge: 0 }).catch(() => {});
    await signIn(); // again, since max_age is 0
    await ada.until("signed_in", "ada", "ready");

    void ada.do("logout").catch(() => {});
    await tab.page.waitForURL(`${issuer}/session/end**`);
    await tab.page.click("button[value=yes]");
    await tab.page.waitForURL(page);
    await ada.until("signed_out", null);
    expect(await ada.do<string>("stored")).to.equal("[[],[]]");
  });

  it("takes no answer that another login's state, or none, belongs to", async () => {
    const network = await TcpProxy.listen();
    const page = `http://127.0.0.1:${network.port}/session`;
    await using provider = await IdentityProvider.start("ES256", 0, page);
    const { issuer } = provider;
    await using site = await BrowserSite.open({ provider: { issuer, audience } }, network);
    const options = { issuer, clientId: pageClient, redirectUri: page };
    const tab = await site.visit({
      path: "session",
      script: `globalThis.provider = ${JSON.stringify(options)}`,
    });
    const ada = new Visitor(tab.page);
    await tab.page.goto(`${page}?code=stolen&state=made-up`);
    await ada.until("signed_out", null);
    void ada.do("login").catch(() => {});
    await tab.page.waitForURL(`${issuer}/**`);
    await tab.page.goto(`${page}?code=stolen&state=made-up`);
    await ada.until("signed_out", null);
  });
});
