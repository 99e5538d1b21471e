import { connect } from "node:net";
import { FrameCounter, maskedFrame, opcodes, readFrame } from "./frames.mjs";

const pong = maskedFrame("", opcodes.pong);
const goodbye = maskedFrame("", opcodes.close);
const none = Buffer.alloc(0);

/**
 * A WebSocket over a bare TCP socket. While it greets or probes it reads what it is told; otherwise
 * it only counts replies.
 */
export class LoadConnection {
  /** Called with the number of replies in what has just come. */
  onReplies = () => {};
  /** Called when what was written has left. */
  onDrain = () => {};
  /** Called with an error when the connection is lost. */
  onLost = () => {};
  #socket;
  #counter;
  #received = none;
  /** Set while what comes is read. */
  #onReceived;

  /** Resolves when the server has taken the upgrade and all of the greeting went as it should. */
  static async open(port, dialect, greeting) {
    const connection = new LoadConnection(port, dialect.heartbeat);
    await connection.#upgrade(port, dialect.path);
    for (const { send, expect } of greeting)
      await connection.exchange(send === undefined ? none : maskedFrame(send), expect);
    return connection;
  }

  constructor(port, heartbeat) {
    const beat = heartbeat === undefined ? undefined : maskedFrame(heartbeat);
    this.#counter = new FrameCounter((opcode) => {
      if (opcode === opcodes.ping) this.#socket.write(pong);
      else if (opcode === opcodes.text && beat !== undefined) this.#socket.write(beat);
    });
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.on("data", (chunk) => this.#onData(chunk));
    this.#socket.on("drain", () => this.onDrain());
    this.#socket.on("error", (error) => this.onLost(error));
    this.#socket.on("close", () => this.onLost(new Error("the server closed a connection")));
  }

  /** False: what was written before has not left yet. */
  write(bytes) {
    return this.#socket.write(bytes);
  }

  /** Sends a frame, or nothing, and resolves when the next frame that comes looks as expected. */
  async exchange(frame, expected) {
    if (frame.length > 0) this.#socket.write(frame);
    const { payload } = await this.#receive((bytes) => {
      const found = readFrame(bytes);
      if (found !== undefined) this.#received = found.rest;
      return found;
    });
    if (!expected.test(payload.toString())) throw new Error(`expected ${expected}, not ${payload}`);
  }

  /** Reads nothing any more, as a peer that is stuck. */
  stall() {
    this.#socket.pause();
  }

  /** Says goodbye, and resolves when the server has closed. */
  close() {
    this.onLost = () => {};
    return new Promise((resolve) => {
      if (this.#socket.destroyed) return resolve();
      this.#socket.once("close", resolve);
      this.#socket.write(goodbye);
      this.#socket.resume();
    });
  }

  #onData(chunk) {
    const bytes = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    this.#received = none;
    if (this.#onReceived !== undefined) {
      this.#received = bytes;
      return this.#onReceived();
    }
    const replies = this.#counter.count(bytes);
    if (replies > 0) this.onReplies(replies);
  }

  async #upgrade(port, path) {
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
    ];
    const rest = [
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "",
      "",
    ];
    this.#socket.write([...lines, ...rest].join("\r\n"));
    const head = await this.#receive((bytes) => {
      const end = bytes.indexOf("\r\n\r\n");
      if (end === -1) return undefined;
      this.#received = bytes.subarray(end + 4);
      return bytes.toString("latin1", 0, end);
    });
    if (!head.startsWith("HTTP/1.1 101")) throw new Error(`no upgrade: ${head}`);
  }

  /** Resolves with what `read` finds in what has come. */
  async #receive(read) {
    try {
      return await new Promise((resolve, reject) => {
        this.onLost = reject;
        this.#onReceived = () => {
          const found = read(this.#received);
          if (found !== undefined) resolve(found);
        };
        this.#onReceived();
      });
    } finally {
      this.#onReceived = undefined;
      this.onLost = () => {};
    }
  }
}
