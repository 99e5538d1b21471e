import { expect } from "chai";
import type { Page } from "playwright-core";
import { accessibilityViolations } from "../helpers/browser/accessibility.js";
import { needsChromium } from "../helpers/browser/browser.js";
import {
  button,
  ConsoleVisit,
  call,
  lines,
  logIn,
  method,
} from "../helpers/browser/console-visit.js";
import { password } from "../helpers/tokens/test-issuer.js";

/** Waits until a button has the focus. */
const focusAt = (page: Page, name: string) =>
  button(page, name).and(page.locator(":focus")).waitFor();

async function revoke(page: Page): Promise<void> {
  await button(page, "Revoke login…").click();
  await button(page, "Revoke login").click();
  await page.getByText(/^This login was revoked/).waitFor();
}

describe("The console's log-in in Chromium", function () {
  this.timeout(60_000);

  before(function () {
    needsChromium(this);
  });

  it("keeps a refused token in its form, with the server's words; a good one leads in", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.page();
    await button(page, "Access token").click();
    const field = page.getByLabel("Access token");
    await page.locator("textarea:focus").waitFor();
    await field.fill("not.a.token");
    await button(page, "Use this token").click();
    await page.getByText("The server rejected this token (token_invalid).").waitFor();
    expect(await field.inputValue()).to.equal("not.a.token");
    expect(await field.getAttribute("aria-invalid")).to.equal("true");
    expect(await page.locator("main.desk").count()).to.equal(0);
    expect(await accessibilityViolations(page)).to.deep.equal([]);
    await field.fill(await visit.token("bob"));
    await button(page, "Use this token").click();
    await page.getByText("connected", { exact: true }).waitFor();
    expect(await page.locator(".who strong").innerText()).to.equal("bob");
  });

  it("says when there is no server", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.page();
    const token = await visit.token("bob");
    await button(page, "Access token").click();
    await page.getByLabel("Access token").fill("not.a.token");
    await button(page, "Use this token").click();
    await page.getByText("The server rejected this token").waitFor(); // and says no more of it
    await button(page, "Password").click();
    await visit.server.close();
    await page.getByLabel("Username").fill("ada");
    await page.getByLabel("Password", { exact: true }).fill(password);
    await button(page, "Log in").click();
    await page.getByText("Can't reach the server. Is it running?").waitFor();
    await button(page, "Access token").click();
    await page.getByLabel("Access token").fill(token);
    await button(page, "Use this token").click();
    await page.getByText("Can't reach the server. Is it running?").waitFor();
    expect(await page.getByLabel("Access token").inputValue()).to.equal(token);
  });

  it("keeps the timeline and the user's name when the same user logs in again", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "orders.create").click();
    await page.getByLabel("sku").fill("A1");
    await revoke(page);
    await button(page, "Log in again").click();
    expect(await page.getByLabel("Username").inputValue()).to.equal("ada");
    await page.locator("input[type=password]:focus").waitFor();
    await page.keyboard.type(password);
    await page.keyboard.press("Enter");
    await page.getByText("connected", { exact: true }).waitFor();
    expect((await lines(page)).join("\n")).to.match(/socket closed 4401[\s\S]*SDK: ready/);
    expect(await page.getByLabel("sku").inputValue()).to.equal("A1");
  });

  it("shows the next user neither the page nor the calls of the one before", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "stock.list").click();
    await call(page);
    await button(page, "Sessions").click();
    await page.getByRole("row", { name: /^ada/ }).waitFor();
    await visit.server.kick({ subject: "ada" });
    await page.getByText(/^An administrator closed this connection/).waitFor();
    await button(page, "Log in again").click();
    await logIn(page, "bob");
    await page.getByRole("heading", { name: "stock.list" }).waitFor();
    expect(await button(page, "Sessions").count()).to.equal(0);
    expect(await page.getByRole("region", { name: "Outcome" }).innerText()).to.equal("");
    expect((await lines(page)).join("\n")).to.not.match(/4403|"ada"/);
    await button(page, "Log out").click();
    expect(await page.getByLabel("Username").inputValue()).to.equal("");
  });

  it("shows the next user nothing that came while the one before was logged out", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await page.getByLabel("Find in the timeline").fill("reports");
    await method(page, "prices").click();
    await page.getByLabel("sku").selectOption("A1");
    await button(page, "Subscribe").click();
    await page.getByText("Subscribed to prices").waitFor();
    await method(page, "reports.sales").click();
    await button(page, "Call").click(); // it is answered after the log-out, which cancels it
    await button(page, "Cancel").waitFor();
    await button(page, "Log out").click();
    await logIn(page, "bob");
    const titles = await page.locator(".timeline tr.entry b").allInnerTexts();
    expect(titles).to.include("SDK: ready");
    expect(titles.join("\n")).to.not.match(/logout|reports|prices|cancelRequest|closed/);
    expect(await page.getByLabel("Find in the timeline").inputValue()).to.equal("");
    expect(await page.getByText("Subscribed to prices").count()).to.equal(0);
    await method(page, "stock.list").click();
    await call(page);
    expect((await lines(page)).join("\n"), "the new login is recorded").to.include("stock.list");
  });

  it("takes no call or subscription when the session is over, and says why", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await revoke(page);
    const refused = async (name: string) => {
      expect(await button(page, name).isDisabled()).to.equal(true);
      const reason = await button(page, name).getAttribute("aria-describedby");
      expect(await page.locator(`#${reason}`).innerText()).to.match(/^You are logged out/);
      await button(page, name).dispatchEvent("click");
      await page.keyboard.press("Control+Enter");
    };
    const before = await lines(page);
    await refused("Call");
    await method(page, "prices").click();
    await page.getByLabel("sku").selectOption("A1");
    await refused("Subscribe");
    expect(await lines(page)).to.deep.equal(before);
    expect(await page.getByRole("region", { name: "Events of prices" }).count()).to.equal(0);
    expect(await accessibilityViolations(page)).to.deep.equal([]);
  });

  it("leads the focus: into the page, along its questions, to what has happened, and back to the form", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.page();
    await page.locator("input[autocomplete=username]:focus").waitFor();
    await logIn(page);
    await page.locator("h2:focus", { hasText: "stock.list" }).waitFor();
    await button(page, "Refresh").click();
    await page.getByText("Session refreshed").waitFor();
    await focusAt(page, "Refresh");
    await button(page, "Call").focus();
    await page.keyboard.press("Enter");
    await page.getByText(/^Result/).waitFor();
    await focusAt(page, "Call");
    await button(page, "Revoke login…").click();
    await focusAt(page, "Revoke login");
    await page.keyboard.press("Escape");
    await focusAt(page, "Revoke login…");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Enter");
    await page.locator("h3:focus", { hasText: "Logged out" }).waitFor();
    expect(await page.title()).to.equal("Logged out - jotwire");
    await button(page, "Log in again").click();
    await page.locator("input[type=password]:focus").waitFor();
    expect(await page.title()).to.equal("jotwire console");
  });
});

describe("The console's session in Chromium", function () {
  this.timeout(60_000);

  before(function () {
    needsChromium(this);
  });

  it("tells in the title that the session has expired; notices can be dismissed", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await button(page, "Let session expire").click();
    visit.clock.advance(300_000);
    await page.getByText("Session expired, still connected").waitFor();
    expect(await page.title()).to.equal("Expired - jotwire");
    await button(page, "Refresh").click();
    await page.getByText("Session restored").waitFor();
    expect(await page.title()).to.equal("jotwire console");
    await button(page, "Dismiss").click();
    expect(await page.getByText("Session restored").count()).to.equal(0);
  });

  it("asks before it revokes, and sets that apart from what is only simulated", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await button(page, "Revoke login…").click();
    await page.getByRole("group", { name: /^Revoke this login\?/ }).waitFor();
    await button(page, "Cancel").click();
    expect(visit.server.connections).to.equal(1);
    const simulated = page.getByRole("group", { name: "Simulate" }).getByRole("button");
    expect(await simulated.allInnerTexts()).to.deep.equal([
      "Let session expire",
      "Drop the network",
    ]);
  });

  it("works with tokens that only the server can read, of which no user sees another's calls", async () => {
    const verify = async (token: string) =>
      token.startsWith("key_")
        ? { subject: token.slice(4), expiresAt: Date.now() + 300_000 }
        : null;
    await using visit = await ConsoleVisit.open({ auth: { verify } });
    const page = await visit.page();
    const present = async (token: string) => {
      await page.getByLabel("Access token").fill(token);
      await button(page, "Use this token").click();
    };
    await present("no key");
    await page.getByText("The server rejected this token (token_invalid).").waitFor();
    await present("key_ada");
    await page.getByText("Not a JWT").waitFor();
    await page.getByText("Issued elsewhere: revoke it at that issuer.").waitFor();
    expect(await button(page, "Revoke login…").count()).to.equal(0);
    await method(page, "stock.list").click();
    await call(page);
    await visit.server.kick({ subject: "ada" });
    await button(page, "Log in again").click();
    await present("key_bob");
    await page.locator(".who").getByText("bob").waitFor();
    await method(page, "stock.list").click();
    expect(await page.getByRole("region", { name: "Outcome" }).innerText()).to.equal("");
    expect((await lines(page)).join("\n")).to.not.match(/4403|"ada"/);
  });

  it("folds many scopes, and cuts a long name", async () => {
    await using visit = await ConsoleVisit.open();
    const scopes = Array.from({ length: 40 }, (_, number) => `area${number}:read`);
    const name = "n".repeat(255);
    await visit.issuer.users.add(name, password, { scopes });
    const page = await visit.visitor(name);
    const list = page.getByRole("list", { name: "Scopes" }).getByRole("listitem");
    expect(await list.count()).to.equal(6);
    const subject = page.locator(".who strong");
    expect((await subject.boundingBox())?.height).to.be.at.most(60); // 2 lines
    expect(await subject.getAttribute("title")).to.equal(name);
    await button(page, "34 more scopes").click();
    expect(await list.count()).to.equal(40);
    await button(page, "Fewer scopes").click();
    expect(await list.count()).to.equal(6);
  });

  it("has fields that can be seen: edges of 3:1 and more, placeholders of 4.5:1", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      await using visit = await ConsoleVisit.open();
      const page = await visit.visitor("ada", { colorScheme });
      await method(page, "orders.create").click();
      const colors = await page.evaluate<[string, string, string][]>(`
        [...document.querySelectorAll("input, select, textarea")].map((field) => [
          getComputedStyle(field).borderTopColor,
          getComputedStyle(field, "::placeholder").color,
          getComputedStyle(field).backgroundColor,
        ])`);
      expect(colors.length).to.be.greaterThan(5);
      for (const [edge, placeholder, ground] of colors) {
        expect(contrast(edge, ground)).to.be.at.least(3);
        expect(contrast(placeholder, ground)).to.be.at.least(4.5);
      }
    }
  });

  it("has targets of 32 px and more for fingers", async () => {
    await using visit = await ConsoleVisit.open();
    const viewport = { width: 390, height: 844 };
    const page = await visit.visitor("ada", { viewport, hasTouch: true, isMobile: true });
    await method(page, "orders.create").click();
    const heights = await page.evaluate<number[]>(
      "[...document.querySelectorAll('main button, header button, main input, main select, main summary')].map((element) => element.getBoundingClientRect().height)",
    );
    expect(heights.length).to.be.greaterThan(20);
    expect(Math.min(...heights)).to.be.at.least(32);
  });

  it("shows what is chosen, and the connection's sign, in forced colors, too", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor("ada", { forcedColors: "active" });
    const ground = (selector: string) =>
      page.evaluate<string>(
        `getComputedStyle(document.querySelector(${JSON.stringify(selector)})).backgroundColor`,
      );
    expect(await page.evaluate("matchMedia('(forced-colors: active)').matches")).to.equal(true);
    for (const [chosen, other] of [
      ["nav.segments [aria-current]", "nav.segments button:not([aria-current])"],
      [".method[aria-current]", ".method:not([aria-current])"],
      [".pill i", ".pill"],
    ] as const)
      expect(await ground(chosen), chosen).to.not.equal(await ground(other));
  });
});

/** WCAG 2.2, 1.4.3, of colors as `getComputedStyle` tells them. */
function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05);
}

function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = (color.match(/[\d.]+/g) ?? [])
    .map((part) => Number(part) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
