import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { chromiumWithoutStorage, needsChromium } from "../helpers/browser/browser.js";
import {
  button,
  ConsoleVisit,
  call,
  lines,
  logIn,
  method,
} from "../helpers/browser/console-visit.js";
import { password } from "../helpers/tokens/test-issuer.js";

const jwt = /eyJ[\w-]+\.[\w-]+/;

/** Waits until it is so; the value, if it never is. */
async function expectSoon(look: () => Promise<unknown>, wanted: unknown): Promise<void> {
  for (let tries = 0; tries < 200 && (await look()) !== wanted; tries++)
    await new Promise((resolve) => setTimeout(resolve, 25));
  expect(await look()).to.equal(wanted);
}

describe("The console in Chromium", function () {
  this.timeout(40_000);

  before(function () {
    needsChromium(this);
  });

  it("says what is wrong with a password, and with the right one shows who is there, until when, and what may be called", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.page();
    await page.getByLabel("Username").fill("bob");
    await page.getByLabel("Password", { exact: true }).fill("not his password");
    await button(page, "Log in").click();
    await page.getByText("Wrong username or password.").waitFor();
    await logIn(page, "bob");
    const session = page.getByRole("complementary", { name: "Session" });
    expect(await session.getByRole("list", { name: "Scopes" }).innerText()).to.equal("orders:read");
    expect(await session.getByRole("img").getAttribute("aria-label")).to.match(
      /^(5 minutes and 0|4 minutes and 5\d) seconds until expiry$/,
    );
    expect(await session.getByText("ES256 · at+jwt").isVisible()).to.equal(true);
    expect(await method(page, "orders.list").getAttribute("aria-label")).to.match(
      /allowed; needs orders:read/,
    );
    expect(await method(page, "stock.list").getAttribute("aria-label")).to.match(/public/);
    expect(await method(page, "orders.create").count()).to.equal(0); // not for bob
    expect(await button(page, "Sessions").count()).to.equal(0); // he is no administrator
  });

  it("works where the user blocks storage: it keeps nothing then, and does not offer to", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.pageIn(await chromiumWithoutStorage());
    expect(
      await page.evaluate(
        "(() => { try { return typeof localStorage; } catch (error) { return error.name; } })()",
      ),
    ).to.equal("SecurityError");
    await button(page, "Log in").waitFor();
    expect(await page.getByLabel(/Stay logged in/).count()).to.equal(0);
    await page.getByRole("button", { name: /^Theme/ }).click();
    await logIn(page);
    await method(page, "orders.list").click();
    expect(await call(page)).to.match(/^Result/);
    await button(page, "Refresh").click();
    await page.getByText("Session refreshed").waitFor();
    await button(page, "Log out").click();
    await button(page, "Log in").waitFor();
    expect(visit.complaints).to.deep.equal([]);
  });

  it("calls a method from a form or from JSON, which are the same params, and shows the result or the error", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "orders.create").click();
    const json = page.getByLabel("Params (JSON)");
    expect(JSON.parse(await json.inputValue())).to.deep.equal({ sku: "" });

    await page.getByLabel("sku").fill("A1");
    await page.getByLabel("qty").fill("3");
    await page.getByLabel("size").selectOption("large");
    await page.getByLabel("isGift").selectOption("true");
    await page.getByLabel("street").fill("Main Street 1");
    await page.getByLabel("notes").fill('["ring twice"]');
    const filled = {
      sku: "A1",
      qty: 3,
      size: "large",
      isGift: true,
      address: { street: "Main Street 1" },
      notes: ["ring twice"],
    };
    expect(JSON.parse(await json.inputValue())).to.deep.equal(filled);
    expect(await call(page)).to.match(
      /^Result [\d.]+ ms\s+Copy\s+Collapse\s+\{\n {2}"id": "o1",\n {2}"sku": "A1",\n {2}"qty": 3\n\}$/,
    );

    await json.fill('{"sku": "B2", "qty": 40}');
    expect(await page.getByLabel("sku").inputValue()).to.equal("B2");
    expect(await page.getByLabel("size").inputValue()).to.equal("-1");
    expect(await call(page)).to.match(
      /^Error 1001 OUT_OF_STOCK [\d.]+ ms\s+Copy\s+Collapse\s+\{\n {2}"left": 12\n\}$/,
    );

    await json.fill('{"sku": ');
    expect(await button(page, "Call").isDisabled()).to.equal(true);
    expect(await page.getByLabel("sku").isDisabled()).to.equal(true);
  });

  it("shows every frame with its pair and the milliseconds between, filters them, and stands still when asked to", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "orders.create").click();
    await page.getByLabel("sku").fill("A1");
    await call(page);
    const timeline = page.getByRole("region", { name: "Timeline" });
    await timeline.getByText("order.created").waitFor();
    const calls = (await lines(page)).filter((line) => line.includes("orders.create"));
    expect(calls[0]).to.match(/^\d\d:\d\d:\d\d\.\d{3}\s+sent\s+orders\.create\s.*\d+ B$/s);
    expect(calls[1]).to.match(
      /^\d\d:\d\d:\d\d\.\d{3}\s+received\s+orders\.create\s.*[\d.]+ ms\s+\d+ B$/s,
    );

    await timeline
      .getByRole("button", { name: /^authenticate/ })
      .last()
      .click();
    await timeline.getByRole("button", { name: "Go to the request" }).waitFor();
    await timeline.getByRole("button", { name: "Resume" }).click();
    await timeline.getByRole("button", { name: "Pushes" }).click();
    expect(await lines(page))
      .to.have.lengthOf(1)
      .and.to.satisfy(([line]: string[]) => line?.includes("order.created"));
    await timeline.getByRole("button", { name: "All", exact: true }).click();
    await timeline.getByRole("searchbox").fill("orders.create");
    expect(
      (await lines(page)).map((line) => /orders\.create|rpc\.discover/.exec(line)?.[0]),
    ).to.deep.equal([
      "rpc.discover", // its document has the name
      "orders.create",
      "orders.create",
    ]);
    await timeline.getByRole("searchbox").fill("");

    await timeline.getByRole("button", { name: "Pause" }).click();
    const still = (await lines(page)).length;
    await call(page);
    await timeline.getByRole("button", { name: "Resume ( 3 new )" }).waitFor();
    expect(await lines(page)).to.have.lengthOf(still);
    await timeline.getByRole("button", { name: "Resume ( 3 new )" }).click();
    expect(await lines(page)).to.have.lengthOf(still + 3);
  });

  it("lets the session expire: calls are refused on the open socket, and a refresh revives it there", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    const connection = await page
      .locator("dt", { hasText: "connection" })
      .locator("xpath=following-sibling::dd")
      .innerText();
    await method(page, "orders.list").click();
    await button(page, "Let session expire").click();
    await page.getByText("Auto-refresh paused", { exact: true }).waitFor();
    visit.clock.advance(250_000);
    await page.getByText("auth.expiring", { exact: true }).first().waitFor();
    expect(await call(page)).to.match(/^Result/);
    visit.clock.advance(50_000);
    await page.getByText("Session expired, still connected").waitFor();
    expect(await page.getByRole("img", { name: /seconds until disconnect/ }).count()).to.equal(1);
    expect(await method(page, "orders.list").getAttribute("aria-label")).to.include("locked");
    expect(await call(page)).to.match(
      /^Error -32002 token_expired .*nothing was executed.*Sent directly to the server/s,
    );
    await button(page, "Refresh").click();
    await page.getByText("Session restored").waitFor();
    expect(await call(page)).to.match(/^Result/);
    expect(
      await page
        .locator("dt", { hasText: "connection" })
        .locator("xpath=following-sibling::dd")
        .innerText(),
    ).to.equal(connection);
    expect(visit.server.connections).to.equal(1);
  });

  it("shows the end of the grace, and comes back when a refresh is asked for", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await button(page, "Let session expire").click();
    visit.clock.advance(300_000);
    await page.getByText("Session expired, still connected").waitFor();
    visit.clock.advance(30_000);
    await page.getByText("Grace period over").waitFor();
    expect((await lines(page)).join("\n")).to.match(/connection\.closing[\s\S]*socket closed 4401/);
    await button(page, "Refresh").click();
    await page.getByText("connected", { exact: true }).waitFor();
    await method(page, "whoami").click();
    expect(await call(page)).to.include('"state": "active"');
  });

  it("renews in place, comes back after a lost network, and is signed out by a revocation, each told in words", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await button(page, "Refresh").click();
    await page.getByText("Session refreshed").waitFor();
    await button(page, "Drop the network").click();
    await page.getByText(/^Back after \d+ m?s$/).waitFor();
    expect((await lines(page)).join("\n")).to.match(
      /network dropped[\s\S]*SDK: waiting[\s\S]*socket open[\s\S]*SDK: ready/,
    );
    await button(page, "Revoke login…").click();
    await button(page, "Revoke login").click();
    await page.getByText(/^This login was revoked/).waitFor();
    expect(await page.getByRole("img", { name: "No session" }).count()).to.equal(1);
    expect((await lines(page)).join("\n")).to.include("socket closed 4401");
    expect(visit.server.connections).to.equal(0);
    await button(page, "Log in again").click();
    await logIn(page);
  });

  it("subscribes, shows each event once and in order over a lost network and an expiry, and unsubscribes", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "prices").click();
    await page.getByLabel("sku").selectOption("A1");
    await button(page, "Subscribe").click();
    const events = page.getByRole("region", { name: "Events of prices" });
    await events.getByText("live").waitFor();
    await page
      .getByRole("region", { name: "Subscriptions" })
      .getByRole("button", { name: "Unsubscribe prices" })
      .waitFor();
    const cents = async () =>
      (await events.getByRole("listitem").allInnerTexts())
        .map((text) => Number(/"cents":(\d+)/.exec(text)?.[1]))
        .reverse();

    await visit.price(100);
    await events.getByText("1 event", { exact: true }).waitFor();
    await button(page, "Drop the network").click();
    await visit.price(101); // nobody hears it yet
    await events.getByText("2 events").waitFor();
    await button(page, "Let session expire").click();
    visit.clock.advance(300_000);
    await page.getByText("Session expired, still connected").waitFor();
    await visit.price(102); // held back
    await button(page, "Refresh").click();
    await events.getByText("3 events").waitFor();
    expect(await cents()).to.deep.equal([100, 101, 102]);

    await button(page, "Unsubscribe").click();
    await events.getByText("unsubscribed").waitFor();
    await page.getByRole("region", { name: "Subscriptions" }).waitFor({ state: "detached" });
    expect((await lines(page)).some((line) => /sent\s+unsubscribe/.test(line))).to.equal(true);
  });

  it("takes a pasted token, which is renewed by pasting another one", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.page();
    await button(page, "Access token").click();
    await page.getByLabel("Access token").fill(`  ${await visit.token()}\n`);
    await button(page, "Use this token").click();
    await page.getByText("connected", { exact: true }).waitFor();
    visit.clock.advance(100_000);
    await button(page, "Refresh").click();
    await page.getByLabel("A renewed access token of the same user").fill(await visit.token());
    await button(page, "Refresh session").click();
    await page.getByText("Session refreshed").waitFor();
  });

  it("has no token in a URL, the document, the storage, the browser's console or an export", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await button(page, "Refresh").click();
    await page.getByText("Session refreshed").waitFor();
    await page
      .getByRole("button", { name: /^refresh/ })
      .first()
      .click();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      button(page, "Export").click(),
    ]);
    const text = await readFile(await download.path(), "utf8");
    const { entries } = JSON.parse(text) as {
      entries: { direction: string; title: string; frame: unknown }[];
    };
    expect(entries.map(({ direction, title }) => `${direction} ${title}`)).to.include.members([
      "out authenticate",
      "in authenticate",
      "out refresh",
    ]);
    expect(entries.find(({ title }) => title === "authenticate")?.frame)
      .to.have.nested.property("params.token")
      .match(/^‹hidden, \d+ characters›$/);
    const stored = await page.evaluate(
      "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])",
    );
    expect(stored).to.equal('[{},{},""]');
    for (const place of [text, await page.content(), visit.urls.join(), visit.complaints.join()])
      expect(place).to.not.match(jwt);
    // nothing was logged, and the policy had nothing to refuse
    expect(visit.complaints).to.deep.equal([]);
    // only its own server was asked
    expect(new Set(visit.urls.map((url) => new URL(url).host)).size).to.equal(1);
  });

  it("keeps the login over a reload when asked to, for one tab only", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.page();
    await page.getByLabel(/^Stay logged in/).check();
    await logIn(page);
    await page.reload();
    await page.getByText("connected", { exact: true }).waitFor();
    const kept = await page.evaluate("sessionStorage.getItem('jotwire.console.tokens')");
    const copy = await page.context().newPage();
    await copy.addInitScript(
      `if (!sessionStorage.length) sessionStorage.setItem("jotwire.console.tokens", ${JSON.stringify(kept)})`,
    ); // as a duplicated tab has it
    await copy.goto(visit.url);
    await copy.getByLabel("Username").waitFor();
    await expectSoon(() => copy.evaluate("sessionStorage.length"), 0);
    await button(page, "Log out").click();
    await page.getByLabel("Username").waitFor();
    await page.reload();
    await page.getByLabel("Username").waitFor();
    expect(visit.server.connections).to.equal(0);
  });

  it("hands its tokens to no other page of its origin, as the SDK would", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.page();
    await page.addInitScript(`
      globalThis.channels = [];
      const Channel = BroadcastChannel;
      globalThis.BroadcastChannel = class extends Channel { constructor(name) { super(name); channels.push(name); } };`);
    await page.reload();
    await logIn(page);
    await button(page, "Refresh").click();
    await page.getByText("Session refreshed").waitFor();
    expect(await page.evaluate("channels")).to.deep.equal([]);
  });

  it("shows an administrator who is connected; a kick and a revocation end what they say", async () => {
    await using visit = await ConsoleVisit.open();
    const [ada, bob] = [await visit.visitor("ada"), await visit.visitor("bob")];
    await button(ada, "Sessions").click();
    const row = (who: string) => ada.getByRole("row", { name: new RegExp(`^${who}`) });
    await row("bob").waitFor();
    expect(await row("ada").innerText()).to.include("you");
    expect(await row("bob").innerText()).to.match(/\b[45]:\d\d\b.*\b0 B\b/s);
    await row("bob").getByRole("button", { name: "Disconnect bob" }).click();
    expect(await row("bob").count()).to.equal(1); // not yet
    await row("bob").getByRole("button", { name: "Disconnect bob?" }).click();
    await bob.getByText(/^An administrator closed this connection/).waitFor();
    await row("bob").waitFor({ state: "detached" });

    await button(bob, "Log in again").click();
    await logIn(bob, "bob");
    await button(ada, "Reload").click();
    await row("bob").getByRole("button", { name: "Revoke login bob" }).click();
    await row("bob").getByRole("button", { name: "Revoke the login of bob?" }).click();
    await bob.getByText(/^This login was revoked/).waitFor();
  });

  it("can be used with the keyboard alone", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.page();
    // the first field gets the focus, with the first frame that is drawn
    await page.locator("input[autocomplete=username]:focus").waitFor();
    await page.keyboard.type("ada");
    await page.keyboard.press("Tab");
    await page.keyboard.type(password);
    await page.keyboard.press("Enter");
    await method(page, "orders.create").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("create");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByLabel("sku").focus();
    await page.keyboard.type("A1");
    await page.keyboard.press("Control+Enter");
    await page.getByText(/^Result/).waitFor();
  });

  it("names everything that can be pressed or filled in", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "orders.create").click();
    const tree = await page.locator("body").ariaSnapshot();
    const controls =
      tree.match(/^\s*- (button|textbox|combobox|spinbutton|searchbox|checkbox)\b.*$/gm) ?? [];
    expect(controls.length).to.be.greaterThan(25);
    expect(controls.filter((line) => !line.includes('"'))).to.deep.equal([]);
  });

  it("looks as the system does, light or dark, or as its button says", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.page({ colorScheme: "dark" });
    const ground = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
    const dark = await ground();
    await button(page, "Theme: system").click();
    expect(await ground()).to.not.equal(dark);
    await button(page, "Theme: light").click();
    expect(await ground()).to.equal(dark);
    await page.reload();
    await button(page, "Theme: dark").waitFor();
  });

  it("lets nothing into the page that is not its own: no markup, no script, no frame around it", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    const attempt = (code: string) =>
      page.evaluate(
        `(() => { try { ${code}; return "done"; } catch (error) { return error.name; } })()`,
      );
    // trusted types
    expect(await attempt("document.body.innerHTML = '<b>markup</b>'")).to.equal("TypeError");
    expect(await attempt("document.body.append('text')")).to.equal("done");
    await attempt(
      "const s = document.createElement('style'); s.textContent = 'body { opacity: 0.5 }'; document.head.append(s)",
    );
    expect(await page.evaluate("getComputedStyle(document.body).opacity")).to.equal("1");
    const refused = page.evaluate(
      "fetch('http://127.0.0.1:1/').then(() => 'answered', () => 'refused')",
    );
    expect(await refused).to.equal("refused");
    expect(visit.complaints.join("\n")).to.match(/connect-src/);
  });
});
