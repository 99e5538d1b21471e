import { once } from "node:events";
import { expect } from "chai";
import { JSONRPCClient } from "json-rpc-2.0";
import { Client } from "rpc-websockets";
import { WebSocket } from "ws";
import { sampleApp, startServer } from "../helpers/server/test-server.js";

describe("A client of rpc-websockets", () => {
  it("authenticates by a plain call, then calls, hears a notification, and refreshes", async () => {
    await using server = await startServer(sampleApp());
    const client = new Client(server.url, { reconnect: false });
    await new Promise<void>((resolve) => client.on("open", resolve));
    const codeOf = (call: Promise<unknown>) =>
      call.then(
        () => 0,
        ({ code }) => code,
      );

    expect(await codeOf(client.call("subtract", [42, 23]))).to.equal(-32001);
    expect(await codeOf(client.call("authenticate", { token: "not.a.token" }))).to.equal(-32004);
    expect(
      await client.call("authenticate", { token: server.token({ scope: "numbers:add" }) }),
    ).to.include({ subject: "user-1" });
    expect(await client.call("subtract", [42, 23])).to.equal(19);
    expect(await client.call("subtract", { minuend: 42, subtrahend: 23 })).to.equal(19);
    expect(await codeOf(client.call("admin.reset"))).to.equal(-32003);

    const heard = new Promise((resolve) => client.on("numbers.changed", resolve));
    expect(await client.call("numbers.add", { a: 1, b: 2 })).to.equal(3);
    expect(await heard).to.deep.equal({ sum: 3 });

    expect(await client.call("refresh", [server.token({ scope: "admin" })])).to.include({
      changed: true,
    });
    expect(await client.call("admin.reset")).to.equal("done");
    const closed = new Promise((resolve) => client.on("close", resolve));
    client.close();
    await closed;
  });
});

describe("A client of json-rpc-2.0, over ws", () => {
  it("authenticates by a plain call, then calls, one by one and in a batch", async () => {
    await using server = await startServer(sampleApp());
    const socket = new WebSocket(server.url);
    await once(socket, "open");
    const client = new JSONRPCClient((payload) => socket.send(JSON.stringify(payload)));
    socket.on("message", (data) => client.receive(JSON.parse(String(data))));
    const codeOf = (call: PromiseLike<unknown>) =>
      call.then(
        () => 0,
        ({ code }) => code,
      );

    expect(await codeOf(client.request("subtract", [42, 23]))).to.equal(-32001);
    expect(await client.request("authenticate", [server.token()])).to.include({
      subject: "user-1",
    });
    expect(await client.request("subtract", [42, 23])).to.equal(19);
    client.notify("subtract", [42, 23]);
    expect(await codeOf(client.request("absent", undefined))).to.equal(-32601);

    const batch = await client.requestAdvanced(
      [
        { jsonrpc: "2.0", id: "a", method: "subtract", params: [3, 1] },
        { jsonrpc: "2.0", id: "b", method: "absent" },
        { jsonrpc: "2.0", id: "c", method: "ping" },
      ],
      undefined,
    );
    expect(batch.map(({ id, result, error }) => [id, result ?? error?.code])).to.deep.equal([
      ["a", 2],
      ["b", -32601],
      ["c", "pong"],
    ]);
    socket.close();
    await once(socket, "close");
  });
});
