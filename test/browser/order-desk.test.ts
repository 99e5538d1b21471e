import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { needsChromium } from "../helpers/browser/browser.js";
import { OrderDeskVisit } from "../helpers/browser/order-desk-visit.js";
import { projectFolder, runCli } from "../helpers/cli/command-line.js";

const bobsPassword = "bob's own password";

async function order(page: Page, name: string, qty: number): Promise<void> {
  const item = page.locator(".item", { hasText: name });
  await item.getByLabel(`How many: ${name}`).fill(String(qty));
  await item.getByRole("button", { name: "Order" }).click();
}

const refusal = (id: number) => ({
  jsonrpc: "2.0",
  id,
  error: { code: -32603, message: "Internal error" },
});
const rowOf = (page: Page, id: string) => page.getByRole("row", { name: new RegExp(`^${id}\\b`) });
const live = (page: Page) => page.getByText("Live", { exact: true }).waitFor();

describe("The order desk's page in Chromium", function () {
  this.timeout(60_000);
  let state: string;
  let visit: OrderDeskVisit;

  before(async function () {
    needsChromium(this);
    state = await mkdtemp(join(tmpdir(), "jotwire-"));
    visit = await OrderDeskVisit.open(state);
    const scopes = ["--scope", "orders:read", "--scope", "orders:write"];
    await runCli(["user", "add", "bob", ...scopes, "--state", state], { input: bobsPassword });
  });

  after(async () => {
    await visit?.[Symbol.asyncDispose]();
    if (state !== undefined) await rm(state, { recursive: true, force: true });
  });

  it("says what is wrong with a password, and lets in who has the right one", async () => {
    const { page } = await visit.page();
    await visit.logIn(page, "ada", "not her password");
    await page.getByText("Wrong username or password").waitFor();
    expect(await page.getByRole("heading", { name: "Price board" }).count()).to.equal(0);
    await visit.logIn(page);
    await live(page);
    expect(await page.getByRole("heading", { name: "Price board" }).isVisible()).to.equal(true);
    const left = Number(
      /^\d+/.exec((await page.locator("#ring").getAttribute("aria-label")) ?? "")?.[0],
    );
    expect(left).to.be.within(200, 300);
  });

  it("shows new prices by itself", async () => {
    const { page } = await visit.page();
    await visit.logIn(page);
    await live(page);
    const drawn = () => page.locator(".spark polyline").first().getAttribute("points");
    const first = await drawn();
    expect(first?.split(" ").length).to.be.within(55, 60); // a minute, at once
    for (let tries = 0; tries < 200 && (await drawn()) === first; tries++)
      await page.waitForTimeout(25);
    expect(await drawn()).to.not.equal(first);
  });

  it("reads what it has missed, and once more when that fails", async () => {
    const { page } = await visit.page();
    const reads: string[] = [];
    let isMissing = false;
    await page.routeWebSocket(/rpc/, (socket) => {
      const server = socket.connectToServer();
      server.onMessage((text) => {
        const hasEvent = isMissing && reads.length === 0 && String(text).includes('"prices:');
        socket.send(hasEvent ? String(text).replace('"data":', '"gap":true,"data":') : text);
      });
      socket.onMessage((text) => {
        const isRead = isMissing && String(text).includes('"prices.recent"');
        if (isRead) reads.push(String(text));
        if (!isRead || reads.length > 1) return server.send(text);
        for (const { id } of [JSON.parse(String(text))].flat())
          socket.send(JSON.stringify(refusal(id)));
      });
    });
    await page.reload();
    await visit.logIn(page);
    await live(page);
    isMissing = true;
    await page.getByText("Events were missed, and can't be read: Internal error").waitFor();
    for (let tries = 0; tries < 200 && reads.length < 2; tries++) await page.waitForTimeout(25);
    expect(reads.length).to.be.above(1);
  });

  it("shows an order and its status to its customer and to an administrator as it changes, and to nobody else", async () => {
    const [{ page: ada }, { page: bob }] = [await visit.page(), await visit.page()];
    await Promise.all([visit.logIn(ada), visit.logIn(bob, "bob", bobsPassword)]);
    await Promise.all([live(ada), live(bob)]);
    await order(bob, "Fountain pen", 4);
    await Promise.all([
      rowOf(bob, "o1").getByText("placed").waitFor(),
      rowOf(ada, "o1").getByText("placed").waitFor(),
    ]);
    expect(await rowOf(bob, "o1").innerText()).to.match(/bob\s+4 × Fountain pen\s+€98\.00/);
    expect(await bob.getByRole("button", { name: "Ship o1" }).count()).to.equal(0);
    await ada.getByText("36 in stock").waitFor();
    await ada.getByRole("button", { name: "Ship o1" }).click();
    await Promise.all([
      rowOf(bob, "o1").getByText("shipped").waitFor(),
      rowOf(ada, "o1").getByText("shipped").waitFor(),
    ]);
    await order(ada, "Desk lamp", 1);
    await rowOf(ada, "o2").waitFor();
    await ada.getByRole("button", { name: "Cancel o2" }).click();
    await rowOf(ada, "o2").getByText("cancelled").waitFor();
    expect(await rowOf(bob, "o2").count()).to.equal(0);
    await order(bob, "Typewriter, restored", 4);
    await bob.getByText("Only 3 left of Typewriter, restored.").waitFor();
  });

  it("asks once more, soon enough, for tokens whose answer does not come, or breaks off", async () => {
    for (const lost of ["hangs", "breaks off"]) {
      const { page, sockets } = await visit.page();
      await visit.logIn(page);
      await live(page);
      const spent: unknown[] = [];
      await page.route("**/token", async (route) => {
        spent.push(route.request().postDataJSON());
        if (spent.length > 1) return route.continue();
        if (lost === "breaks off")
          await route.fulfill({
            status: 200,
            contentType: "application/json",
            body: '{"access_token":"',
          });
      });
      await page.getByRole("button", { name: "Renew now" }).click();
      // no later than the answer can be had
      await page.getByText("Renewed: another token, the same socket.").waitFor({ timeout: 9_000 });
      expect(spent).to.have.length(2);
      expect(spent[1]).to.deep.equal(spent[0]);
      expect(sockets).to.have.length(1);
    }
  });

  it("renews on the same socket, and logs out for good", async () => {
    const { page, sockets } = await visit.page();
    await visit.logIn(page);
    await live(page);
    const renewal = page.waitForResponse((response) => response.url().endsWith("/token"));
    await page.getByRole("button", { name: "Renew now" }).click();
    await page.getByText("Renewed: another token, the same socket.").waitFor();
    expect(sockets).to.have.length(1);
    const { refresh_token } = (await (await renewal).json()) as { refresh_token: string };
    const revocation = page.waitForResponse((response) => response.url().endsWith("/revoke"));
    await page.getByRole("button", { name: "Log out" }).click();
    expect((await revocation).status()).to.equal(200);
    await page.getByRole("heading", { name: "Price board" }).waitFor({ state: "hidden" });
    const again = await fetch(`${visit.server.base}/token`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ grant_type: "refresh_token", refresh_token }),
    });
    expect(again.status).to.equal(400);
  });

  it("can be used with the keyboard alone", async () => {
    const { page } = await visit.page();
    await page.getByLabel("Password").focus();
    await page.keyboard.type(visit.password);
    await page.keyboard.press("Enter");
    await live(page);
    await page.getByLabel("How many: Desk lamp").focus();
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByText("Ordered: 2 × Desk lamp").waitFor();
  });

  it("speaks to its own server alone, keeps its tokens to itself, and complains of nothing", async () => {
    const { page, complaints, hosts } = await visit.page();
    const login = page.waitForResponse((response) => response.url().endsWith("/login"));
    await visit.logIn(page);
    await live(page);
    const { access_token, refresh_token } = (await (await login).json()) as Record<string, string>;
    const kept = await page.evaluate(
      "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href, document.body.outerHTML])",
    );
    for (const secret of [access_token, refresh_token, visit.password])
      expect(kept).to.not.include(secret);
    expect([...hosts]).to.deep.equal([new URL(visit.server.base).host]);
    expect(complaints).to.deep.equal([]);
  });

  it("looks as in the documents, light and dark", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      const { page } = await visit.page({ colorScheme, viewport: { width: 1180, height: 540 } });
      await visit.logIn(page);
      await live(page);
      await rowOf(page, "o1").waitFor();
      await page.waitForFunction("!document.querySelector('tr.fresh')?.getAnimations().length");
      const { SCREENSHOTS } = process.env; // set to renew those of the documents
      const path =
        SCREENSHOTS === undefined
          ? {}
          : { path: join(projectFolder, `docs/screenshots/order-desk-${colorScheme}.png`) };
      const picture = await page.screenshot(path);
      expect(picture.length).to.be.within(20_000, 150_000);
      const ground = await page.evaluate("getComputedStyle(document.body).backgroundColor");
      expect(ground).to.equal(colorScheme === "light" ? "rgb(244, 246, 245)" : "rgb(13, 20, 19)");
    }
  });

  it("fits a phone: nothing is wider than the screen, or lies over something else", async () => {
    const { page } = await visit.page({ viewport: { width: 390, height: 800 } });
    await visit.logIn(page);
    await live(page);
    await order(page, "Fountain pen", 2);
    await page.getByRole("button", { name: "Cancel" }).first().waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth")).to.equal(390);
    const boxOf = async (selector: string) =>
      (await page.locator(selector).first().boundingBox()) ?? expect.fail(`no ${selector}`);
    const name = await boxOf(".item .name");
    expect((await boxOf(".item .spark")).y).to.be.at.least(name.y + name.height);
  });
});
