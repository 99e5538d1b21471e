import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  /** Neither end learns what becomes of the other. */
  isLost: boolean;
}

/** A network between a browser and a server, on a port that stays: it can be cut, and go silent. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #target = 0;
  #isDown = false;
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

  /** The connections of now carry nothing any more, in either direction, and nobody is told. New ones are let through. */
  blackHole(): void {
    for (const pair of this.#pairs) {
      const { near, far } = pair;
      pair.isLost = true;
      near.unpipe(far);
      far.unpipe(near);
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
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.setNoDelay(true);
      one.pipe(other);
      one.on("error", () => one.destroy());
      one.on("close", () => {
        if (!pair.isLost) other.destroy();
        if (other.destroyed) this.#pairs.delete(pair);
      });
    }
  }
}
