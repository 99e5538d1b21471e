import { once } from "node:events";
import {
  createServer as createHttpServer,
  request as httpRequest,
  type IncomingMessage,
} from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { describe, it } from "mocha";
import { expectClose } from "../helpers/server/expected.js";
import { ask, resultOf } from "../helpers/server/frames.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { sampleApp, startServer, type TestServer } from "../helpers/server/test-server.js";
import { upgrade } from "../helpers/server/upgrade.js";

/** Asks for the WebSocket's path without an upgrade. */
async function askFor(
  { url }: TestServer,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
) {
  const asked = httpRequest(url.replace(/^ws/, "http"), { method, headers, agent: false });
  asked.end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  const text = String(Buffer.concat(await answer.toArray()));
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: text === "" ? undefined : JSON.parse(text),
  };
}

const evil = "https://evil.example";

describe("Protocol §1, the WebSocket's path without an upgrade", () => {
  it("is answered with 426, what may connect, and that no cache keeps it", async () => {
    await using server = await startServer(sampleApp(), { production: false });
    const { host } = new URL(server.url);
    const { status, headers, body } = await askFor(server);
    expect(status).to.equal(426);
    expect(headers).to.include({ upgrade: "websocket", "cache-control": "no-store" });
    expect(body).to.include({ error: "upgrade_required", error_description: body.message });
    expect(body.message).to.include("wscat");
    expect(body.origin).to.deep.equal({ value: null, allowed: true });
    expect(body.origins).to.deep.equal([`http://${host}`, `https://${host}`]);
    expect(body.subprotocols).to.deep.equal(["jotwire.v1"]);
    const slash = await fetch(`${server.url.replace(/^ws/, "http")}/`);
    expect([slash.status, ((await slash.json()) as { error: string }).error]).to.deep.equal([
      426,
      "upgrade_required",
    ]);
  });

  it("tells a refused page outside production which line to add, readable by the page", async () => {
    const origins = ["https://app.example.com"];
    await using server = await startServer(sampleApp(), { production: false, origins });
    const { host } = new URL(server.url);
    const { status, headers, body } = await askFor(server, { Origin: evil });
    expect(status)
      .to.equal((await upgrade(server.url, { Origin: evil })).status)
      .and.equal(403);
    expect(headers).to.include({ "access-control-allow-origin": evil, vary: "Origin" });
    expect(headers).to.not.have.property("access-control-allow-credentials");
    expect(body.error).to.equal("origin_refused");
    expect(body.message).to.include('origins: ["https://evil.example"]');
    expect(body.origin).to.deep.equal({ value: evil, allowed: false });
    expect(body.origins).to.deep.equal([...origins, `http://${host}`, `https://${host}`]);
    const app = await askFor(server, { Origin: "https://app.example.com" });
    expect([app.status, app.body.origin.allowed]).to.deep.equal([426, true]);
  });

  it("tells a refused page nothing in production, and nobody the list of origins", async () => {
    const origins = ["https://app.example.com"];
    await using server = await startServer(sampleApp(), { production: true, origins });
    const refused = await askFor(server, { Origin: evil });
    expect(refused.status).to.equal(403);
    expect(refused.headers).to.include({ vary: "Origin" });
    expect(refused.headers).to.not.have.property("access-control-allow-origin");
    const allowed = await askFor(server, { Origin: "https://app.example.com" });
    expect(allowed.status).to.equal(426);
    expect(allowed.headers["access-control-allow-origin"]).to.equal("https://app.example.com");
    const program = await askFor(server);
    for (const { body } of [refused, program])
      expect(JSON.stringify(body)).to.not.include("app.example.com");
    expect(allowed.body).to.not.have.property("origins");
  });

  it("says what else would refuse the upgrade: a token in the URL, too many connections", async () => {
    await using server = await startServer(sampleApp(), {
      limits: { unauthenticatedConnectionsPerAddress: 1 },
    });
    const inUrl = await fetch(`${server.url.replace(/^ws/, "http")}?token=x`);
    expect([inUrl.status, ((await inUrl.json()) as { error: string }).error]).to.deep.equal([
      400,
      "bad_request",
    ]);
    const client = await server.connect();
    const full = await askFor(server);
    expect(full.status).to.equal(429);
    expect(full.headers["retry-after"]).to.equal("5");
    expect(full.body).to.include({ error: "too_many_requests", retryAfter: 5 });
    await client.close();
  });

  it("says that a drain refuses the upgrade, and when to come back", async () => {
    const http = createHttpServer((request, response) => void server.handle(request, response));
    const { server } = await startServer(sampleApp());
    server.attach(http, { path: "/api" });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const { port } = http.address() as AddressInfo;
    expect((await fetch(`http://127.0.0.1:${port}/api/`)).status).to.equal(426);
    await server.close();
    const { status, headers } = await fetch(`http://127.0.0.1:${port}/api`);
    expect([status, headers.get("retry-after")]).to.deep.equal([503, "1"]);
    http.close();
    http.closeAllConnections();
  });

  it("says that a proxy has dropped the header Upgrade", async () => {
    await using server = await startServer(sampleApp());
    const { status, body } = await askFor(server, { "Sec-WebSocket-Key": "dGhlIHNhbXBsZQ==" });
    expect(status).to.equal(426);
    expect(body.message).to.match(/let the proxy pass Upgrade and Connection on/);
  });

  it("answers HEAD as GET without a body, OPTIONS with what is allowed, and nothing else", async () => {
    await using server = await startServer(sampleApp(), { production: false });
    const head = await askFor(server, { Origin: evil }, "HEAD");
    expect([head.status, head.body]).to.deep.equal([403, undefined]);
    const options = await askFor(server, { Origin: evil }, "OPTIONS");
    expect(options.status).to.equal(204);
    expect(options.headers).to.include({
      allow: "GET, HEAD, OPTIONS",
      "access-control-allow-origin": evil,
      "access-control-allow-methods": "GET, HEAD, OPTIONS",
    });
    const post = await askFor(server, { Origin: evil }, "POST");
    expect(post.status).to.equal(405);
    expect(post.headers.allow).to.equal("GET, HEAD, OPTIONS");
  });
});

describe("Protocol §1, transport", () => {
  it("1.1 the WebSocket is at /rpc, and another path is answered with HTTP 404", async () => {
    await using server = await startServer(sampleApp());
    expect(new URL(server.url).pathname).to.equal("/rpc");
    for (const path of ["/rpc", "/rpc/"])
      expect((await upgrade(new URL(path, server.url).href)).status, path).to.equal(101);
    for (const path of ["/", "/rpc//", "/rpcs", "/RPC", "/other"]) {
      expect((await upgrade(new URL(path, server.url).href)).status, path).to.equal(404);
    }
  });

  it("1.1 the path is an option", async () => {
    await using server = await startServer(sampleApp(), { path: "/socket" });
    expect((await upgrade(new URL("/socket", server.url).href)).status).to.equal(101);
    expect((await upgrade(new URL("/rpc", server.url).href)).status).to.equal(404);
  });

  it("1.1 a frame carries one JSON value, an object or an array", async () => {
    await using server = await startServer(sampleApp());
    const client = await server.connect();
    client.send('{"jsonrpc":"2.0","id":1,"method":"ping"}');
    expect(await client.next()).to.deep.equal({ jsonrpc: "2.0", id: 1, result: "pong" });
    client.send('[{"jsonrpc":"2.0","id":2,"method":"ping"}]');
    expect(await client.next()).to.deep.equal([{ jsonrpc: "2.0", id: 2, result: "pong" }]);
    client.send(
      '{"jsonrpc":"2.0","id":3,"method":"ping"} {"jsonrpc":"2.0","id":4,"method":"ping"}',
    );
    expect(await client.next())
      .to.deep.include({ id: null })
      .and.have.nested.property("error.code", -32700);
  });

  it("1.1 a binary frame closes 1003, whatever it holds", async () => {
    await using server = await startServer(sampleApp());
    const client = await server.connect();
    client.socket.send(Buffer.from('{"jsonrpc":"2.0","id":1,"method":"ping"}'), { binary: true });
    expect((await expectClose(client, "unsupported_data")).before).to.deep.equal([]);
  });

  it("1.2 a client that offers no subprotocol is accepted", async () => {
    await using server = await startServer(sampleApp());
    const answer = await upgrade(server.url);
    expect(answer.status).to.equal(101);
    expect(answer.headers).to.not.have.property("sec-websocket-protocol");
  });

  it("1.2 a client that offers jotwire.v1 gets it selected, also beside others", async () => {
    await using server = await startServer(sampleApp());
    for (const offer of [
      "jotwire.v1",
      "jotwire.v1, chat",
      "chat, jotwire.v1",
      "jotwire.v2,jotwire.v1",
    ]) {
      const answer = await upgrade(server.url, { "Sec-WebSocket-Protocol": offer });
      expect(answer, offer).to.deep.include({ status: 101 });
      expect(answer.headers["sec-websocket-protocol"], offer).to.equal("jotwire.v1");
    }
  });

  it("1.2 a client that offers only others is refused with HTTP 400 that names the supported one", async () => {
    await using server = await startServer(sampleApp());
    for (const offer of ["chat", "jotwire.v2", "chat, graphql-transport-ws", "JOTWIRE.V1"]) {
      const answer = await upgrade(server.url, { "Sec-WebSocket-Protocol": offer });
      expect(answer.status, offer).to.equal(400);
      expect(answer.body, offer).to.include("jotwire.v1");
    }
  });

  it("1.3 an upgrade without an Origin header is accepted", async () => {
    await using server = await startServer(sampleApp(), { origins: ["https://app.example.com"] });
    expect((await upgrade(server.url)).status).to.equal(101);
  });

  it("1.3 by default a browser's upgrade is accepted from the same host and port as the Host header, and refused with 403 from elsewhere", async () => {
    await using server = await startServer(sampleApp());
    const { port } = server.listening;
    expect((await upgrade(server.url, { Origin: `http://127.0.0.1:${port}` })).status).to.equal(
      101,
    );
    const app = await upgrade(server.url, {
      Host: "api.example.com",
      Origin: "https://api.example.com",
    });
    expect(app.status).to.equal(101);
    for (const origin of [
      `http://127.0.0.1:${port + 1}`,
      "http://127.0.0.1",
      "https://evil.example",
      "null",
      "file://",
      "",
      "not an origin",
    ]) {
      expect((await upgrade(server.url, { Origin: origin })).status, origin).to.equal(403);
    }
  });

  it("1.3 with an allow-list a browser's upgrade is refused with 403 unless its origin is in it, or the server's own", async () => {
    await using server = await startServer(sampleApp(), { origins: ["https://app.example.com"] });
    const { port } = server.listening;
    for (const origin of ["https://app.example.com", `http://127.0.0.1:${port}`])
      expect((await upgrade(server.url, { Origin: origin })).status, origin).to.equal(101);
    const others = [
      "https://app.example.com.evil.example",
      "http://app.example.com",
      "https://app.example.com:8443",
      `http://127.0.0.1:${port + 1}`,
    ];
    for (const origin of [...others, "https://evil.example/https://app.example.com", "null"]) {
      expect((await upgrade(server.url, { Origin: origin })).status, origin).to.equal(403);
    }
  });

  it("1.4 a token is never read from a cookie or a header at upgrade: identity comes only from authenticate", async () => {
    await using server = await startServer(sampleApp());
    const token = server.token();
    const headers = {
      Authorization: `Bearer ${token}`,
      Cookie: `token=${token}; access_token=${token}; jwt=${token}`,
    };
    const client = await RawClient.connect(server.url, { headers });
    expect(await resultOf(client, "whoami")).to.include({ state: "open", subject: null });
    expect((await ask(client, "subtract", [3, 1])).error?.code).to.equal(-32001);
    expect((await ask(client, "authenticate", { token })).result).to.include({ subject: "user-1" });
    expect((await ask(client, "subtract", [3, 1])).result).to.equal(2);
  });

  it("1.4 a query parameter named token, access_token or jwt is refused with HTTP 400 that says where the token belongs", async () => {
    await using server = await startServer(sampleApp());
    const token = server.token();
    for (const name of ["token", "access_token", "jwt"]) {
      for (const url of [
        `${server.url}?${name}=${token}`,
        `${server.url}?a=1&${name}=${token}`,
        `${server.url}?${name}`,
      ]) {
        const answer = await upgrade(url);
        expect(answer.status, url).to.equal(400);
        expect(answer.body).to.include("authenticate").and.not.include(token);
      }
    }
    expect((await upgrade(`${server.url}?tokens=1&tenant=a`)).status).to.equal(101);
    expect(JSON.stringify(server.log)).to.not.include(token);
  });

  it("1.5 permessage-deflate is off unless configured", async () => {
    const offer = { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" };
    await using plain = await startServer(sampleApp());
    const refused = await upgrade(plain.url, offer);
    expect(refused.status).to.equal(101);
    expect(refused.headers).to.not.have.property("sec-websocket-extensions");
    await using compressing = await startServer(sampleApp(), { compression: true });
    expect((await upgrade(compressing.url, offer)).headers["sec-websocket-extensions"]).to.include(
      "permessage-deflate",
    );
  });
});
