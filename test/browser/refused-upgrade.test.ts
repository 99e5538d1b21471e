import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { freshContext, needsChromium } from "../helpers/browser/browser.js";
import { sampleApp, startServer } from "../helpers/server/test-server.js";

const readyMade = fileURLToPath(new URL("../../dist/client/jotwire.min.js", import.meta.url));

/** Serves a page and the ready-made module on a port of its own, as a development server does. */
async function servePage() {
  const module = await readFile(readyMade);
  const http = createServer(({ url }, response) => {
    if (url === "/jotwire.min.js")
      response.setHeader("Content-Type", "text/javascript").end(module);
    else response.setHeader("Content-Type", "text/html").end("<!doctype html><title>Page</title>");
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return {
    origin: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      http.close();
    },
  };
}

/** What a page of this origin learns first: that it is connected, or why it isn't. */
async function firstNews(origin: string, url: string): Promise<unknown> {
  const context = await freshContext();
  try {
    const page = await context.newPage();
    await page.goto(origin);
    return await page.evaluate(`(async () => {
      const { createClient, UpgradeRefusedError } = await import("/jotwire.min.js");
      const client = createClient({ url: ${JSON.stringify(url)} });
      const news = await new Promise((resolve) => client.on("state", ({ to, reason, cause }) => {
        if (to === "ready") resolve(to);
        if (to !== "waiting") return;
        const isOurs = cause instanceof UpgradeRefusedError;
        resolve({ reason, isOurs, status: cause?.status, why: cause?.reason, hint: cause?.hint });
      }));
      await client.close();
      return news;
    })()`);
  } finally {
    await context.close();
  }
}

describe("A page whose handshake the server refuses, in Chromium,", function () {
  this.timeout(60_000);

  before(function () {
    needsChromium(this);
  });

  it("learns that its origin may not connect, and the line to add; with that it connects", async () => {
    await using page = await servePage();
    await using server = await startServer(sampleApp());
    const news = (await firstNews(page.origin, server.url)) as { readonly hint?: string };
    expect(news).to.deep.include({
      reason: "upgrade_refused",
      isOurs: true,
      status: 403,
      why: "origin_refused",
    });
    expect(news.hint).to.include(page.origin);
    await using willing = await startServer(sampleApp(), { origins: [page.origin] });
    expect(await firstNews(page.origin, willing.url)).to.equal("ready");
  });

  it("learns nothing of a server that isn't there, and tries on", async () => {
    await using page = await servePage();
    const gone = await startServer(sampleApp());
    await gone.close();
    expect(await firstNews(page.origin, gone.url)).to.deep.include({
      reason: "connection_lost",
      isOurs: false,
    });
  });
});
