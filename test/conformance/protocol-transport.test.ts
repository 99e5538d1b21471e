import { expect } from "chai";
import { describe, it } from "mocha";
import { expectClose } from "../helpers/server/expected.js";
import { ask, resultOf } from "../helpers/server/frames.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { sampleApp, startServer } from "../helpers/server/test-server.js";
import { upgrade } from "../helpers/server/upgrade.js";

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
