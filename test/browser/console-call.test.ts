import { expect } from "chai";
import type { Page } from "playwright-core";
import { accessibilityViolations } from "../helpers/browser/accessibility.js";
import { needsChromium } from "../helpers/browser/browser.js";
import { button, ConsoleVisit, call, lines, method } from "../helpers/browser/console-visit.js";
import { eventually } from "../helpers/eventually.js";

const outcome = (page: Page) => page.getByRole("region", { name: "Outcome" });
/** By how many pixels an element is wider than its box. */
const overflow = (page: Page, selector: string) =>
  page.evaluate<number>(
    `(() => { const e = document.querySelector(${JSON.stringify(selector)}); return e.scrollWidth - e.clientWidth; })()`,
  );

describe("The console's call panel in Chromium", function () {
  this.timeout(60_000);

  before(function () {
    needsChromium(this);
  });

  it("keeps typed params, an outcome and a running call while another method or page is shown", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "orders.create").click();
    await page.getByLabel("sku").fill("A1");
    await page.getByLabel("qty").fill("7");
    expect(await call(page)).to.match(/^Result/);
    await method(page, "reports.sales").click();
    await button(page, "Call").click();
    await button(page, "Calling…").waitFor();
    await button(page, "Sessions").click();
    await page.getByRole("row", { name: /^ada/ }).waitFor();
    await page.getByRole("navigation", { name: "Pages" }).getByText("Calls").click();
    await method(page, "orders.create").click();
    expect(await page.getByLabel("qty").inputValue()).to.equal("7");
    expect(await outcome(page).innerText()).to.match(/^Result/);
    await method(page, "reports.sales").click();
    expect(await button(page, "Calling…").count()).to.equal(1);
    visit.report.answer();
    await outcome(page)
      .getByText(/^Result/)
      .waitFor();
  });

  it("cancels a running call: the server is told, and the focus stays at the call", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "reports.sales").click();
    await button(page, "Call").click();
    await button(page, "Cancel").click();
    await outcome(page)
      .getByText(/^Cancelled/)
      .waitFor();
    await button(page, "Call").and(page.locator(":focus")).waitFor();
    expect((await lines(page)).filter((line) => line.includes("$/cancelRequest"))).to.have.length(
      1,
    );
    expect(visit.report.cancelled).to.equal(1);
  });

  it("shows issues at their fields: found here before anything is sent, or by the server", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "orders.create").click();
    const sku = page.getByLabel("sku");
    const describedBy = (about: string) =>
      page.evaluate<string>(
        `document.getElementById(${about}.getAttribute("aria-describedby").split(" ").at(-1)).textContent`,
      );
    await button(page, "Call").click();
    await page.getByText("Not sent: required params are empty.").waitFor();
    await page.locator("input:focus[aria-invalid=true]").waitFor();
    expect(await describedBy("document.activeElement")).to.equal("Required");
    expect(await sku.getAttribute("aria-required")).to.equal("true");
    expect((await lines(page)).some((line) => line.includes("orders.create"))).to.equal(false);

    await button(page, "Send anyway").click();
    await outcome(page)
      .getByText(/-32602/)
      .waitFor();
    const said = 'document.querySelector("[aria-required=true]")';
    expect(await describedBy(said)).to.match(/Too small/);
    await sku.fill("A1");
    expect(await describedBy(said)).to.equal("");
    await page.getByLabel("Params (JSON)").fill('{"sku": "A1", "address": {"street": 5}}');
    await button(page, "Call").click();
    await page
      .locator("fieldset.nested")
      .getByText(/expected string/)
      .waitFor();
    expect(await accessibilityViolations(page)).to.deep.equal([]);
  });

  it("tells what the server says of a method: description, schemas, declared errors", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "reports.sales").click();
    const panel = page.getByRole("region", { name: "reports.sales" });
    await panel.getByText("What was sold", { exact: true }).waitFor();
    await panel.getByText("Takes its time: cancel it.").waitFor();
    await panel.getByText("Result and 1 declared error").click();
    await panel.getByText("NO_SALES").waitFor();
    expect(await panel.getByLabel("Schema of the result").innerText()).to.include('"cents"');
  });

  it("copies an outcome, a command and code; collapses the outcome", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor("ada", { permissions: ["clipboard-read", "clipboard-write"] });
    const clipboard = () => page.evaluate<string>("navigator.clipboard.readText()");
    await method(page, "stock.list").click();
    await call(page);
    await outcome(page).getByRole("button", { name: "Copy" }).click();
    await outcome(page).getByText("Copied").first().waitFor();
    expect(JSON.parse(await clipboard())).to.deep.equal([{ sku: "A1", left: 12 }]);
    await button(page, "Copy for wscat").click();
    await page.getByText("Copied").first().waitFor();
    expect(await clipboard()).to.match(/^npx wscat -c 'ws:[^']+'\n.*\n\{.*"stock\.list"\}\n$/);
    await button(page, "Copy SDK code").click();
    await eventually(async () => expect(await clipboard()).to.include('client.call("stock.list")'));
    await button(page, "Collapse").click();
    expect(await outcome(page).locator("pre").count()).to.equal(0);
    await button(page, "Expand").click();
    expect(await outcome(page).locator("pre").count()).to.equal(1);
  });

  it("draws a large result in few pieces, and announces its heading alone", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "reports.rows").click();
    const whole = await call(page);
    expect(whole.length).to.be.greaterThan(100_000);
    const json = outcome(page).locator("pre");
    expect(await json.locator("span").count()).to.be.within(100, 4_000);
    expect(await outcome(page).getByRole("status").first().innerText()).to.match(
      /^Result [\d.]+ ms$/,
    );
  });

  it("opens on the application's first method, or on the one that the URL names", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await page.getByRole("heading", { name: "stock.list" }).waitFor();
    await method(page, "orders.list").click();
    expect(new URL(page.url()).hash).to.equal("#orders.list");
    await page.goBack();
    await page.getByRole("heading", { name: "stock.list" }).waitFor();
    await page.evaluate("location.hash = '#orders.create'");
    await page.getByRole("heading", { name: "orders.create" }).waitFor();
    await page.evaluate("location.hash = '#orders.gone'");
    await page.getByText(/^There is no such method/).waitFor();
    await page.evaluate("location.hash = '#%'"); // no encoded name
    await page.getByRole("heading", { name: "stock.list" }).waitFor();
  });

  it("is led by the keyboard: skip link, search, arrows, Ctrl+Enter from anywhere", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    const key = (name: string) => page.keyboard.press(name);
    await button(page, "Skip to content").focus();
    await key("Enter");
    await page.locator("h2:focus", { hasText: "stock.list" }).waitFor();
    await key("/");
    await page.keyboard.type("orders");
    const names = page.locator(".method-name");
    expect(await names.allInnerTexts()).to.include.members(["orders.create", "orders.list"]);
    await key("Enter");
    await page.getByRole("heading", { name: "orders.create" }).waitFor();
    await key("ArrowDown");
    await key("ArrowDown");
    await method(page, "orders.list").and(page.locator(":focus")).waitFor();
    await key("Home");
    await method(page, "orders.create").and(page.locator(":focus")).waitFor();
    await key("End");
    await key("Enter");
    await page.getByRole("heading", { name: "orders.list" }).waitFor();
    expect(await page.locator(".method[tabindex='0']").count()).to.equal(1);
    await key("Control+Enter");
    await outcome(page)
      .getByText(/^Result/)
      .waitFor();
    await key("/");
    await page.keyboard.type("!!");
    await page.getByText(/^No methods match “orders!!”\.$/).waitFor();
    await key("Escape");
    await method(page, "stock.list").waitFor();
    expect(await page.getByText("Ctrl Enter").isVisible()).to.equal(true);
  });

  for (const width of [1100, 1200, 1280])
    it(`clips nothing of a refused call: ${width} wide`, async () => {
      await using visit = await ConsoleVisit.open();
      const page = await visit.visitor("ada", { viewport: { width, height: 750 } });
      await method(page, "orders.create").click();
      await page.getByLabel("sku").fill("A1");
      await button(page, "Let session expire").click();
      visit.clock.advance(300_000);
      await page.getByText("Session expired, still connected").waitFor();
      expect(await call(page)).to.match(/^Error -32002/);
      for (const part of [".call", ".outcome", ".side", ".session"])
        expect(await overflow(page, part), part).to.equal(0);
      expect(await accessibilityViolations(page)).to.deep.equal([]);
    });

  for (const { width, height } of [
    { width: 390, height: 844 },
    { width: 768, height: 1024 },
    { width: 1080, height: 700 },
  ])
    it(`has the session, the methods and Call on the first screen, in the order of the document: ${width} wide`, async () => {
      await using visit = await ConsoleVisit.open();
      const page = await visit.visitor("ada", { viewport: { width, height } });
      await method(page, "orders.create").click();
      await page.evaluate("scrollTo(0, 0)");
      const boxes = async (...selectors: readonly string[]) =>
        Promise.all(selectors.map(async (selector) => page.locator(selector).boundingBox()));
      const [ring, search, heading, submit] = await boxes(
        ".ring",
        ".methods input",
        ".call h2",
        ".call-bar .primary",
      );
      for (const box of [ring, search, heading, submit])
        expect((box?.y ?? height) + (box?.height ?? 0)).to.be.at.most(height);
      expect(ring?.y).to.be.below(search?.y ?? 0);
      const parts = ["strip", "methods", "middle", "side"];
      expect(
        await page.evaluate<string[]>(
          "[...document.querySelector('main').children].map((part) => part.className)",
        ),
      ).to.deep.equal(parts);
      const tops = (await boxes(...parts.map((part) => `main > .${part}`))).map((box) => box?.y);
      expect(tops).to.deep.equal([...tops].sort((one, other) => (one ?? 0) - (other ?? 0)));
      expect((await page.locator(".methods").boundingBox())?.height).to.be.at.most(height);
      expect(await overflow(page, "html")).to.equal(0);
      expect(await overflow(page, ".bar")).to.equal(0);
      expect(await accessibilityViolations(page)).to.deep.equal([]);
    });

  it("has a header that holds its longest state at every width", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await page.evaluate("document.querySelector('.bar .pill').append('waiting to reconnect')");
    for (const width of [320, 390, 701, 768, 849, 901, 1081]) {
      await page.setViewportSize({ width, height: 800 });
      expect(await overflow(page, ".bar"), String(width)).to.equal(0);
      expect(await button(page, "Log out").isVisible()).to.equal(true);
    }
  });

  it("shares its height with the timeline as its user wants, by pointer or by keys", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "orders.create").click();
    const height = async (part: string) => (await page.locator(part).boundingBox())?.height ?? 0;
    const [first, rest] = [await height(".call"), await height(".timeline")];
    const bar = page.getByRole("separator", { name: "Height of the call panel" });
    const box = await bar.boundingBox();
    if (box === null) throw new Error("there is no separator");
    await page.mouse.move(box.x + 100, box.y + 7);
    await page.mouse.down();
    await page.mouse.move(box.x + 100, box.y - 93);
    await page.mouse.up();
    await eventually(async () =>
      expect(await height(".call")).to.be.within(first - 115, first - 85),
    );
    const dragged = await height(".call");
    expect(await height(".timeline")).to.be.closeTo(rest + first - dragged, 1);
    await bar.focus();
    await page.keyboard.press("ArrowUp");
    await eventually(async () => expect(await height(".call")).to.be.below(dragged - 30));
    expect(await bar.getAttribute("aria-valuetext")).to.match(/^\d+ pixels$/);
    await page.keyboard.press("End");
    await eventually(async () => expect(await height(".timeline")).to.be.below(rest));
    expect(await height(".timeline")).to.be.at.least(180);
    await page.keyboard.press("Escape");
    await eventually(async () => expect(await height(".call")).to.equal(first));
    expect(await accessibilityViolations(page, ".middle")).to.deep.equal([]);
  });

  it("shows that a long list of methods goes on, and what its signs mean", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor("ada", { viewport: { width: 1280, height: 420 } });
    const list = page.locator(".method-groups");
    expect(
      await page.evaluate(
        "(({ scrollHeight, clientHeight }) => scrollHeight > clientHeight)(document.querySelector('.method-groups'))",
      ),
    ).to.equal(true);
    const edge = async () => {
      const box = await list.boundingBox();
      if (box === null) throw new Error("there is no list");
      const clip = { x: box.x + 4, y: box.y + box.height - 3, width: 1, height: 2 };
      return (await page.screenshot({ clip })).toString("base64");
    };
    const cut = await edge();
    await page.evaluate("document.querySelector('.method-groups').scrollTo(0, 1e6)");
    expect(await edge()).to.not.equal(cut); // no shadow at the end
    expect(await page.locator(".legend").innerText()).to.match(
      /public\s+allowed\s+locked\s+subscription/,
    );
    expect(await method(page, "orders.list").getAttribute("title")).to.equal(
      "orders.list\nYour orders",
    );
  });
});
