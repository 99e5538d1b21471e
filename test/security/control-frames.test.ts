import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { RawClient } from "../helpers/server/raw-client.js";
import { sampleApp, startServer, type TestServer } from "../helpers/server/test-server.js";

const [text, pong] = [1, 10];
const megabyte = 1_000_000;

/** A masked frame (RFC 6455 §5.2) with a short payload, by a mask of zeros. */
function frame(opcode: number, payload: string): Buffer {
  const bytes = Buffer.from(payload);
  const length =
    bytes.length < 126 ? [bytes.length | 128] : [126 | 128, bytes.length >> 8, bytes.length & 255];
  return Buffer.concat([Buffer.from([opcode | 128, ...length, 0, 0, 0, 0]), bytes]);
}

/** A WebSocket without a library: what it sends, the peer gets. */
async function open({ listening: { port } }: TestServer): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  const key = Buffer.alloc(16).toString("base64");
  socket.write(
    `GET /rpc HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`,
  );
  socket.write(`Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
  await once(socket, "data");
  return socket;
}

/**
 * Writes that again and again, until it is cut or has written so many bytes. Returns how many bytes
 * the peer has taken.
 */
async function flood(socket: Socket, bytes: Buffer, most: number): Promise<number> {
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.resume();
  while (!socket.destroyed && socket.bytesWritten < most) {
    if (!socket.write(bytes))
      await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), closed]);
  }
  const taken = socket.bytesWritten - socket.writableLength;
  if (taken >= most) socket.destroy();
  await closed;
  return taken;
}

/**
 * With what the server has closed its last connection: the word itself may be lost with a socket
 * that is cut.
 */
function lastClose({ log }: TestServer): unknown {
  const { code, reason } =
    log.findLast(({ fields }) => fields.event === "connection.close")?.fields ?? {};
  return { code, reason };
}

describe("A peer without a session", () => {
  it("that floods with pongs that nobody asked for is told to go, and cut, before it has taken a second of anybody's time", async () => {
    await using server = await startServer(sampleApp());
    const healthy = await server.login();
    const taken = await flood(
      await open(server),
      Buffer.concat(Array(10_000).fill(frame(pong, ""))),
      100 * megabyte,
    );
    expect(lastClose(server)).to.deep.equal({ code: 4429, reason: "too_many_requests" });
    // the buffers of two sockets, and what came in the same turn
    expect(taken).to.be.below(30 * megabyte);
    expect(await healthy.call("ping")).to.have.property("result", "pong");
  });

  it("that sends too many pings and pongs is told so", async () => {
    await using server = await startServer(sampleApp());
    const client = await RawClient.connect(server.url);
    for (let n = 0; n < 300; n++) client.socket.pong();
    const { params } = await client.notification("connection.closing");
    expect(params).to.deep.include({
      code: 4429,
      reason: "too_many_requests",
      hint: "send at most 100 pings and pongs per second",
    });
    expect(await client.closed).to.deep.equal({ code: 4429, reason: "too_many_requests" });
  });

  it("may send a hundred pings and pongs in a second", async () => {
    await using server = await startServer(sampleApp());
    const client = await RawClient.connect(server.url);
    for (let n = 0; n < 50; n++) client.socket.pong();
    for (let n = 0; n < 10; n++) client.socket.ping();
    expect(await client.call("ping")).to.have.property("result", "pong");
  });

  it("that goes on at the speed of its line after it was told to go is cut", async () => {
    await using server = await startServer(sampleApp());
    for (const body of [frame(text, "x".repeat(1_000)), frame(pong, "")]) {
      const socket = await open(server);
      socket.write(Buffer.concat(Array(25).fill(frame(text, "{"))));
      const taken = await flood(
        socket,
        Buffer.concat(Array(Math.ceil(65_536 / body.length)).fill(body)),
        100 * megabyte,
      );
      expect(lastClose(server)).to.deep.equal({ code: 4400, reason: "protocol_error" });
      expect(taken).to.be.below(30 * megabyte);
    }
  });

  it("that has sent some frames more by then still hears why, and answers the close", async () => {
    await using server = await startServer(sampleApp());
    const client = await RawClient.connect(server.url);
    for (let n = 0; n < 20; n++) client.send("{");
    for (let n = 0; n < 60; n++) client.send("x".repeat(1_000));
    expect(await client.closed).to.deep.equal({ code: 4400, reason: "protocol_error" });
  });
});
