import { createServer, type Server as HttpServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { expect } from "chai";
import { type HttpSocketPorts, HttpSockets } from "../../../src/server/http/http-sockets.js";
import type { Limits } from "../../../src/server/limits.js";
import { eventually } from "../../helpers/eventually.js";

const upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/** An HTTP server that upgrades whatever asks for it, and those who come to it. */
class Place implements AsyncDisposable {
  readonly refused: string[] = [];
  readonly http: HttpServer;
  readonly #sockets: Socket[] = [];
  readonly #streams: Socket[] = [];

  private constructor(
    http: HttpServer,
    limits: Pick<Limits, "httpPerAddress" | "connections">,
    ports: Omit<HttpSocketPorts, "onRefused">,
  ) {
    this.http = http;
    const sockets = new HttpSockets(http, limits, {
      ...ports,
      onRefused: (address) => void this.refused.push(address),
    });
    http.on("upgrade", (_request, stream: Socket) => {
      sockets.upgraded(stream);
      stream.on("error", () => {});
      stream.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
      this.#streams.push(stream);
    });
  }

  static async open(
    limits: { httpPerAddress?: number; connections?: number },
    openFiles?: number,
    isTrusted = () => false,
  ): Promise<Place> {
    const http = createServer((_request, response) => response.end("there"));
    const place = new Place(
      http,
      { httpPerAddress: "auto", connections: "auto", ...limits },
      { openFiles, isTrusted },
    );
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    return place;
  }

  /** Somebody who says that, and no more. */
  come(localAddress: string, text = ""): Socket {
    const socket = connect({
      port: (this.http.address() as AddressInfo).port,
      host: "127.0.0.1",
      localAddress,
    });
    socket.on("error", () => {}).resume();
    socket.write(text);
    this.#sockets.push(socket);
    return socket;
  }

  /** How many of those are not cut. */
  async stay(count: number, localAddress: string, text = ""): Promise<number> {
    const sockets = Array.from({ length: count }, () => this.come(localAddress, text));
    const before = this.refused.length;
    await eventually(() => expect(sockets.every(({ connecting }) => !connecting)).to.equal(true));
    await eventually(async () => {
      const open = await this.#open();
      expect(open).to.equal(this.#sockets.filter(({ destroyed }) => !destroyed).length);
    });
    return count - (this.refused.length - before);
  }

  async answers(localAddress: string): Promise<boolean> {
    const socket = this.come(
      localAddress,
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    return new Promise((resolve) => {
      socket.once("data", () => resolve(true));
      socket.once("close", () => resolve(false));
    });
  }

  leave(): void {
    for (const socket of [...this.#sockets, ...this.#streams]) socket.destroy();
  }

  #open(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.http.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.leave();
    await new Promise((resolve) => this.http.close(resolve));
  }
}

describe("The sockets of the HTTP server", () => {
  it("of one address are as many as the limit says, whatever they have sent, and those of others are served", async () => {
    await using place = await Place.open({ httpPerAddress: 5 });
    expect(await place.stay(20, "127.0.0.2", "GET / HTTP/1.1\r\nX: ")).to.equal(5);
    expect(new Set(place.refused)).to.deep.equal(new Set(["127.0.0.2"]));
    expect(await place.answers("127.0.0.2")).to.equal(false);
    expect(await place.answers("127.0.0.3")).to.equal(true);
    place.leave();
    await eventually(async () => expect(await place.answers("127.0.0.2")).to.equal(true));
  });

  it("that have become WebSockets do not count, and neither do those of a proxy", async () => {
    await using place = await Place.open({ httpPerAddress: 2 });
    for (let n = 0; n < 10; n++) {
      const socket = place.come("127.0.0.2", upgrade);
      await new Promise((resolve) => socket.once("data", resolve));
    }
    expect(await place.stay(3, "127.0.0.2")).to.equal(2);
    place.leave();
    await eventually(async () =>
      expect(await place.stay(3, "127.0.0.2"), "and are not counted back twice").to.equal(2),
    );
    await using proxied = await Place.open({ httpPerAddress: 2 }, undefined, () => true);
    expect(await proxied.stay(10, "127.0.0.2")).to.equal(10);
  });

  it("leave files for stores and keys, and of these an address has a quarter by default", async () => {
    await using place = await Place.open({}, 100);
    expect(place.http.maxConnections).to.equal(90);
    expect(await place.stay(40, "127.0.0.2")).to.equal(22);
    await using larger = await Place.open({ connections: 95 }, 100);
    expect(larger.http.maxConnections).to.equal(95);
    await using unknown = await Place.open({});
    expect(unknown.http.maxConnections).to.equal(undefined);
    expect(await unknown.stay(40, "127.0.0.2")).to.equal(40);
  });
});
