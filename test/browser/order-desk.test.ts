import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { accessibilityViolations } from "../helpers/browser/accessibility.js";
import { needsChromium } from "../helpers/browser/browser.js";
import { logIn as logInToConsole } from "../helpers/browser/console-visit.js";
import { OrderDeskVisit } from "../helpers/browser/order-desk-visit.js";
import { projectFolder, runCli } from "../helpers/cli/command-line.js";

const bobsPassword = "bob's own password";

async function order(page: Page, name: string, qty: number): Promise<void> {
  const item = page.locator(".item", { hasText: name });
  await item.getByLabel(`How many: ${name}`).fill(String(qty));
  await item.getByRole("button", { name: "Order" }).click();
}

/** Waits until an expression is true. `waitForFunction` would need a page that allows `eval`. */
async function until(page: Page, expression: string): Promise<void> {
  while (!(await page.evaluate<boolean>(expression))) await page.waitForTimeout(25);
}

/** Orders, and waits for the row. Gives the order's id. */
async function ordered(page: Page, name: string, qty: number): Promise<string> {
  const newest = "document.querySelector('#rows tr')?.dataset.order";
  const before = await page.evaluate<string | undefined>(newest);
  await order(page, name, qty);
  await until(page, `${newest} !== ${JSON.stringify(before)}`);
  return page.evaluate<string>(newest);
}

const refusal = (id: number) => ({
  jsonrpc: "2.0",
  id,
  error: { code: -32603, message: "Internal error" },
});
/** Confirms what the page asks before it cancels an order. */
async function cancel(page: Page, id: string): Promise<void> {
  await page.getByRole("button", { name: `Cancel ${id}` }).click();
  await page.getByRole("button", { name: "Cancel order", exact: true }).click();
}

const focused = (page: Page) =>
  page.evaluate<string>(
    "(({ dataset, id, name }) => dataset.order ?? (id || name))(document.activeElement)",
  );

/** Holds back the server's answers to orders.create until `release`; `keys` are those of calls. */
async function holdOrders(page: Page) {
  const held: (() => void)[] = [];
  const keys: string[] = [];
  let isHeld = true;
  await page.routeWebSocket(/rpc/, (socket) => {
    const ids = new Set<unknown>();
    const server = socket.connectToServer();
    socket.onMessage((text) => {
      for (const { id, method, params } of [JSON.parse(String(text))].flat())
        if (method === "orders.create") {
          ids.add(id);
          keys.push(params.key);
        }
      server.send(text);
    });
    server.onMessage((text) => {
      const isAnswer = [JSON.parse(String(text))].flat().some(({ id }) => ids.has(id));
      if (isAnswer && isHeld) held.push(() => socket.send(text));
      else socket.send(text);
    });
  });
  const release = () => {
    isHeld = false;
    for (const send of held.splice(0)) send();
  };
  return { keys, release };
}

/** The contrast of a field's border and of what is around it (WCAG 2.2, relative luminance). */
const edgeContrast = `(() => {
  const luminance = (color) => {
    const channels = color.match(/\\d+/g).slice(0, 3).map((channel) => channel / 255);
    const [r, g, b] = channels.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const field = getComputedStyle(document.querySelector(".item input"));
  const card = getComputedStyle(document.querySelector(".board"));
  const edge = luminance(field.borderTopColor);
  const contrasts = [field, card].map(({ backgroundColor }) => {
    const [dark, bright] = [edge, luminance(backgroundColor)].sort((one, other) => one - other);
    return (bright + 0.05) / (dark + 0.05);
  });
  return Math.min(...contrasts);
})()`;

const rowOf = (page: Page, id: string) => page.getByRole("row", { name: new RegExp(`^${id}\\b`) });
const live = (page: Page) => page.getByText("Connected", { exact: true }).waitFor();

describe("The order desk's page in Chromium", function () {
  this.timeout(120_000);
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

  afterEach(() => visit.closePages());

  it("says what is wrong with a password, and lets in who has the right one", async () => {
    const { page } = await visit.page();
    await visit.logIn(page, "ada", "not her password");
    await page.getByText("Wrong username or password").waitFor();
    expect(await page.getByRole("heading", { name: "Price list" }).count()).to.equal(0);
    await visit.logIn(page);
    await live(page);
    expect(await page.getByRole("heading", { name: "Price list" }).isVisible()).to.equal(true);
    const label = (await page.locator("#ring").getAttribute("aria-label")) ?? "";
    const [, minutes, seconds] = /^(\d):(\d\d) minutes until/.exec(label) ?? [];
    expect(Number(minutes) * 60 + Number(seconds)).to.be.within(200, 300);
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
    await page.getByText("Can't read what is new: Internal error").waitFor();
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
    await cancel(ada, "o2");
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
      const asked: number[] = [];
      const second = new Promise<void>((resolve) => {
        page.on("response", (response) => {
          if (response.url().endsWith("/token") && response.ok() && asked.length > 1) resolve();
        });
      });
      await page.route("**/token", async (route) => {
        asked.push(performance.now());
        if (asked.length > 1) return route.continue();
        const given = await route.fetch(); // the server has given the next token
        expect(given.status()).to.equal(200);
        if (lost === "breaks off")
          await route.fulfill({
            status: 200,
            contentType: "application/json",
            body: '{"access_token":"',
          });
      });
      await page.getByRole("button", { name: "Renew now" }).click();
      await second;
      // no later than the answer can be had
      expect((asked[1] ?? 0) - (asked[0] ?? 0)).to.be.below(9_000);
      await live(page);
      expect(sockets).to.have.length(1);
    }
  });

  it("renews on the same socket, and logs out for good", async () => {
    const { page, sockets } = await visit.page();
    await visit.logIn(page);
    await live(page);
    await page.getByRole("button", { name: "Renew now" }).click();
    await page.getByText("Session renewed; connection kept.").waitFor();
    expect(sockets).to.have.length(1);
    const [cookie] = await page.context().cookies();
    expect(cookie).to.include({ httpOnly: true, secure: true, sameSite: "Strict" });
    await page.getByRole("button", { name: "Log out", exact: true }).click();
    await page.getByRole("heading", { name: "Price list" }).waitFor({ state: "hidden" });
    expect(await page.context().cookies()).to.deep.equal([]);
    const again = await fetch(`${visit.server.base}/token`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ grant_type: "refresh_token", refresh_token: cookie?.value }),
    });
    expect(again.status).to.equal(400);
    await page.reload();
    await page.getByLabel("Password").waitFor();
  });

  it("is still logged in after a reload, in another tab, and until a log-out everywhere", async () => {
    const [{ page }, { page: other }] = [await visit.page(), await visit.page()];
    await visit.logIn(page);
    await visit.logIn(other);
    await Promise.all([live(page), live(other)]);
    await page.reload();
    await live(page);
    expect(await page.locator("#who").innerText()).to.equal("ada");
    const tab = await page.context().newPage();
    await tab.goto(visit.server.base);
    await live(tab);
    await page.getByRole("button", { name: "Log out everywhere" }).click();
    for (const left of [page, tab, other]) await left.getByLabel("Password").waitFor();
    await tab.reload();
    await tab.getByLabel("Password").waitFor();
  });

  it("leaves its login alone when the console, on the same origin, logs somebody else in", async () => {
    const { page } = await visit.page();
    await visit.logIn(page);
    await live(page);
    const tool = await page.context().newPage();
    await tool.goto(`${visit.server.base}/console`);
    await logInToConsole(tool, "bob", bobsPassword);
    const renewal = tool.waitForResponse((response) => response.url().endsWith("/token"));
    await tool
      .getByRole("button", { name: /^Refresh/ })
      .first()
      .click();
    expect((await renewal).status(), "the console renews, too").to.equal(200);
    await page.reload();
    await live(page);
    expect(await page.locator("#who").innerText()).to.equal("ada");
  });

  it("orders once: not again while there is no answer, nor after a reload without one", async () => {
    const { page } = await visit.page();
    const orders = await holdOrders(page);
    await page.reload();
    await visit.logIn(page);
    await live(page);
    const count = () => page.getByRole("row", { name: "3 × Desk lamp" }).count();
    const before = await count();
    const item = page.locator(".item", { hasText: "Desk lamp" });
    const button = item.getByRole("button");
    await item.getByLabel("How many").fill("3");
    await button.click();
    await item.getByRole("button", { name: "Ordering… Desk lamp" }).waitFor();
    expect(await button.getAttribute("aria-disabled")).to.equal("true");
    await button.click({ force: true });
    await item.getByLabel("How many").press("Enter");
    await item.getByText("No answer yet.").waitFor({ timeout: 15_000 });
    expect(orders.keys).to.have.length(1);

    await page.reload(); // people do, when nothing happens
    await item.getByRole("button", { name: "Ordering… Desk lamp" }).waitFor();
    await live(page);
    expect(await item.getByLabel("How many").inputValue()).to.equal("3");
    orders.release();
    await item.getByRole("button", { name: "Order Desk lamp" }).waitFor();
    expect(await button.getAttribute("aria-disabled")).to.equal(null);
    expect(orders.keys).to.have.length(2);
    expect(orders.keys[0]).to.be.a("string").and.equal(orders.keys[1]);
    expect((await count()) - before).to.equal(1);

    await order(page, "Desk lamp", 1); // another one
    await page.getByText("Ordered: 1 × Desk lamp").waitFor();
    expect(orders.keys[2]).to.not.equal(orders.keys[0]);
  });

  it("asks before it cancels, and keeps the order if the user does", async () => {
    const { page } = await visit.page();
    await visit.logIn(page);
    await live(page);
    const id = await ordered(page, "Fountain pen", 1);
    await page.getByRole("button", { name: `Cancel ${id}` }).click();
    await page.getByText(`Cancel order ${id}?`).waitFor();
    expect(await focused(page)).to.equal("keep");
    await page.keyboard.press("Escape");
    await page.getByText(`Cancel order ${id}?`).waitFor({ state: "hidden" });
    expect(await rowOf(page, id).getByText("placed").count()).to.equal(1);
    await cancel(page, id);
    await rowOf(page, id).getByText("cancelled").waitFor();
    expect(await focused(page), "its buttons have gone").to.equal(id);
  });

  it("puts the focus where the user goes on, after a login, a change and a log-out", async () => {
    const { page } = await visit.page();
    await page.getByLabel("Password").waitFor();
    expect(await focused(page)).to.equal("password");
    await page.keyboard.type("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("Wrong username or password").waitFor();
    expect(await focused(page)).to.equal("password");
    await page.keyboard.type(visit.password);
    await page.keyboard.press("Enter");
    await live(page);
    expect(await focused(page)).to.equal("prices");
    const id = await ordered(page, "Fountain pen", 1);
    await page.getByRole("button", { name: `Ship ${id}` }).focus();
    await page.keyboard.press("Enter");
    await rowOf(page, id).getByText("shipped").waitFor();
    expect(await focused(page)).to.equal(id);
    await page.getByRole("button", { name: "Log out", exact: true }).click();
    await page.getByLabel("Password").waitFor();
    expect(await focused(page)).to.equal("password");
  });

  it("can be used with the keyboard alone", async () => {
    const { page } = await visit.page();
    await page.getByLabel("Password").waitFor();
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
    const tokens = (await (await login).json()) as Record<string, string>;
    expect(tokens).to.not.have.property("refresh_token");
    const [cookie] = await page.context().cookies();
    const kept = await page.evaluate(
      "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href, document.body.outerHTML])",
    );
    for (const secret of [tokens.access_token, cookie?.value, visit.password])
      expect(kept).to.not.include(secret);
    expect([...hosts]).to.deep.equal([new URL(visit.server.base).host]);
    expect(complaints).to.deep.equal([]);
  });

  it("looks as in the documents, light and dark", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      const { page } = await visit.page({ colorScheme, viewport: { width: 1180, height: 640 } });
      await visit.logIn(page);
      await live(page);
      await rowOf(page, "o1").waitFor();
      await until(page, "!document.querySelector('tr.fresh')?.getAnimations().length");
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

  it("fits each screen: nothing is wider, wraps or lies over something else", async () => {
    const { page } = await visit.page({ viewport: { width: 390, height: 800 } });
    await visit.logIn(page);
    await live(page);
    await order(page, "Fountain pen", 2);
    await page.getByRole("button", { name: "Cancel" }).first().waitFor();
    const boxOf = async (selector: string) =>
      (await page.locator(selector).first().boundingBox()) ?? expect.fail(`no ${selector}`);
    const lineOf = async (selector: string) => {
      const { y, height } = await boxOf(selector);
      return y + height / 2;
    };
    for (const width of [320, 390, 768, 1280, 1920]) {
      await page.setViewportSize({ width, height: 800 });
      expect(await page.evaluate("document.documentElement.scrollWidth")).to.equal(width);
      const title = await lineOf("#desk h1");
      for (const beside of ["#state", ".who", "#leave"])
        expect(Math.abs((await lineOf(beside)) - title), `${beside} at ${width}`).to.be.below(3);
      expect(Math.abs((await lineOf(".item .price")) - (await lineOf(".item .main")))).to.be.below(
        3,
      );
      expect((await boxOf(".item .market p")).height, "one line").to.be.below(24);
      const [item, market] = [await boxOf(".item"), await boxOf(".item .market")];
      const price = await boxOf(".item .price");
      expect(item.x + item.width).to.be.at.least(market.x + market.width);
      if (Math.abs(price.y - market.y) < 30)
        expect(price.x).to.be.at.least(market.x + market.width);
      const page1 = await boxOf("#desk main");
      if (width === 1280)
        expect((await boxOf(".orders")).width, "half of it").to.be.above(page1.width * 0.45);
    }
    const fontOf = (selector: string) =>
      page.evaluate<string>(
        `getComputedStyle(document.querySelector(${JSON.stringify(selector)})).fontSize`,
      );
    expect(Number.parseFloat(await fontOf(".item .price")), "what the user pays").to.be.above(
      Number.parseFloat(await fontOf(".item .market p")) * 1.4,
    );
  });

  it("has nothing that axe-core finds wrong, and buttons that say what they are for", async () => {
    for (const [colorScheme, width] of [
      ["light", 1280],
      ["dark", 390],
    ] as const) {
      const { page } = await visit.page({ colorScheme, viewport: { width, height: 800 } });
      const look = async (where: string) =>
        expect(await accessibilityViolations(page), `${where}, ${colorScheme}, ${width}`).to.be
          .empty;
      await page.getByLabel("Password").waitFor();
      await look("log-in");
      await visit.logIn(page);
      await live(page);
      const id = await ordered(page, "Fountain pen", 1);
      await page.getByText("Ordered: 1 × Fountain pen").waitFor();
      await until(page, "!document.querySelector('tr.fresh')?.getAnimations().length");
      expect(await page.locator(".pill.shipped").count()).to.be.above(0);
      await look("desk");
      const names = await page.locator(".item button").allInnerTexts();
      expect(names.map((name) => name.replace(/\s+/g, " "))).to.deep.equal([
        "Order Desk lamp",
        "Order Fountain pen",
        "Order Typewriter, restored",
      ]);
      await page.getByRole("button", { name: `Cancel ${id}` }).click();
      await look("dialog");
    }
  });

  it("has edges that are seen, in forced colors, too (WCAG 1.4.11)", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      const { page } = await visit.page({ colorScheme });
      await visit.logIn(page);
      await live(page);
      const contrast = await page.evaluate<number>(edgeContrast);
      expect(contrast, colorScheme).to.be.at.least(3);
      await page.emulateMedia({ forcedColors: "active" });
      const edge = (selector: string) =>
        page.evaluate<string>(
          `getComputedStyle(document.querySelector(${JSON.stringify(selector)})).borderTopStyle`,
        );
      expect([await edge("#desk .logo"), await edge(".pill")]).to.deep.equal(["solid", "solid"]);
      const dot = await page.evaluate<string>(
        "getComputedStyle(document.querySelector('#state'), '::before').backgroundColor",
      );
      const ground = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
      expect(dot).to.not.equal(ground);
    }
  });
});
