import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { expect } from "chai";
import { sampleApp } from "../helpers/server/test-server.js";
import { startTimed } from "../helpers/server/timed-server.js";

const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';

/** A masked frame (RFC 6455 §5.2), of a mask that changes nothing. */
function frame(opcode: number, payload: string, isFinal = true): Buffer {
  const data = Buffer.from(payload);
  return Buffer.concat([
    Buffer.from([(isFinal ? 0x80 : 0) | opcode, 0x80 | data.length, 0, 0, 0, 0]),
    data,
  ]);
}

const [continuation, text, pinging] = [0, 1, 9];

/** A server on a clock that stands still, and a peer whose bytes have come when they are sent. */
async function rig(limits: object = {}) {
  const server = await startTimed(sampleApp(), {
    limits: { authDeadline: Number.POSITIVE_INFINITY, ...limits },
    metrics: { port: 0 },
  });
  const http: HttpServer = createServer();
  server.server.attach(http);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const accepted = once(http, "connection") as Promise<[Socket]>;
  const socket = connect((http.address() as AddressInfo).port, "127.0.0.1");
  const [stream] = await accepted;
  let received = "";
  socket.on("data", (data) => {
    received += data.toString("latin1");
  });
  const send = async (data: Buffer | string) => {
    const expected = stream.bytesRead + data.length;
    socket.write(data);
    while (stream.bytesRead < expected) await new Promise((resolve) => setImmediate(resolve));
  };
  await send(
    "GET /rpc HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  return {
    server,
    send,
    isOpen: () => server.server.connections === 1 && !received.includes("frame_timeout"),
    /** What has come so far, when it includes this. */
    async heard(wanted: string) {
      while (!received.includes(wanted)) await new Promise((resolve) => setImmediate(resolve));
      const heard = received;
      received = "";
      return heard;
    },
    hits: () => Number(/limit="frameTimeout"} (\d+)/.exec(server.server.metricsText())?.[1]),
    async [Symbol.asyncDispose]() {
      socket.destroy();
      http.close();
      await server.close();
    },
  };
}

type Rig = Awaited<ReturnType<typeof rig>>;

/** Sends the parts with so many milliseconds before each one but the first. */
async function drip({ send, server }: Rig, parts: readonly Buffer[], pause: number): Promise<void> {
  for (const [n, part] of parts.entries()) {
    if (n > 0) server.clock.advance(pause);
    await send(part);
  }
}

const bytesOf = (data: Buffer) => Array.from(data, (_, n) => data.subarray(n, n + 1));

async function expectCut({ heard, hits }: Rig): Promise<void> {
  const told = await heard("\u0003\u00f0frame_timeout"); // the close frame: 1008 and its reason
  expect(told).to.match(
    /"method":"connection.closing","params":\{"code":1008,"reason":"frame_timeout","reconnect":"yes"/,
  );
  expect(hits()).to.equal(1);
}

describe("A message that comes slowly", () => {
  it("is closed with 1008 when it is not complete 10 s after its first byte, within a quarter of that, and not before", async () => {
    await using peer = await rig();
    peer.server.clock.advance(60_000);
    const parts = bytesOf(frame(text, ping));
    await drip(peer, parts.slice(0, 10), 1_000); // nine seconds
    peer.server.clock.advance(900);
    expect(peer.isOpen()).to.equal(true);
    peer.server.clock.advance(2_600);
    await expectCut(peer);
  });

  it("passes when it is complete in less, again and again, and so does whatever comes at once", async () => {
    await using peer = await rig();
    for (let round = 0; round < 5; round++) {
      await drip(peer, bytesOf(frame(text, ping)), 200); // 46 bytes: 9 s
      expect(await peer.heard("pong")).to.include('"result":"pong"');
      await peer.send(frame(text, ping));
      await peer.heard("pong");
      peer.server.clock.advance(20_000 * round);
    }
    expect(peer.isOpen()).to.equal(true);
    expect(peer.hits()).to.equal(0);
  });

  it("is cut within 15 s when it follows another one in the same bytes", async () => {
    await using peer = await rig();
    const parts = bytesOf(frame(text, ping));
    await peer.send(Buffer.concat([frame(text, ping), ...parts.slice(0, 3)]));
    await peer.heard("pong");
    await drip(peer, parts.slice(3, 10), 2_000);
    expect(peer.server.clock.monotonic()).to.be.at.most(1_000 + 12_000);
    peer.server.clock.advance(3_000);
    await expectCut(peer);
  });

  it("in fragments is cut, too, with pings between them, while pings alone may come for ever", async () => {
    await using peer = await rig();
    for (let n = 0; n < 30; n++) {
      await peer.send(frame(pinging, "x".repeat(n)));
      peer.server.clock.advance(2_000);
    }
    expect(peer.isOpen(), "pings for a minute").to.equal(true);
    await peer.send(Buffer.concat([frame(text, ping.slice(0, 3), false), frame(pinging, "a")]));
    for (let n = 0; n < 4; n++) {
      peer.server.clock.advance(2_500);
      await peer.send(
        Buffer.concat([frame(continuation, ping.slice(3 + n, 4 + n), false), frame(pinging, "a")]),
      );
    }
    expect(peer.isOpen(), "ten seconds").to.equal(true);
    peer.server.clock.advance(2_500);
    await expectCut(peer);
  });

  it("is not taken for one where pings come together, or one in two parts, and nothing else for long", async () => {
    await using peer = await rig();
    const split = frame(pinging, "in two parts");
    peer.server.clock.advance(2_500);
    await peer.send(Buffer.concat([frame(pinging, "a"), frame(pinging, "with the one before")]));
    peer.server.clock.advance(30_000);
    expect(peer.hits(), "together").to.equal(0);
    await peer.send(split.subarray(0, 3));
    peer.server.clock.advance(2_500);
    await peer.send(split.subarray(3));
    peer.server.clock.advance(30_000);
    expect(peer.hits(), "in two parts").to.equal(0);
    await peer.send(
      Buffer.concat([frame(pinging, "a"), frame(pinging, "b"), frame(text, ping).subarray(0, 3)]),
    );
    peer.server.clock.advance(15_000);
    await expectCut(peer);
  });

  it("may take any time where the limit is 0", async () => {
    await using peer = await rig({ frameTimeout: Number.POSITIVE_INFINITY });
    await drip(peer, bytesOf(frame(text, ping)), 10_000);
    expect(await peer.heard("pong")).to.include('"result":"pong"');
  });
});
