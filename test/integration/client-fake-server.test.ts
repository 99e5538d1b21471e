import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { describe, it } from "mocha";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import {
  type ClientOptions,
  createClient,
  type StateChange,
  safe,
  UpgradeRefusedError,
} from "../../client/node.js";
import { errorOf } from "../../src/protocol/error-codes.js";
import { subprotocol } from "../../src/protocol/messages.js";

interface Request {
  readonly id?: string | number;
  readonly method: string;
  readonly params?: { readonly token?: string; readonly [member: string]: unknown };
}

type Answer = { readonly result: unknown } | { readonly error: unknown } | undefined;

/** A server that speaks the protocol as far as the script says; `undefined` answers nothing. */
async function startServer(script: (request: Request, socket: WebSocket) => Answer) {
  const http = createServer();
  const sockets = new WebSocketServer({ server: http, path: "/rpc" });
  const seen: Request[] = [];
  const frames: string[] = [];

  const respond = (request: Request, socket: WebSocket): unknown => {
    seen.push(request);
    const answer = script(request, socket);
    return answer && request.id !== undefined
      ? { jsonrpc: "2.0", id: request.id, ...answer }
      : undefined;
  };

  sockets.on("connection", (socket) => {
    socket.on("message", (data: RawData) => {
      const text = String(data);
      frames.push(text);
      const frame: Request | Request[] = JSON.parse(text);
      const answer = Array.isArray(frame)
        ? frame.map((request) => respond(request, socket))
        : respond(frame, socket);
      if (answer !== undefined && socket.readyState === socket.OPEN)
        socket.send(JSON.stringify(answer));
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}/rpc`,
    seen,
    frames,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      await closed(http);
    },
  };
}

async function closed(http: Server): Promise<void> {
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
}

const session = {
  subject: "ada",
  scopes: [],
  connectionId: "c1",
  expiresIn: 900,
  expiresAt: 0,
  refreshIn: 600,
  grace: 30,
  serverTime: Date.now() / 1_000,
};
const quick: Partial<ClientOptions> = {
  token: () => "token",
  backoff: { min: 1, max: 5 },
  connect: "now",
};

const usual = ({ method, params }: Request): Answer => {
  if (method === "authenticate" || method === "refresh")
    return { result: { ...session, changed: true, gap: false } };
  return method === "fail"
    ? { error: { code: 1001, message: "FAILED: on purpose", data: { left: 1 } } }
    : { result: params ?? null };
};

describe("The client in Node", () => {
  it("calls, batches, is told, and goodbye is said by close()", async () => {
    await using server = await startServer(usual);
    const client = createClient({ url: server.url, ...quick });
    expect(await client.call("echo", { n: 1 })).to.deep.equal({ n: 1 });
    expect(await client.batch((api) => [api.echo?.({ n: 2 }), api.echo?.()])).to.deep.equal([
      { n: 2 },
      null,
    ]);
    const failed = await safe(client.call("fail"));
    expect(failed).to.have.nested.property("error.code", "FAILED");
    const [socket] = server.sockets.clients;
    expect(socket?.protocol).to.equal(subprotocol);
    const told = new Promise((resolve) => void client.on("order.updated", resolve));
    socket?.send(JSON.stringify({ jsonrpc: "2.0", method: "order.updated", params: { id: "o1" } }));
    expect(await told).to.deep.equal({ id: "o1" });
    const bye = socket && once(socket, "close");
    await client.close();
    expect((await bye)?.[0]).to.equal(1000);
  });

  it("writes what is called in one turn at once, each call as a frame of its own", async () => {
    await using server = await startServer(usual);
    await using client = createClient({ url: server.url, ...quick });
    await client.ready();
    const writes: number[] = [];
    server.sockets.clients.forEach((socket) => {
      const raw: { on(event: "data", listener: (chunk: Buffer) => void): void } = Reflect.get(
        socket,
        "_socket",
      );
      raw.on("data", (chunk) => writes.push(chunk.length));
    });
    await Promise.all(Array.from({ length: 20 }, (_, n) => client.call("echo", { n })));
    expect(server.frames).to.have.length(21);
    expect(writes).to.have.length(1);
  });

  it("comes back when the connection breaks, and repeats only what may run twice", async () => {
    let broken = 0;
    await using server = await startServer((request, socket) => {
      if (request.method !== "break" || broken++ > 1) return usual(request);
      if (broken === 2) socket.terminate();
      return undefined;
    });
    await using client = createClient({ url: server.url, ...quick });
    await client.ready();
    const [once, twice] = await Promise.all([
      safe(client.call("break")),
      safe(client.call("break", {}, { idempotent: true })),
    ]);
    expect(once).to.have.nested.property("error.sent", "maybe");
    expect(twice).to.deep.equal({ ok: true, value: {} });
    expect(server.seen.filter(({ method }) => method === "authenticate")).to.have.length(2);
  });

  it("renews an expired session under a call that doesn't notice", async () => {
    let inForce = "token-1";
    await using server = await startServer((request) => {
      if (request.method === "refresh") inForce = request.params?.token ?? "";
      return request.method === "work" && inForce === "token-1"
        ? { error: errorOf("token_expired", { context: "session" }) }
        : usual(request);
    });
    let count = 0;
    await using client = createClient({
      url: server.url,
      ...quick,
      token: async () => `token-${++count}`,
    });
    expect(await client.call("work", { n: 1 })).to.deep.equal({ n: 1 });
    expect(server.seen.map(({ method }) => method)).to.deep.equal([
      "authenticate",
      "work",
      "refresh",
      "work",
    ]);
  });

  it("brings a new token after 4401", async () => {
    let count = 0;
    await using server = await startServer((request, socket) => {
      if (request.params?.token === "token-1")
        setImmediate(() => socket.close(4401, "token_revoked"));
      return usual(request);
    });
    await using client = createClient({
      url: server.url,
      ...quick,
      token: () => `token-${++count}`,
    });
    const back = new Promise<void>(
      (resolve) =>
        void client.on(
          "state",
          ({ from, to }) => from === "authenticating" && to === "ready" && count === 2 && resolve(),
        ),
    );
    await back;
    expect(server.seen.map(({ params }) => params?.token)).to.deep.equal(["token-1", "token-2"]);
  });

  it("goes on trying while nobody listens, or the upgrade is refused, and stops when it is closed", async () => {
    const http = createServer((_, response) => response.writeHead(403).end());
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/rpc`;
    for (const isOpen of [true, false]) {
      if (!isOpen) await closed(http);
      await using client = createClient({ url, ...quick });
      await new Promise<void>(
        (resolve) =>
          void client.on(
            "state",
            ({ to, attempt }) => to === "waiting" && attempt === 3 && resolve(),
          ),
      );
      expect(client.state).to.equal("waiting");
    }
  });

  it("tells why the server refused the upgrade, and what the system said about a socket that never opened", async () => {
    const hint = "take the token out of the URL";
    const answers = [
      [400, JSON.stringify({ error: "bad_request", error_description: hint }), hint],
      [403, "<html>no</html>", undefined],
      [503, JSON.stringify({ error_description: "x".repeat(8_192) }), undefined],
      [404, JSON.stringify({ error_description: 7 }), undefined],
      [429, "", undefined],
    ] as const;
    let asked = 0;
    const http = createServer((_, response) => {
      const [status, body] = answers[asked++ % answers.length] ?? answers[0];
      response.writeHead(status).end(body);
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/rpc`;
    await using client = createClient({ url, ...quick });
    const losses: StateChange[] = [];
    const seen = (count: number) =>
      new Promise<void>(
        (resolve) => void client.on("state", () => losses.length >= count && resolve()),
      );
    client.on("state", (change) => change.to === "waiting" && losses.push(change));
    await seen(answers.length);
    answers.forEach(([status, , told], index) => {
      const { reason, code, cause } = losses[index] ?? {};
      expect({ reason, code }).to.deep.equal({ reason: "upgrade_refused", code: 1006 });
      expect(cause).to.be.instanceOf(UpgradeRefusedError).and.include({ status, hint: told });
    });
    await closed(http);
    const before = losses.length;
    await seen(before + 2);
    expect(losses.at(-1)).to.include({ reason: "connection_lost" });
    expect(losses.at(-1)?.cause).to.include({ code: "ECONNREFUSED" });
  });

  it("takes its own socket where the option WebSocket is there, but undefined", async () => {
    await using server = await startServer(usual);
    await using client = createClient({ url: server.url, ...quick, WebSocket: undefined });
    expect(await client.call("echo", { n: 1 })).to.deep.equal({ n: 1 });
  });

  it("takes no frame that is larger than maxFrameBytes, and comes back", async () => {
    let size = 2_000;
    await using server = await startServer((request) =>
      request.method === "big" ? { result: "x".repeat(size) } : usual(request),
    );
    await using client = createClient({ url: server.url, ...quick, maxFrameBytes: 1_000 });
    const lost = new Promise<StateChange>(
      (resolve) => void client.on("state", (change) => change.to === "waiting" && resolve(change)),
    );
    expect(await safe(client.call("big"))).to.have.nested.property("error.sent", "maybe");
    expect(await lost)
      .to.include({ reason: "frame_too_large" })
      .and.to.have.nested.property("cause.code", "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH");
    size = 500;
    expect(await client.call("big")).to.have.length(500);
  });

  it("cuts a refusal that never ends", async () => {
    const http = createServer((_, response) => {
      response.writeHead(403);
      const flood = (): void => {
        while (!response.destroyed && response.write("x".repeat(1_024)));
      };
      response.on("drain", flood);
      flood();
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    await using client = createClient({
      url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/rpc`,
      ...quick,
    });
    const refused = await new Promise<StateChange>(
      (resolve) => void client.on("state", (change) => change.to === "waiting" && resolve(change)),
    );
    expect(refused.cause).to.include({ status: 403, hint: undefined });
    await client.close();
    await closed(http);
  });

  it("can be closed while its socket is still opening", async () => {
    const http = createServer();
    const upgrade = once(http, "upgrade"); // never answered
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const client = createClient({
      url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/rpc`,
      ...quick,
    });
    const [, raw] = await upgrade;
    const call = safe(client.call("a"));
    await client.close();
    expect(await call).to.have.nested.property("error.sent", "no");
    raw.destroy();
    await closed(http);
  });
});
