import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { z } from "zod";
import { createRpc, createServer } from "../../src/index.js";
import { freshContext, needsChromium } from "../helpers/browser/browser.js";
import { pageScript } from "../helpers/browser/page-script.js";
import type { StepUpUser } from "../helpers/client/step-up-user.js";
import { recordingLogger } from "../helpers/server/test-server.js";
import { code, LoginProvider, secondFactor } from "../helpers/tokens/login-provider.js";

const audience = "https://orders.test";
const script = "test/browser/page/step-up-user.ts";

/** A bank with its page, whose users log in at an identity provider. */
async function openBank() {
  const rpc = createRpc();
  const ran: string[] = [];
  const ticks = rpc.topic({ key: () => "ticks", event: z.number() });
  const app = rpc.router({
    ticks,
    balance: rpc.method({ handler: () => 100 }),
    transfer: rpc.method({
      stepUp: { acr: [secondFactor], maxAge: 300_000 },
      params: z.object({ amount: z.number() }),
      handler: ({ auth, params }) => void ran.push(`${auth.subject} ${params.amount}`),
    }),
  });
  const http = createHttpServer();
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const provider = await LoginProvider.start(`${origin}/callback`, audience);
  const server = createServer(app, {
    auth: { issuer: provider.issuer, audience },
    logger: recordingLogger().logger,
  });
  server.attach(http);
  http.on("request", async ({ url }, response) => {
    const isScript = url === "/user.js";
    response
      .writeHead(200, { "Content-Type": isScript ? "text/javascript" : "text/html" })
      .end(isScript ? await pageScript(script) : '<!doctype html><script src="/user.js"></script>');
  });
  const context = await freshContext();
  const page = await context.newPage();
  const sent: string[] = [];
  let sockets = 0;
  page.on("websocket", (socket) => {
    sockets++;
    socket.on("framesent", ({ payload }) =>
      sent.push((JSON.parse(String(payload)) as { readonly method: string }).method),
    );
  });
  await page.goto(`${origin}/?provider=${encodeURIComponent(provider.issuer)}`);
  return {
    ...{ app, context, page, provider, ran, sent },
    sockets: () => sockets,
    publish: (tick: number) => server.publish(ticks, undefined, tick),
    user: userOf(page),
    /** The window that opens while `act` runs. */
    async windowOf(act: () => Promise<unknown>): Promise<Page> {
      const [popup] = await Promise.all([context.waitForEvent("page"), act()]);
      return popup;
    },
    async [Symbol.asyncDispose]() {
      await context.close();
      await server.close();
      http.close();
      http.closeAllConnections();
      await provider[Symbol.asyncDispose]();
    },
  };
}

/** The user of the SDK in the page. */
function userOf(page: Page): {
  [Name in keyof StepUpUser]: (
    ...args: Parameters<StepUpUser[Name]>
  ) => Promise<Awaited<ReturnType<StepUpUser[Name]>>>;
} {
  const run = ([name, args]: readonly [string, readonly unknown[]]) => {
    const { user } = globalThis as unknown as {
      readonly user: Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;
    };
    return user[name]?.(...args);
  };
  return new Proxy({} as never, {
    get:
      (_target, name: string) =>
      (...args: readonly unknown[]) =>
        page.evaluate(run, [name, args] as const),
  });
}

describe("A stronger login of oidc-provider, in Chromium", function () {
  this.timeout(60_000);

  before(function () {
    needsChromium(this);
  });

  it("is asked for when a method needs it, and the call is repeated on the same socket, while others go on", async () => {
    await using bank = await openBank();
    const { user } = bank;
    const first = await bank.windowOf(() => user.open());
    await first.click("button");
    expect(await user.call("balance")).to.deep.equal({ result: 100 });

    const second = await bank.windowOf(() =>
      bank.page.evaluate(() => {
        const { user } = globalThis as unknown as { readonly user: StepUpUser };
        Object.assign(globalThis, { outcome: user.call("transfer", { amount: 5 }) });
      }),
    );
    expect(await user.call("balance"), "meanwhile").to.deep.equal({ result: 100 });
    await bank.publish(1);
    expect(bank.ran).to.deep.equal([]);
    await second.fill('input[name="code"]', code);
    await second.click("button");
    const outcome = await bank.page.evaluate(
      () => (globalThis as unknown as { readonly outcome: Promise<unknown> }).outcome,
    );
    expect(outcome).to.deep.equal({ result: null });
    expect(bank.ran).to.deep.equal(["ada 5"]);
    expect(await user.call("transfer", { amount: 6 }), "the new login is enough").to.deep.equal({
      result: null,
    });

    const { states, tokenCalls, ticks } = await user.notes();
    expect(states).to.deep.equal(["connecting", "authenticating", "ready"]);
    expect(ticks).to.deep.equal([1]);
    expect(tokenCalls).to.deep.equal([
      { reason: "connect", acrValues: undefined, maxAge: undefined },
      { reason: "step_up", acrValues: [secondFactor], maxAge: 300 },
    ]);
    expect(bank.provider.asked.map((asked) => asked.get("acr_values"))).to.deep.equal([
      null,
      secondFactor,
    ]);
    expect(bank.provider.asked[1]?.get("max_age")).to.equal("300");
    expect(bank.sockets()).to.equal(1);
    expect(bank.sent).to.deep.equal([
      ...["authenticate", "ticks", "balance", "transfer", "balance", "refresh"],
      ...["transfer", "transfer"],
    ]);
  });

  it("that its user gives up refuses the call alone, and the session stays as it was", async () => {
    await using bank = await openBank();
    const { user } = bank;
    const first = await bank.windowOf(() => user.open());
    await first.click("button");
    expect(await user.call("balance")).to.deep.equal({ result: 100 });
    const outcome = user.call("transfer", { amount: 5 });
    const second = await bank.context.waitForEvent("page");
    await second.close();
    expect(await outcome).to.deep.include({ code: "step_up_required" });
    expect(bank.ran).to.deep.equal([]);
    expect(await user.call("balance")).to.deep.equal({ result: 100 });
    const { state } = await user.notes();
    expect(state).to.equal("ready");
    expect(bank.sent.filter((method) => method === "refresh")).to.deep.equal([]);
  });
});
