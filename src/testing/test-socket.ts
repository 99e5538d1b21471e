import type { SocketConstructor } from "../../client/node.js";
import { NodeSocket } from "../../client/node-socket.js";
import type { MemoryNetwork, StreamEnd } from "./test-network.js";

const longestFrame = 8_388_608; // 8 MiB, as the client's default
const authCall = /"method":"(authenticate|refresh)"/;

/** A real WebSocket over a stream in memory. Knows whether the server judges a token for it. */
class TestSocket extends NodeSocket {
  readonly #stream: StreamEnd;
  /** Ids of auth calls without an answer. */
  readonly #judged = new Set<unknown>();

  constructor(url: string, protocols: string, maxFrameBytes: number, stream: StreamEnd) {
    super(url, protocols, maxFrameBytes, () => stream);
    this.#stream = stream;
  }

  /** Whether the server has a token of this socket and has not answered. */
  get isWaiting(): boolean {
    return this.#judged.size > 0 && !this.#stream.isBusy && !this.#stream.destroyed;
  }

  waitNoLonger(): void {
    this.#judged.clear();
  }

  override send(text: string): void {
    if (authCall.test(text)) this.#judged.add(JSON.parse(text).id);
    super.send(text);
  }

  protected override received(data: unknown): void {
    if (this.#judged.size > 0) this.#judged.delete(JSON.parse(String(data)).id);
    super.received(data);
  }
}

/** The sockets that clients open over one network. */
export class TestSockets {
  readonly #network: MemoryNetwork;
  readonly #open = new Set<TestSocket>();

  constructor(network: MemoryNetwork) {
    this.#network = network;
  }

  /** Whether the server judges a token of any of them. */
  get areWaiting(): boolean {
    return [...this.#open].some(({ isWaiting }) => isWaiting);
  }

  waitNoLonger(): void {
    for (const socket of this.#open) socket.waitNoLonger();
  }

  /** The class of the sockets of one client. */
  constructorFor(maxFrameBytes = longestFrame): SocketConstructor {
    const open = (stream: StreamEnd, socket: TestSocket) => {
      this.#open.add(socket);
      stream.once("close", () => this.#open.delete(socket));
    };
    const connect = () => this.#network.connect();
    return class extends TestSocket {
      constructor(url: string, protocols: string) {
        const stream = connect();
        super(url, protocols, maxFrameBytes, stream);
        open(stream, this);
      }
    };
  }
}
