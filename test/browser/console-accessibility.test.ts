import { expect } from "chai";
import { accessibilityViolations } from "../helpers/browser/accessibility.js";
import { needsChromium } from "../helpers/browser/browser.js";
import { button, ConsoleVisit, call, method } from "../helpers/browser/console-visit.js";

const sizes = { wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844 } };

describe("The console, by axe-core", function () {
  this.timeout(90_000);

  before(function () {
    needsChromium(this);
  });

  it("is measured by something that finds faults", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await visit.visitor();
    await page.evaluate(
      "document.querySelector('.timeline-head').append(document.createElement('button'))",
    );
    expect(await accessibilityViolations(page, ".timeline")).to.deep.equal([
      "button-name (critical): button:nth-child(8)",
    ]);
  });

  for (const colorScheme of ["light", "dark"] as const)
    for (const [size, viewport] of Object.entries(sizes)) {
      it(`has no fault in its timeline, its subscriptions and its sessions: ${colorScheme}, ${size}`, async () => {
        await using visit = await ConsoleVisit.open();
        const page = await visit.visitor("ada", { colorScheme, viewport });
        const timeline = page.getByRole("region", { name: "Timeline" });
        await method(page, "prices").click();
        await page.getByLabel("sku").selectOption("A1");
        await button(page, "Subscribe").click();
        await page.getByRole("region", { name: "Events of prices" }).getByText("live").waitFor();
        await visit.price(1250);
        await page.getByText("1 event", { exact: true }).waitFor();
        await method(page, "orders.create").click();
        await page.getByLabel("sku").fill("A1");
        await page.getByLabel("qty").fill("40"); // refused
        expect(await call(page)).to.match(/^Error/);
        await timeline
          .getByRole("button", { name: /^orders\.create/ })
          .last()
          .click();
        for (const part of [".timeline", ".subscriptions"])
          expect(await accessibilityViolations(page, part)).to.deep.equal([]);
        await button(page, "Sessions").click();
        const session = page.getByRole("row", { name: /^ada/ });
        await session.getByRole("button", { name: /^Disconnect/ }).click(); // it asks
        await session.getByRole("button", { name: /^Disconnect ada\?/ }).waitFor();
        expect(await accessibilityViolations(page)).to.deep.equal([]);
      });
    }
});
