import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { DisconnectedError, UpgradeRefusedError } from "../../../client/index.js";
import {
  outcomeOf,
  ScriptedSocket,
  scriptedClient,
  settled,
} from "../../helpers/client/scripted-client.js";

type Fetch = typeof globalThis.fetch;

const refusal = {
  error: "origin_refused",
  message: 'origin http://localhost:5173 is not allowed; add it to the option "origins"',
};

/** A platform whose sockets say nothing about a refused handshake, as in browsers. */
function platform(answer: () => Promise<Response>) {
  const sockets: ScriptedSocket[] = [];
  const asked: { readonly url: string; readonly signal: AbortSignal | null | undefined }[] = [];
  const replaced = { WebSocket: globalThis.WebSocket, fetch: globalThis.fetch };
  class WebSocket extends ScriptedSocket {
    constructor(url: string) {
      super(url);
      sockets.push(this);
    }
  }
  Object.assign(globalThis, {
    WebSocket,
    fetch: ((url: string, init) => {
      asked.push({ url, signal: init?.signal });
      return answer();
    }) as Fetch,
  });
  return {
    WebSocket,
    sockets,
    asked,
    [Symbol.dispose]: () => void Object.assign(globalThis, replaced),
  };
}

describe("A client whose handshake is refused", () => {
  let answer: () => Promise<Response>;
  let browser: ReturnType<typeof platform>;

  beforeEach(() => {
    answer = async () => Response.json(refusal, { status: 403 });
    browser = platform(() => answer());
  });
  afterEach(() => browser[Symbol.dispose]());

  /** A client of this platform. */
  const start = (url = "wss://server.test/rpc?v=1") => {
    const { WebSocket, sockets } = browser;
    const scripted = scriptedClient({ url, WebSocket: WebSocket as never });
    /** The server refuses the last socket. */
    const refuse = async (): Promise<void> => {
      await settled();
      sockets.at(-1)?.drop();
      await settled();
    };
    return { ...scripted, refuse };
  };

  it("asks the same URL by HTTP, and tells the server's reason and advice", async () => {
    const { client, states, refuse } = start();
    await refuse();
    expect(browser.asked.map(({ url }) => url)).to.deep.equal(["https://server.test/rpc?v=1"]);
    const { to, reason, code, cause } = states.at(-1) ?? {};
    expect({ to, reason, code }).to.deep.equal({
      to: "waiting",
      reason: "upgrade_refused",
      code: 1006,
    });
    expect(cause).to.be.instanceOf(UpgradeRefusedError).and.include({
      status: 403,
      reason: "origin_refused",
      hint: refusal.message,
      message: refusal.message,
    });
    await client.close();
  });

  it("tells it by the errors of calls that wait, whose cause it is", async () => {
    const { client, refuse, pass } = start();
    const call = outcomeOf(client.call("orders.list", {}, { timeout: 1_000 }));
    await refuse();
    await pass(1_000);
    expect(call.error).to.include({ code: "timeout" });
    expect(call.error).to.have.property("cause").that.is.instanceOf(DisconnectedError);
    expect(call.error).to.have.nested.property("cause.reason", "upgrade_refused");
    expect(call.error).to.have.nested.property("cause.cause.reason", "origin_refused");
    await client.close();
  });

  it("asks once until it is connected, tells the answer each time, and tries on as before", async () => {
    const { client, states, pass, refuse } = start();
    for (const retryIn of [750, 1_250, 2_250]) {
      await refuse();
      expect(states.at(-1)).to.include({ to: "waiting", reason: "upgrade_refused", retryIn });
      await pass(retryIn);
    }
    expect(browser.asked).to.have.length(1);
    await client.close();
  });

  it("asks again in the next outage, and after reconnect()", async () => {
    const { client, clock, pass, refuse } = start();
    await refuse();
    await pass(750);
    const socket = browser.sockets.at(-1) as ScriptedSocket;
    socket.open();
    socket.answer(socket.last("authenticate"), {
      subject: "ada",
      expiresIn: 900,
      refreshIn: 600,
      serverTime: clock.now() / 1_000,
    });
    expect(client.state).to.equal("ready");
    socket.drop();
    await pass(20_000);
    await refuse();
    expect(browser.asked).to.have.length(2);
    client.reconnect().catch(() => {});
    await refuse();
    expect(browser.asked).to.have.length(3);
    await client.close();
  });

  for (const [what, status, make] of [
    ["an HTML page", 404, () => new Response("<h1>404</h1>", { status: 404 })],
    ["a page of the application", 200, () => new Response("<script></script>")],
    ["a proxy's error", 502, () => new Response("Bad Gateway", { status: 502 })],
    ["JSON that is no object", 426, () => Response.json(null, { status: 426 })],
    [
      "other members",
      426,
      () => Response.json({ error: 7, message: { toString: 1 } }, { status: 426 }),
    ],
  ] as const) {
    it(`makes the best of ${what}: the status`, async () => {
      answer = async () => make();
      const { client, states, refuse } = start();
      await refuse();
      expect(states.at(-1)?.reason).to.equal("upgrade_refused");
      expect(states.at(-1)?.cause).to.include({
        status,
        reason: undefined,
        hint: undefined,
        message: `HTTP ${status}`,
      });
      await client.close();
    });
  }

  it("goes on without an answer that the page may not read, or where nobody listens", async () => {
    answer = () => Promise.reject(new TypeError("Failed to fetch"));
    const { client, states, pass, refuse } = start();
    for (const retryIn of [750, 1_250]) {
      await refuse();
      expect(states.at(-1)).to.include({ to: "waiting", reason: "connection_lost", retryIn });
      expect(states.at(-1)?.cause).to.equal(undefined);
      await pass(retryIn);
    }
    expect(browser.asked).to.have.length(1);
    await client.close();
  });

  it("waits 3 s for the answer, and takes none that is late", async () => {
    let reply = (_: Response) => {};
    answer = () =>
      new Promise((resolve) => {
        reply = resolve;
      });
    const { client, states, pass, refuse } = start();
    await refuse();
    expect(browser.asked[0]?.signal).to.be.instanceOf(AbortSignal);
    await pass(2_999);
    expect(client.state).to.equal("connecting");
    await pass(1);
    expect(states.at(-1)).to.include({ to: "waiting", reason: "connection_lost" });
    const { length } = states;
    reply(Response.json(refusal, { status: 403 }));
    await settled();
    expect(states).to.have.length(length);
    await client.close();
  });

  for (const [what, leave] of [
    ["is closed", (client) => client.close()],
    ["reconnects", (client) => void client.reconnect().catch(() => {})],
  ] as const satisfies readonly (readonly [
    string,
    (client: ReturnType<typeof start>["client"]) => unknown,
  ])[]) {
    it(`forgets the question when it ${what} meanwhile`, async () => {
      let reply = (_: Response) => {};
      answer = () =>
        new Promise((resolve) => {
          reply = resolve;
        });
      const { client, clock, states, refuse } = start();
      await refuse();
      await leave(client);
      await settled();
      const before = states.map(({ to }) => to);
      reply(Response.json(refusal, { status: 403 }));
      await settled();
      expect(states.map(({ to }) => to)).to.deep.equal(before);
      expect(states.some(({ reason }) => reason === "upgrade_refused")).to.equal(false);
      await client.close();
      expect(clock.pending).to.equal(0);
    });
  }

  it("asks nothing where a socket was open, or tells a cause, or isn't the platform's", async () => {
    const { client, pass, refuse } = start();
    await settled();
    browser.sockets.at(-1)?.open();
    await refuse();
    await client.close();

    const told = start();
    await settled();
    const cause = new Error("ECONNREFUSED");
    browser.sockets.at(-1)?.onclose?.({ code: 1006, reason: "", cause });
    await settled();
    expect(told.states.at(-1)).to.include({ to: "waiting", reason: "connection_lost", cause });
    await told.client.close();

    const own = scriptedClient();
    (await own.socket()).drop();
    expect(own.client.state).to.equal("waiting");
    await own.client.close();
    await pass(0);
    expect(browser.asked).to.deep.equal([]);
  });
});
