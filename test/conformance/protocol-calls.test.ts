import { expect } from "chai";
import { describe, it } from "mocha";
import { z } from "zod";
import { createRpc } from "../../src/index.js";
import { expectError } from "../helpers/server/expected.js";
import {
  ask,
  exchange,
  type Frame,
  leftovers,
  notification,
  request,
  resultOf,
} from "../helpers/server/frames.js";
import { protocolApp } from "../helpers/server/protocol-app.js";
import type { RawClient } from "../helpers/server/raw-client.js";
import { startServer } from "../helpers/server/test-server.js";
import { startTimed } from "../helpers/server/timed-server.js";

async function startCalls(limits = {}) {
  const { app, ...seen } = protocolApp();
  return { ...(await startTimed(app, { limits })), ...seen };
}

/** Sends a batch, and gives the array that answers it. */
async function batch(client: RawClient, elements: readonly unknown[]): Promise<Frame[]> {
  client.send(elements);
  return client.next<Frame[]>();
}

const pings = (count: number) => Array.from({ length: count }, (_, id) => request(id, "ping"));

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("Protocol §4.1, params and names", () => {
  it("an unknown method is -32601", async () => {
    await using server = await startCalls();
    const client = await server.login();
    for (const method of [
      "no.such",
      "ECHO",
      "echo.",
      ".echo",
      "time",
      "rpc.other",
      "rpc.discover2",
      "unsubscribe2",
    ]) {
      expect((await ask(client, method)).error?.code, method).to.equal(-32601);
    }
  });

  it("params that fail their schema are -32602 with data.issues of path and message, the first 20", async () => {
    const rpc = createRpc();
    const params = z.object({
      sku: z.string(),
      lines: z.array(z.object({ qty: z.number().int() })).default([]),
    });
    const app = rpc.router({ order: rpc.method({ params, handler: ({ params }) => params }) });
    await using server = await startServer(app);
    const client = await server.login();
    const { error } = await ask(client, "order", { sku: 1, lines: [{ qty: 1 }, { qty: "two" }] });
    expect(error).to.include({ code: -32602, message: "Invalid params" });
    const issues = error?.data?.issues as { path: unknown[]; message: string }[];
    expect(issues.map(({ path }) => path)).to.deep.equal([["sku"], ["lines", 1, "qty"]]);
    for (const issue of issues) {
      expect(issue).to.have.all.keys("path", "message");
      expect(issue.message).to.be.a("string").and.not.equal("");
    }
    const lines = Array.from({ length: 1_000 }, () => ({ qty: "" }));
    const many = (await ask(client, "order", { sku: "A", lines })).error?.data?.issues as {
      path: unknown[];
    }[];
    expect(many.map(({ path }) => path[1])).to.deep.equal(Array.from({ length: 20 }, (_, n) => n));
    for (const wrong of [undefined, [], {}])
      expect((await ask(client, "order", wrong)).error?.code).to.equal(-32602);
    expect((await ask(client, "order", { sku: "A" })).result).to.deep.equal({
      sku: "A",
      lines: [],
    });
  });

  it("a notification is never answered, whatever happens to it", async () => {
    await using server = await startCalls();
    const client = await server.login();
    const all = [
      "echo",
      "fail",
      "no.such",
      "read",
      "checked",
      "ping",
      "whoami",
      "rpc.discover",
      "rpc.other",
      "wait",
      "stubborn",
    ];
    expect(await exchange(client, ...all.map((method) => notification(method)))).to.deep.equal([]);
    expect(server.ran).to.include.members(["echo", "wait", "stubborn"]);
  });

  it("a handler's notification goes out, and its response once", async () => {
    await using server = await startCalls();
    const client = await server.login();
    const frames = await exchange(client, request(1, "tell"));
    expect(frames).to.have.deep.members([
      { jsonrpc: "2.0", method: "news", params: { n: 1 } },
      { jsonrpc: "2.0", id: 1, result: "told" },
    ]);
  });
});

describe("Protocol §4.3, batches", () => {
  it("a batch has at most 50 elements; a longer one is answered by one -32600 with id null", async () => {
    await using server = await startCalls();
    const client = await server.login();
    const answers = await batch(client, pings(50));
    expect(answers.map(({ id, result }) => [id, result])).to.deep.equal(
      Array.from({ length: 50 }, (_, id) => [id, "pong"]),
    );
    const [refusal, ...more] = await exchange(client, pings(51));
    expect(refusal).to.include({ id: null }).and.have.nested.property("error.code", -32600);
    expect(refusal?.error?.data?.hint).to.include("50");
    expect(more).to.deep.equal([]);
  });

  it("in OPEN a batch has at most 2", async () => {
    await using server = await startCalls();
    const client = await server.connect();
    expect(
      (await batch(client, [request(1, "ping"), request(2, "echo")])).map(({ id, error }) => [
        id,
        error?.code,
      ]),
    ).to.deep.equal([
      [1, undefined],
      [2, -32001],
    ]);
    const [refusal, ...more] = await exchange(client, pings(3));
    expect(refusal).to.include({ id: null }).and.have.nested.property("error.code", -32600);
    expect(more).to.deep.equal([]);
  });

  it("the elements are checked for scope each by itself", async () => {
    await using server = await startCalls();
    const client = await server.login({ scope: "read" });
    const answers = await batch(client, [
      request(1, "read"),
      request(2, "change"),
      request(3, "no.such"),
      request(4, "who"),
    ]);
    expect(answers.map(({ error }) => error?.code)).to.deep.equal([
      undefined,
      -32003,
      -32601,
      undefined,
    ]);
  });

  it("the elements run concurrently, and the response array is in request order", async () => {
    const rpc = createRpc();
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const app = rpc.router({
      wait: rpc.method({ handler: async () => gate.then(() => "waited") }),
      open: rpc.method({ handler: () => open() }),
    });
    await using server = await startServer(app);
    const client = await server.login();
    const answers = await batch(client, [
      request("a", "wait"),
      request("b", "open"),
      notification("wait"),
      request("c", "ping"),
    ]);
    expect(answers).to.deep.equal([
      { jsonrpc: "2.0", id: "a", result: "waited" },
      { jsonrpc: "2.0", id: "b", result: null },
      { jsonrpc: "2.0", id: "c", result: "pong" },
    ]);
  });

  it("a response too large for the limit is replaced by an error for that id alone", async () => {
    await using server = await startCalls({ responseBytes: 1_000 });
    const client = await server.login();
    const answers = await batch(client, [
      request(1, "text", { size: 100 }),
      request(2, "text", { size: 1_000 }),
      request(3, "text", { size: 100 }),
    ]);
    expect(answers.map(({ id }) => id)).to.deep.equal([1, 2, 3]);
    expect(answers[0]?.result).to.have.length(100);
    expectError(answers[1], "too_large");
    expect(answers[2]?.result).to.have.length(100);
  });

  it("the limit of a response, in bytes, is also that of all responses of a batch together", async () => {
    await using server = await startCalls({ responseBytes: 1_000 });
    const client = await server.login();
    const answers = await batch(client, [
      request(1, "echo", ["€".repeat(250)]),
      request(2, "echo", ["x".repeat(500)]),
    ]);
    expect(answers[0]?.result).to.deep.equal(["€".repeat(250)]);
    expectError(answers[1], "too_large");
    expect(server.ran, "what is answered with -32010 has run").to.deep.equal(["echo", "echo"]);
  });

  it("an auth method inside a batch is -32600 for that element, and is not applied", async () => {
    await using server = await startCalls();
    const token = server.token();
    const client = await server.connect();
    const answers = await batch(client, [
      request(1, "authenticate", { token }),
      request(2, "ping"),
    ]);
    expect(answers.map(({ id, error, result }) => [id, error?.code ?? result])).to.deep.equal([
      [1, -32600],
      [2, "pong"],
    ]);
    await client.authenticate(token);
    const others = await batch(client, [
      request(1, "logout"),
      request(2, "refresh", { token }),
      notification("logout"),
      request(3, "who"),
    ]);
    expect(others.map(({ id, error }) => [id, error?.code])).to.deep.equal([
      [1, -32600],
      [2, -32600],
      [3, undefined],
    ]);
    expect(await exchange(client, [notification("logout")])).to.deep.equal([]);
    expect(await resultOf(client, "whoami")).to.include({ state: "active" });
  });

  it("each element counts against the concurrency limit", async () => {
    await using server = await startCalls();
    const client = await server.login();
    const waits = (from: number, count: number) =>
      Array.from({ length: count }, (_, n) => request(from + n, "wait"));
    await exchange(client, waits(0, 50));
    client.send(waits(50, 20));
    await leftovers(client);
    expect(server.ran.filter((name) => name === "wait")).to.have.length(64);
    for (const answer of server.answers) answer();
    const second =
      [await client.next<Frame[]>(), await client.next<Frame[]>()].find(
        (each) => each.length === 20,
      ) ?? [];
    expect(second.filter(({ result }) => result !== undefined)).to.have.length(14);
    for (const refused of second.slice(14)) expectError(refused, "overloaded");
  });

  it("each element counts against the rate limit", async () => {
    await using server = await startCalls({ openFramesPerSecond: 20 });
    const client = await server.connect();
    client.send(...Array.from({ length: 10 }, () => pings(2)));
    for (let n = 0; n < 10; n++)
      expect((await client.next<Frame[]>()).map(({ result }) => result)).to.deep.equal([
        "pong",
        "pong",
      ]);
    expectError(await ask(client, "ping"), "rate_limited");
    client.send(pings(2));
    for (const refused of await client.next<Frame[]>()) expectError(refused, "rate_limited");
    server.clock.advance(1_000);
    client.send(pings(2));
    expect((await client.next<Frame[]>()).map(({ result }) => result)).to.deep.equal([
      "pong",
      "pong",
    ]);
  });
});

describe("Protocol §4.6, rpc.discover and reserved names", () => {
  const methodsOf = (document: Readonly<Record<string, unknown>>) =>
    (document.methods as { name: string }[]).map(({ name }) => name);

  it("answers an OpenRPC 1.3.2 document that lists only what the caller's scopes allow, with scopes as x-scopes", async () => {
    await using server = await startCalls();
    const limited = await resultOf(await server.login({ scope: "read" }), "rpc.discover");
    expect(limited).to.include({ openrpc: "1.3.2" });
    expect(limited.info).to.include.all.keys("title", "version");
    expect(methodsOf(limited))
      .to.include.members(["read", "echo", "time.now"])
      .and.not.include("change");
    const read = (limited.methods as { name: string }[]).find(({ name }) => name === "read");
    expect(read).to.deep.include({ "x-scopes": ["read"], summary: "Reads" });
    const full = await resultOf(await server.login({ scope: "write read" }), "rpc.discover");
    expect(methodsOf(full)).to.include.members(["read", "change"]);
    expect(
      (full.methods as { name: string }[]).find(({ name }) => name === "change"),
    ).to.deep.include({ "x-scopes": ["read", "write"] });
    const none = await resultOf(await server.login(), "rpc.discover");
    expect(methodsOf(none)).to.include("echo").and.not.include("read");
  });

  it("requires ACTIVE unless configured public", async () => {
    await using server = await startCalls();
    const client = await server.connect();
    expectError(await ask(client, "rpc.discover"), "unauthenticated");
    await client.authenticate(server.token());
    expect(await resultOf(client, "rpc.discover")).to.include({ openrpc: "1.3.2" });
    server.clock.advance(900_000);
    expectError(await ask(client, "rpc.discover"), "token_expired", { context: "session" });
    await using open = await startServer(protocolApp().app, { discover: "public" });
    expect(methodsOf(await resultOf(await open.connect(), "rpc.discover"))).to.deep.equal([
      "time.now",
    ]);
  });

  const reserved = [
    "authenticate",
    "refresh",
    "logout",
    "whoami",
    "ping",
    "unsubscribe",
    "rpc.discover",
    "rpc.x",
    "subscription.event",
  ];
  const told = [
    "subscription.ended",
    "auth.required",
    "auth.expiring",
    "auth.expired",
    "auth.refreshRequired",
    "auth.notice",
    "connection.closing",
  ];

  it("registering a method under a reserved name is an error at start-up", async () => {
    const rpc = createRpc();
    for (const name of [...reserved, ...told, "$/cancelRequest"]) {
      const method = rpc.method({ handler: () => 1 });
      const [head = "", ...rest] = name.split(".");
      const nested =
        rest.length === 0 ? { [head]: method } : { [head]: { [rest.join(".")]: method } };
      for (const routes of [{ [name]: method }, nested]) {
        const failure = await failureOf(startServer(rpc.router(routes)));
        expect(failure, name).to.be.an.instanceOf(TypeError);
        expect(String(failure)).to.include(name);
      }
    }
    await (
      await startServer(
        rpc.router({
          authenticated: rpc.method({ handler: () => 1 }),
          auth: { x: rpc.method({ handler: () => 1 }) },
        }),
      )
    ).close();
  });

  it("declaring a notification under a reserved name is an error at start-up", async () => {
    for (const name of [...reserved, ...told, "$/cancelRequest"]) {
      const start = async () => {
        const rpc = createRpc({ notifications: { [name]: z.object({}) } });
        const server = await startServer(rpc.router({}));
        await server.close();
      };
      expect(await failureOf(start()), name).to.be.an.instanceOf(TypeError);
    }
  });
});
