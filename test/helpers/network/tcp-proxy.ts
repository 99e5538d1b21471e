import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

import { ImpairedStream, type Impairment } from "./impaired-stream.js";

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  /** Neither end learns what becomes of the other. */
  isLost: boolean;
}

/**
 * A network between two ends, on a port that stays: it can be slow, be cut, be closed in one
 * direction, and go silent.
 */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #target = 0;
  #isDown = false;
  #impairment: Impairment = {};
  /** How many connections were made through it. */
  connections = 0;

  private constructor() {
    this.#server = createServer((near) => this.#join(near));
  }

  static async listen(): Promise<TcpProxy> {
    const proxy = new TcpProxy();
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Where connections lead from now on. */
  leadTo(port: number): void {
    this.#target = port;
  }

  /** Cuts every connection, and refuses new ones until `restore`. */
  down(): void {
    this.#isDown = true;
    this.cut();
  }

  /** Cuts every connection; new ones are let through. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
  }

  restore(): void {
    this.#isDown = false;
  }

  /** What is wrong with every connection from now on; `{}`: nothing. */
  impair(impairment: Impairment): void {
    this.#impairment = impairment;
  }

  /** Ends the direction to the server on the connections of now, and leaves the other one open. */
  halfClose(): void {
    for (const { near, far } of this.#pairs) {
      near.unpipe();
      near.resume(); // read, and forgotten
      far.end();
    }
  }

  /**
   * The connections of now carry nothing any more, in either direction, and nobody is told. New
   * ones are let through.
   */
  blackHole(): void {
    for (const pair of this.#pairs) {
      const { near, far } = pair;
      pair.isLost = true;
      near.unpipe();
      far.unpipe();
      near.resume(); // read, and forgotten
      far.resume();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.down();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(near: Socket): void {
    if (this.#isDown) {
      near.resetAndDestroy();
      return;
    }
    this.connections++;
    const far = connect(this.#target, "127.0.0.1");
    const pair = { near, far, isLost: false };
    this.#pairs.add(pair);
    const cut = () => {
      near.resetAndDestroy();
      far.destroy();
    };
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.setNoDelay(true);
      const way = new ImpairedStream(() => this.#impairment, cut);
      one.pipe(way).pipe(other);
      one.on("error", () => one.destroy());
      one.on("close", () => {
        way.destroy();
        if (!pair.isLost) other.destroy();
        if (other.destroyed) this.#pairs.delete(pair);
      });
    }
  }
}
