import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { needsChromium } from "../helpers/browser/browser.js";
import { OrderDeskVisit } from "../helpers/browser/order-desk-visit.js";
import { runCli } from "../helpers/cli/command-line.js";
import { eventually } from "../helpers/eventually.js";

const bobsPassword = "bob's own password";

/** Holds back answers to methods. `called` are the methods that the page has called. */
async function holdAnswers(page: Page) {
  const called: string[] = [];
  const held: (() => void)[] = [];
  let names: readonly string[] = [];
  await page.routeWebSocket(/rpc/, (socket) => {
    const ids = new Set<unknown>();
    const server = socket.connectToServer();
    socket.onMessage((text) => {
      for (const { id, method } of [JSON.parse(String(text))].flat()) {
        called.push(method);
        if (names.includes(method)) ids.add(id);
      }
      server.send(text);
    });
    server.onMessage((text) => {
      const isHeld = [JSON.parse(String(text))]
        .flat()
        .some(({ id, method }) => method === undefined && ids.has(id));
      if (isHeld) held.push(() => socket.send(text));
      else socket.send(text);
    });
  });
  return {
    called,
    /** Holds the answers to calls from now on. */
    hold: (...methods: string[]) => {
      names = methods;
    },
    /** Sends what was held, and holds nothing more. */
    release: () => {
      names = [];
      for (const send of held.splice(0)) send();
    },
  };
}

const countOf = (names: readonly string[], name: string) =>
  names.filter((one) => one === name).length;
const whoIs = (page: Page, user: string) =>
  eventually(async () => expect(await page.locator("#who").textContent()).to.equal(user));

describe("The order desk's page in Chromium, when another tab logs somebody else in", function () {
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

  afterEach(() => visit.closePages());

  /** The desk of ada, who ordered three lamps, and a function that logs bob in elsewhere. */
  async function desk() {
    const { page } = await visit.page();
    const answers = await holdAnswers(page);
    await page.reload();
    await visit.logIn(page);
    await page.getByRole("heading", { name: "Price list" }).waitFor();
    const tab = await page.context().newPage();
    await tab.goto(visit.server.base);
    const logBobIn = () =>
      tab.evaluate(
        `import("/jotwire-session.min.js").then((sdk) => sdk.createSession().login("bob", ${JSON.stringify(bobsPassword)}))`,
      );
    const orderLamps = async () => {
      const item = page.locator(".item", { hasText: "Desk lamp" });
      await item.getByLabel("How many").fill("3");
      await item.getByRole("button", { name: "Order" }).click();
    };
    return { page, answers, logBobIn, orderLamps };
  }

  it("shows nothing of the user before", async () => {
    const { page, answers, logBobIn, orderLamps } = await desk();
    await orderLamps();
    const row = page.getByRole("row", { name: "3 × Desk lamp" }).first();
    await row.waitFor();
    answers.hold("stock.list");
    await logBobIn();
    await whoIs(page, "bob");
    expect(await row.isVisible()).to.equal(false);
    answers.release();
    await page.getByText("Yours, live").waitFor();
    expect(await page.getByRole("row", { name: "Desk lamp" }).count()).to.equal(0);
  });

  it("does not place for the next user what the one before has ordered without an answer", async () => {
    const { page, answers, logBobIn, orderLamps } = await desk();
    answers.hold("orders.create");
    await orderLamps();
    await eventually(() => expect(countOf(answers.called, "orders.create")).to.equal(1));
    answers.hold("prices.recent");
    const before = countOf(answers.called, "prices.recent");
    await page.reload();
    await eventually(() => expect(countOf(answers.called, "prices.recent")).to.equal(before + 1));
    await logBobIn();
    await whoIs(page, "bob");
    answers.release();
    await page.getByText("Yours, live").waitFor();
    expect(await page.getByRole("row", { name: "Desk lamp" }).count()).to.equal(0);
    expect(countOf(answers.called, "orders.create")).to.equal(1);
  });
});
