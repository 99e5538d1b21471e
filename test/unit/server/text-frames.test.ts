import { expect } from "chai";
import { WebSocket, WebSocketServer } from "ws";
import { textFrames } from "../../../src/server/connection/frames/frame-writer.js";

describe("text frames", () => {
  it("have the shortest header that holds their length", () => {
    const headers = [0, 1, 125, 126, 65_535, 65_536].map((length) =>
      textFrames(["x".repeat(length)])
        .subarray(0, 10)
        .toString("hex"),
    );
    expect(headers[0]).to.equal("8100");
    expect(headers[1]).to.equal("810178");
    expect(headers[2]).to.match(/^817d7878/);
    expect(headers[3]).to.match(/^817e007e78/);
    expect(headers[4]).to.match(/^817effff78/);
    expect(headers[5]).to.equal("817f0000000000010000");
  });

  it("count bytes, not characters", () => {
    expect(textFrames(["ä€😀"]).toString("hex")).to.equal("8109c3a4e282acf09f9880");
  });

  it("are understood by a real client, in order, whatever their lengths", async () => {
    const texts = [
      "",
      "a",
      "€".repeat(42),
      "x".repeat(125),
      "y".repeat(126),
      "ü".repeat(40_000),
      "z".repeat(65_535),
      "\ud83d\ude00",
    ];
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await new Promise((resolve) => server.once("listening", resolve));
    server.on("connection", (_socket, request) => request.socket.write(textFrames(texts)));
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as { port: number }).port}`);
    const received: string[] = [];
    await new Promise<void>((resolve) =>
      client.on("message", (data) => received.push(String(data)) === texts.length && resolve()),
    );
    expect(received).to.deep.equal(texts);
    client.terminate();
    await new Promise((resolve) => server.close(resolve));
  });
});
