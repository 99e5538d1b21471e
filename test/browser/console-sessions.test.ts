import { once } from "node:events";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { WebSocket } from "ws";
import { createClient } from "../../client/node.js";
import { needsChromium } from "../helpers/browser/browser.js";
import { button, ConsoleVisit } from "../helpers/browser/console-visit.js";
import { password } from "../helpers/tokens/test-issuer.js";

/** The page of sessions, as ada sees it. */
async function sessionsPage(
  visit: ConsoleVisit,
  options: Parameters<ConsoleVisit["visitor"]>[1] = {},
): Promise<Page> {
  const page = await visit.visitor("ada", options);
  await button(page, "Sessions").click();
  await rowOf(page, "ada").waitFor();
  return page;
}

function rowOf(page: Page, who: string) {
  return page.getByRole("row", { name: new RegExp(`^${who}`) });
}

/** A connection of a user without a page. */
async function connection(visit: ConsoleVisit, username: string) {
  const { access_token: token } = (await (
    await fetch(new URL("/login", visit.url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username, password }),
    })
  ).json()) as { access_token: string };
  const client = createClient({
    url: visit.url.replace(/^http(.*)console$/, "ws$1rpc"),
    token: () => token,
  });
  await client.call("ping");
  return client;
}

describe("The console's page of sessions in Chromium", function () {
  this.timeout(120_000);

  before(function () {
    needsChromium(this);
  });

  it("has the whole page, says how old it is, and with whom: the node, the subscriptions, the connection", async () => {
    await using visit = await ConsoleVisit.open();
    const page = await sessionsPage(visit, { viewport: { width: 1280, height: 800 } });
    expect(await page.getByRole("region", { name: "Timeline" }).count()).to.equal(0);
    const frame = await page.getByRole("region", { name: "Connections" }).boundingBox();
    expect(frame?.width).to.be.greaterThan(1_200);
    await page.getByText(/^As of (now|\d+ s ago)$/).waitFor();
    const headings = await page.getByRole("columnheader").allInnerTexts();
    expect(headings.join()).to.match(
      /User,Since ↓,Expires in,Calls,Subs,Buffered,Address,Node,Conn/,
    );
    await page
      .getByRole("navigation", { name: "Pages" })
      .getByRole("button", { name: "Calls" })
      .click();
    await page.getByRole("region", { name: "Timeline" }).waitFor();
  });

  it("filters, and sorts by the column that is pressed, and says so", async () => {
    await using visit = await ConsoleVisit.open();
    const bob = await connection(visit, "bob");
    const page = await sessionsPage(visit);
    const names = async () =>
      (
        await page.getByRole("region", { name: "Connections" }).locator("td.who b").allInnerTexts()
      ).join();
    expect(await names()).to.equal("ada,bob"); // the newest first
    const user = page.getByRole("columnheader", { name: "User" });
    await user.getByRole("button").click();
    expect(await user.getAttribute("aria-sort")).to.equal("ascending");
    await user.getByRole("button").click();
    expect([await user.getAttribute("aria-sort"), await names()]).to.deep.equal([
      "descending",
      "bob,ada",
    ]);
    const filter = page.getByRole("searchbox", { name: "Filter the sessions" });
    await filter.fill("BO");
    expect(await names()).to.equal("bob");
    await filter.fill("zzz");
    await page.getByText("No sessions match “zzz”.").waitFor();
    await filter.fill("bob");
    await filter.press("Enter"); // asks the server for this user
    await page.getByText("Only the connections of bob.").waitFor();
    await button(page, "Show everyone").click();
    await rowOf(page, "ada").waitFor();
    await bob.close();
  });

  it("asks with the name before it ends a connection; Escape takes that back, and the focus stays in the list", async () => {
    await using visit = await ConsoleVisit.open();
    const [first, second] = [await connection(visit, "bob"), await connection(visit, "bob")];
    const page = await sessionsPage(visit);
    const said = page.getByRole("status", { name: "Announcement" });
    await rowOf(page, "bob").nth(1).waitFor();
    const names = await page
      .getByRole("button", { name: /^(Disconnect|Revoke login)/ })
      .allInnerTexts();
    expect([names.length, new Set(names).size]).to.deep.equal([6, 6]); // each has its own
    const disconnect = rowOf(page, "bob").nth(1).locator("td button").first();
    await disconnect.click();
    expect(await disconnect.innerText()).to.match(/^Disconnect bob\?/);
    await said.getByText("Disconnect bob? Press again to confirm, Escape to cancel.").waitFor();
    await page.keyboard.press("Escape");
    expect(await disconnect.innerText()).to.match(/^Disconnect\s+bob, connection/);
    expect(visit.server.connections).to.equal(3);
    await page.keyboard.press("Enter");
    await page.keyboard.press("Enter");
    await said.getByText("Disconnected bob").waitFor();
    await rowOf(page, "bob").nth(1).waitFor({ state: "detached" });
    await page.locator("tr button:focus", { hasText: "Disconnect" }).waitFor();
    expect(visit.server.connections).to.equal(2);
    const revoke = rowOf(page, "bob").locator("td button").last();
    await revoke.click();
    expect(await revoke.innerText()).to.match(/^Revoke the login of bob\?/);
    await revoke.click();
    await said.getByText("Revoked the login of bob").waitFor();
    await rowOf(page, "bob").waitFor({ state: "detached" });
    await Promise.all([first.close(), second.close()]);
  });

  it("keeps its buttons in sight beside the longest subject, and on a narrow screen", async () => {
    await using visit = await ConsoleVisit.open();
    const longest = `x${"y".repeat(254)}`;
    await visit.issuer.users.add(longest, password, { scopes: [] });
    const other = await connection(visit, longest);
    for (const width of [390, 768, 1280]) {
      const page = await sessionsPage(visit, { viewport: { width, height: 800 } });
      await rowOf(page, "xyy").waitFor();
      for (const name of ["Disconnect", "Revoke login"]) {
        const buttons = page.getByRole("button", { name: new RegExp(`^${name} `) });
        for (const box of await Promise.all(
          [0, 1].map((index) => buttons.nth(index).boundingBox()),
        )) {
          expect(box?.x, `${name} at ${width}`).to.be.within(0, width);
          expect((box?.x ?? 0) + (box?.width ?? 0), `${name} at ${width}`).to.be.at.most(width);
        }
      }
      expect(await page.evaluate("document.documentElement.scrollWidth")).to.equal(width);
      await page.close();
    }
    await other.close();
  });

  it("draws only the rows in sight of 1,000 connections, and says that there are more", async () => {
    await using visit = await ConsoleVisit.open({ limits });
    const page = await visit.visitor();
    const sockets = await openSockets(Number(new URL(visit.url).port), 1_000);
    await button(page, "Sessions").click();
    await page.getByText("Shows the newest 1,000 of 1,001.").waitFor();
    const list = page.getByRole("region", { name: "Connections" });
    expect(await list.getByRole("table").getAttribute("aria-rowcount")).to.equal("1001");
    expect(await list.locator("tr[data-row]").count()).to.be.within(10, 45);
    await page.evaluate("document.querySelector('.table-frame').scrollTop = 1e6");
    await list.locator('[aria-rowindex="1001"]').waitFor();
    expect(await list.locator("tr[data-row]").count()).to.be.within(10, 45);
    for (const socket of sockets) socket.terminate();
  });
});

const limits = {
  pingInterval: Number.POSITIVE_INFINITY,
  unauthenticatedConnectionsPerAddress: 2_000,
  unauthenticatedConnections: 2_000,
  acceptsPerSecond: 20_000,
  loopDelay: 60_000,
};

/** Connections that do not say who they are, 100 at a time. */
async function openSockets(port: number, count: number): Promise<readonly WebSocket[]> {
  const sockets: WebSocket[] = [];
  while (sockets.length < count) {
    const more = Array.from(
      { length: 100 },
      () => new WebSocket(`ws://localhost:${port}/rpc`, "jotwire.v1"),
    );
    await Promise.all(more.map((socket) => once(socket, "open")));
    sockets.push(...more);
  }
  return sockets;
}
