import { expect } from "chai";
import type { Page } from "playwright-core";
import { needsChromium } from "../helpers/browser/browser.js";
import { button, ConsoleVisit, call, lines, method } from "../helpers/browser/console-visit.js";

const timelineOf = (page: Page) => page.getByRole("region", { name: "Timeline" });
const rows = "document.querySelector('.rows')";
const framesOf = (page: Page) => page.getByRole("region", { name: "Frames" });

/** A page that has subscribed to the prices of A1. */
async function watching(visit: ConsoleVisit, page: Page): Promise<void> {
  await method(page, "prices").click();
  await page.getByLabel("sku").selectOption("A1");
  await button(page, "Subscribe").click();
  await page.getByRole("region", { name: "Events of prices" }).getByText("live").waitFor();
  await visit.price(1);
  await framesOf(page)
    .getByRole("button", { name: /^prices:A1/ })
    .waitFor();
}

/** Many different rows: each call has two of its own. */
async function callsMany(page: Page, count: number): Promise<void> {
  await method(page, "ping").click();
  for (let calls = 0; calls < count; calls++) await call(page);
}

/** Where the list stands, and how far from its end. */
function place(page: Page): Promise<{ readonly top: number; readonly left: number }> {
  return page.evaluate(
    `(({ scrollTop, scrollHeight, clientHeight }) => ({ top: scrollTop, left: scrollHeight - scrollTop - clientHeight }))(${rows})`,
  );
}

describe("The console's timeline in Chromium", function () {
  this.timeout(120_000);

  before(function () {
    needsChromium(this);
  });

  it("shows repeated pushes as one line that counts, with the newest data, and the earlier ones when it is opened", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await watching(visit, page);
    for (let cents = 2; cents <= 5; cents++) await visit.price(cents);
    const frames = framesOf(page);
    await frames.getByText("×5").waitFor();
    const last = (await lines(page)).at(-1);
    expect(last).to.match(/received\s+prices:A1\s*×5\s.*\{"sku":"A1","cents":5\}/s);
    await frames.getByRole("button", { name: /^prices:A1/ }).click();
    const earlier = frames.getByRole("list", { name: "Earlier pushes of prices:A1" });
    expect((await earlier.getByRole("listitem").allInnerTexts()).join()).to.match(
      /cents":4.*cents":3.*cents":2.*cents":1/s,
    );
  });

  it("stands still from the click on the newest row on, while events come: not one row is drawn anew", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await watching(visit, page);
    const frames = framesOf(page);
    const newest = frames.getByRole("button", { name: /^prices:A1/ });
    await newest.click();
    await frames.locator(".detail").waitFor();
    expect(await newest.getAttribute("aria-expanded")).to.equal("true");
    // the row and its head are in sight
    const [row, list] = [await newest.boundingBox(), await frames.boundingBox()];
    expect(row?.y).to.be.at.least(list?.y ?? Number.NaN);
    expect(row?.y).to.be.below((list?.y ?? 0) + (list?.height ?? 0));
    const pill = timelineOf(page).getByRole("button", { name: /\d new/ });
    await visit.price(2);
    await pill.waitFor(); // and the row that was opened has come to rest
    await page.evaluate(`
      changes = [];
      new MutationObserver((records) => changes.push(...records.filter(({ target }) => target.data !== "").map(({ type, target }) => type + " " + (target.data ?? target.className))))
        .observe(${rows}, { childList: true, subtree: true, characterData: true, attributes: true });`);
    for (let cents = 3; cents <= 30; cents++) await visit.price(cents);
    await timelineOf(page)
      .getByRole("button", { name: /29 new/ })
      .waitFor();
    expect(await page.evaluate("changes")).to.deep.equal([]);
    await pill.click();
    await frames.getByText("×30").waitFor();
    expect(await page.evaluate("changes")).to.not.deep.equal([]);
    expect(await button(page, "Pause").count()).to.equal(1);
  });

  it("pauses when somebody scrolls up, and goes on at the end, or by its button", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await callsMany(page, 25);
    const frames = framesOf(page);
    await expectLeft(page, 0);
    await frames.hover();
    await page.mouse.wheel(0, -400);
    await button(page, "Resume").waitFor();
    const before = await place(page);
    expect(before.left).to.be.greaterThan(200);
    await call(page);
    await timelineOf(page).getByRole("button", { name: /2 new/ }).waitFor();
    expect(await place(page)).to.deep.equal(before);
    await frames.hover();
    await page.mouse.wheel(0, 4_000);
    await button(page, "Pause").waitFor();
    await expectLeft(page, 0);
    await button(page, "Pause").click();
    await call(page);
    await timelineOf(page).getByRole("button", { name: /2 new/ }).click();
    await expectLeft(page, 0);
  });

  it("draws only the rows in sight, and says how many there are", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await callsMany(page, 40);
    const frames = framesOf(page);
    const table = frames.getByRole("table");
    await page.waitForFunction("Number(document.querySelector('.rows table').ariaRowCount) > 80");
    expect(await frames.locator("tr.entry").count()).to.be.within(8, 40);
    await page.evaluate(`${rows}.scrollTop = 0`);
    await table.locator('[aria-rowindex="2"]').waitFor(); // the first below the headings
    expect(await frames.locator("tr.entry").count()).to.be.within(8, 40);
    expect(await table.getByRole("columnheader").allInnerTexts()).to.include.members([
      ...["Time", "Message", "Took", "Size"],
    ]);
  });

  it("leads from a response to its request, far above it, and back", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await callsMany(page, 25);
    const frames = framesOf(page);
    await page.evaluate(`${rows}.scrollTop = 0`);
    await frames
      .getByRole("button", { name: /^authenticate/ })
      .first()
      .click();
    await frames.getByRole("button", { name: "Go to the response" }).click();
    await frames.getByRole("button", { name: "Go to the request" }).waitFor();
    expect(await page.evaluate("document.activeElement.textContent")).to.match(/^authenticate/);
    expect(await frames.locator("tr.opened.in").count()).to.equal(1);
    expect(await frames.locator("tr.paired.out").count()).to.equal(1);
  });

  it("is one stop of the keyboard: the arrow keys lead to all rows, and nothing moves meanwhile", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await callsMany(page, 25);
    const frames = framesOf(page);
    expect(await frames.locator("button[tabindex='0']").count()).to.equal(1);
    await frames.locator("button[tabindex='0']").focus();
    await button(page, "Resume").waitFor();
    await page.keyboard.press("Home");
    await frames.locator("button:focus", { hasText: "authenticate" }).waitFor();
    await page.keyboard.press("ArrowDown");
    await frames.locator("tr.in button:focus", { hasText: "authenticate" }).waitFor();
    await page.keyboard.press("Enter");
    await frames.locator(".detail").waitFor();
    await page.keyboard.press("End");
    await frames.locator("tr.in button:focus", { hasText: "ping" }).waitFor();
  });

  it("marks an error with a sign and a word, not by its color alone, and names rows without their JSON", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await method(page, "orders.create").click();
    await page.getByLabel("sku").fill("A1");
    await page.getByLabel("qty").fill("40");
    expect(await call(page)).to.match(/^Error/);
    const both = framesOf(page).locator("tr.entry", { hasText: "orders.create" });
    await both.nth(1).waitFor();
    expect(await both.locator(".what .icon").count()).to.equal(1);
    const names = await page.evaluate(`[...${rows}.querySelectorAll("[data-key]")].map((button) => {
      const copy = button.cloneNode(true);
      for (const hidden of copy.querySelectorAll("[aria-hidden=true]")) hidden.remove();
      return copy.textContent.trim();
    }).filter((name) => name.startsWith("orders.create"))`);
    expect(names).to.deep.equal(["orders.create", "orders.create, error"]);
  });

  it("shows name and data on a screen of 390 pixels, in two lines of each row", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor("ada", { viewport: { width: 390, height: 844 } });
    await watching(visit, page);
    const frames = framesOf(page);
    const what = await frames.locator("tr.entry.in .what").last().boundingBox();
    expect(what?.width).to.be.greaterThan(180);
    for (const part of ["b", ".preview"]) {
      const selector = JSON.stringify(`tr.entry.in .what ${part}`);
      const isWhole = await page.evaluate(
        `(({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth)([...document.querySelectorAll(${selector})].at(-1))`,
      );
      expect(isWhole, part).to.equal(true);
    }
    expect(await page.evaluate("document.documentElement.scrollWidth")).to.equal(390);
  });

  it("shows what is selected in forced colors", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor("ada", { forcedColors: "active" });
    const colorOf = (name: string) =>
      page.evaluate(
        `getComputedStyle([...document.querySelectorAll(".timeline-head button")].find(({ textContent }) => textContent === "${name}")).backgroundColor`,
      );
    expect(await colorOf("All")).to.not.equal(await colorOf("Errors"));
    await timelineOf(page).getByRole("button", { name: "Errors" }).click();
    await framesOf(page).getByText("Nothing matches.").waitFor();
    expect(await colorOf("Errors")).to.not.equal(await colorOf("All"));
  });

  it("announces a subscription that the server has accepted, and its end", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    const said = page.getByRole("status", { name: "Announcement" });
    expect(await said.innerText()).to.equal("");
    await watching(visit, page);
    await said.getByText("Subscribed to prices").waitFor();
    const panel = page.getByRole("region", { name: "Subscriptions" });
    await panel.getByRole("button", { name: /^Unsubscribe prices/ }).click();
    await said.getByText("Subscription to prices: unsubscribed").waitFor();
  });
});

async function expectLeft(page: Page, pixels: number): Promise<void> {
  await page.waitForFunction(
    `(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight <= ${pixels + 1})(${rows})`,
  );
}
