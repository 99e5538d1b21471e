import { expect } from "chai";
import { describe, it } from "mocha";
import { type Client, type ClientState, createClient, safe } from "../../client/node.js";
import {
  type TestClientOptions,
  type TestServerOptions,
  testServer,
} from "../../src/testing/index.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { recordingLogger, sampleApp, startServer } from "../helpers/server/test-server.js";

type App = ReturnType<typeof sampleApp>;

/** A server and a client of user-1, and how often it was asked for a token. */
async function startPair(
  options: TestClientOptions<App> = {},
  serverOptions: TestServerOptions<never> = {},
) {
  const server = testServer(sampleApp(), serverOptions);
  let asked = 0;
  const token = () => {
    asked++;
    return server.token({ subject: "user-1", scopes: ["numbers:add"] });
  };
  const client = server.client({ token, ...options });
  const states: ClientState[] = [];
  client.on("state", ({ to }) => states.push(to));
  return {
    server,
    client,
    token,
    clock: server.clock,
    states,
    asked: () => asked,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Lets sockets do their work until `condition` holds; the test's own limit ends it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => void setImmediate(resolve));
}

describe("The client and the server", () => {
  it("agree on results, declared errors, batches and notifications", async () => {
    await using pair = await startPair();
    const { client } = pair;
    const told = new Promise<number>(
      (resolve) => void client.on("numbers.changed", ({ sum }) => resolve(sum)),
    );
    const sum: number = await client.api.numbers.add({ a: 1 });
    expect(sum).to.equal(2);
    expect(await told).to.equal(2);
    const tooBig = await safe(client.api.numbers.add({ a: 1_001, b: 1 }));
    if (tooBig.ok || tooBig.error.code !== "TOO_BIG")
      throw new Error("The declared error was expected");
    expect(tooBig.error.data.most).to.equal(1_000);
    const [now, three, nothing] = await client.batch((api) => [
      api.time.now(),
      api.numbers.add({ a: 1, b: 2 }),
      api.nothing(),
    ]);
    expect([now, three, nothing]).to.deep.equal(["1970-01-01T00:00:00.000Z", 3, null]);
    expect(client.session).to.deep.include({
      subject: "user-1",
      scopes: ["numbers:add"],
      expiresAt: pair.clock.now() + 900_000,
    });
  });

  it("agree on what was wrong with a call", async () => {
    await using pair = await startPair({}, { logger: recordingLogger().logger });
    const { client } = pair;
    const outcomes = await Promise.all([
      safe(client.call("numbers.add", { a: "one" } as never)),
      safe((client as unknown as Client).call("no.such.method")),
      safe(client.api.admin.reset()),
      safe(client.api.fail()),
    ]);
    const types = outcomes.map((outcome) => (outcome.ok ? "ok" : outcome.error.code));
    expect(types).to.deep.equal([
      "invalid_params",
      "method_not_found",
      "forbidden",
      "internal_error",
    ]);
  });

  it("need no token for public methods", async () => {
    await using pair = await startPair({ token: null });
    expect(await pair.client.api.time.now()).to.equal("1970-01-01T00:00:00.000Z");
    const refused = await safe(pair.client.api.numbers.add({ a: 1 }));
    expect(refused).to.have.nested.property("error.code", "unauthenticated");
  });

  it("renew the session in time, on one socket, for as long as it is wanted", async () => {
    await using pair = await startPair();
    const { client, clock } = pair;
    await client.ready();
    const { connectionId = "", expiresAt = 0 } = client.session ?? {};
    const asked = pair.asked();
    await clock.advance(4 * 900_000); // over the server's pings, too
    expect(pair.asked() - asked).to.be.within(4, 8);
    expect(client.session?.connectionId).to.equal(connectionId);
    expect(client.session?.expiresAt).to.be.greaterThan(expiresAt + 4 * 600_000);
    expect(await client.api.numbers.add({ a: 1 })).to.equal(2);
    expect(pair.states).to.deep.equal(["connecting", "authenticating", "ready"]);
  });

  it("carry a call over the expiry of its session", async () => {
    let give = (): void => {};
    const slow = new Promise<void>((resolve) => {
      give = resolve;
    });
    const clock = new ManualClock();
    await using server = await startServer(sampleApp(), {
      clock,
      limits: { pingInterval: Number.POSITIVE_INFINITY },
    });
    const token = async ({ reason }: { reason: string }) => {
      if (reason !== "connect") await slow;
      return server.token({ iat: Math.floor(clock.now() / 1_000), scope: "numbers:add" });
    };
    // on the machine's clock, so that it isn't told of time passing
    await using client = createClient<App>({ url: server.url, token });
    await client.ready();
    const { connectionId } = client.session ?? {};
    clock.advance(900_000);
    const call = client.api.numbers.add({ a: 1 });
    await until(() => client.state === "refreshing");
    give();
    expect(await call).to.equal(2);
    expect(client.session?.connectionId).to.equal(connectionId);
  });

  it("wait while their address may have no more tokens judged, and come through, with the calls that were made meanwhile", async () => {
    await using pair = await startPair({}, { limits: { authCallsPerAddress: 1 } });
    const { client: first, server, clock, token } = pair;
    await first.ready();
    const second = server.client({ token });
    const sum = second.api.numbers.add({ a: 1 });
    const waits: number[] = [];
    second.on("state", ({ to, retryIn }) => void (to === "waiting" && waits.push(retryIn ?? 0)));
    await until(() => second.state === "waiting");
    expect(waits).to.have.length(1);
    expect(waits[0]).to.be.at.least(1_000);
    await clock.advance(waits[0] ?? 0);
    expect(await sum).to.equal(2);
    expect(pair.asked()).to.be.at.most(3); // the first one's included
    expect(first.state).to.equal("ready");
  });

  it("sign in again under a call after a logout", async () => {
    await using pair = await startPair();
    expect(await pair.client.call("logout")).to.deep.equal({ ok: true });
    expect(await pair.client.api.numbers.add({ a: 1 })).to.equal(2);
  });

  it("survive a revocation: with a new token on the same socket in time, on another one when there was none", async () => {
    await using pair = await startPair();
    const { client, server, clock } = pair;
    await client.ready();
    const first = client.session;
    await clock.advance(2_000);
    const olderTokens = () => ({ subject: "user-1", issuedBefore: clock.now() - 1_000 });
    await server.server.revoke(olderTokens(), { margin: 10_000, reason: "roles changed" });
    await until(() => client.session !== first);
    expect(client.session?.connectionId).to.equal(first?.connectionId);
    await clock.advance(2_000);
    await server.server.revoke(olderTokens());
    await until(() => client.state === "waiting");
    await clock.advance(20_000);
    expect(await client.api.numbers.add({ a: 1 })).to.equal(2);
    expect(client.session?.connectionId).to.not.equal(first?.connectionId);
  });

  it("agree that nobody comes back with a token that was revoked", async () => {
    await using server = testServer(sampleApp());
    const { clock } = server;
    let token = server.token({ claims: { jti: "t1" } });
    const client = server.client({ token: () => token });
    await client.ready();
    const refused = new Promise(
      (resolve) =>
        void client.on("state", (change) => change.reason === "token_refused" && resolve(change)),
    );
    const { connectionId } = client.session ?? {};
    await server.server.revoke({ jti: "t1" });
    await until(() => client.state === "waiting");
    await clock.advance(20_000);
    expect(await refused).to.include({ from: "connecting", to: "waiting" });
    token = server.token({ claims: { jti: "t2" } });
    await clock.advance(20_000);
    await client.ready();
    expect(client.session?.connectionId).to.not.equal(connectionId);
  });

  it("stop what a call does when it is aborted", async () => {
    await using pair = await startPair();
    const { client } = pair;
    await client.ready();
    const controller = new AbortController();
    const call = safe(client.api.wait(undefined, { signal: controller.signal }));
    await client.call("ping");
    controller.abort();
    expect(await call).to.have.nested.property("error.code", "aborted");
    expect(await client.call("ping")).to.equal("pong");
  });

  it("part in peace when the server closes, and the client comes back", async () => {
    await using pair = await startPair();
    const { client, server } = pair;
    await client.ready();
    const waiting = new Promise<{ code: number | undefined; retryIn: number | undefined }>(
      (resolve) => void client.on("state", (change) => change.to === "waiting" && resolve(change)),
    );
    void server.server.close();
    const { code, retryIn } = await waiting;
    expect(code).to.be.oneOf([1001, 1012]);
    expect(retryIn).to.be.greaterThan(0);
  });
});
