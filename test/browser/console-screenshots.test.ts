import { mkdir, stat, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { needsChromium } from "../helpers/browser/browser.js";
import { button, ConsoleVisit, call, logIn, method } from "../helpers/browser/console-visit.js";
import { documents } from "../helpers/documents.js";

const folder = fileURLToPath(new URL("../../docs/screenshots/", import.meta.url));
const maxBytes = 160_000;

/**
 * The pictures that the documents show. With `SCREENSHOTS=1` they are made anew; otherwise what
 * they show is gone through, and they are thrown away.
 */
async function picture(page: Page, name: string): Promise<void> {
  await page.mouse.move(0, 0);
  const image = await page.screenshot({ animations: "disabled", caret: "hide" });
  expect(image.length, name).to.be.greaterThan(10_000); // something is on it
  if (process.env.SCREENSHOTS === "1") {
    await mkdir(folder, { recursive: true });
    await writeFile(`${folder}console-${name}.png`, image);
  }
  expect((await stat(`${folder}console-${name}.png`)).size).to.be.below(maxBytes);
}

describe("The console's pictures", function () {
  this.timeout(60_000);

  before(function () {
    needsChromium(this);
  });

  for (const colorScheme of ["light", "dark"] as const) {
    it(`are made of what is there: ${colorScheme}`, async () => {
      await using visit = await ConsoleVisit.open();
      const page = await visit.page({ colorScheme, viewport: { width: 1200, height: 750 } });
      await picture(page, `log-in-${colorScheme}`);

      await logIn(page);
      await method(page, "orders.create").click();
      await page.getByLabel("sku").fill("A1");
      await page.getByLabel("qty").fill("3");
      await call(page);
      await picture(page, `call-${colorScheme}`);

      await method(page, "prices").click();
      await page.getByLabel("sku").selectOption("A1");
      await button(page, "Subscribe").click();
      await page.getByRole("region", { name: "Events of prices" }).getByText("live").waitFor();
      for (const cents of [1250, 1262, 1255]) await visit.price(cents);
      await page.getByText("3 events").waitFor();
      await button(page, "Drop the network").click();
      await page.getByText(/^Back after/).waitFor();
      await picture(page, `subscription-${colorScheme}`);

      await method(page, "orders.list").click();
      await button(page, "Clear").click(); // the timeline tells the end of the session alone
      await button(page, "Let session expire").click();
      visit.clock.advance(250_000);
      visit.clock.advance(50_000);
      await page.getByText("Session expired, still connected").waitFor();
      await call(page);
      const calls = page.getByRole("region", { name: "Timeline" }).getByText("orders.list");
      await calls.nth(1).waitFor(); // the timeline is drawn a little later
      await picture(page, `expired-${colorScheme}`);

      await button(page, "Refresh").click();
      await page.getByText("Session restored").waitFor();
      await visit.visitor("bob");
      await button(page, "Clear").click();
      await button(page, "Sessions").click();
      await page.getByRole("row", { name: /^bob/ }).waitFor();
      await picture(page, `sessions-${colorScheme}`);
    });
  }

  it("are in the documents, and each that is shown is there", async () => {
    const shown = documents.flatMap(({ text }) =>
      [...text.matchAll(/screenshots\/(console-[a-z-]+\.png)/g)].map(([, name = ""]) => name),
    );
    expect(shown).to.include.members(["console-expired-light.png", "console-sessions-dark.png"]);
    for (const name of shown)
      expect((await stat(`${folder}${name}`)).size, name).to.be.within(10_000, maxBytes);
  });
});
