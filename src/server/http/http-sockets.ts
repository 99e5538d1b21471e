import type { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { prefixOf } from "../../runtime/ip-address.js";
import type { Limits } from "../limits.js";

const shareOfFiles = 0.9; // of all sockets: else stores and key fetches find no file descriptor
// of these: else one address keeps everybody else out with requests that it never finishes
const shareOfAddress = 0.25;

export interface HttpSocketPorts {
  /** How many files the process may open; undefined: no limit is known. */
  readonly openFiles: number | undefined;
  /** Is that a proxy, behind which are many? */
  readonly isTrusted: (address: string) => boolean;
  readonly onRefused: (address: string) => void;
}

/** Sockets of one address. */
interface Held {
  open: number;
  /** Of these, by now WebSockets. */
  upgraded: number;
}

/**
 * Bounds the sockets of an HTTP server: all of them, and those of one address that are no WebSocket
 * (yet).
 */
export class HttpSockets {
  readonly #ports: HttpSocketPorts;
  readonly #maxOfAddress: number;
  readonly #held = new Map<string, Held>();

  constructor(
    http: HttpServer,
    { httpPerAddress, connections }: Pick<Limits, "httpPerAddress" | "connections">,
    ports: HttpSocketPorts,
  ) {
    this.#ports = ports;
    const { openFiles = Number.POSITIVE_INFINITY } = ports;
    const files = Math.floor(openFiles * shareOfFiles);
    const max = connections === "auto" ? files : Math.max(files, connections);
    this.#maxOfAddress =
      httpPerAddress === "auto" ? Math.max(Math.floor(max * shareOfAddress), 1) : httpPerAddress;
    if (max < Number.POSITIVE_INFINITY) http.maxConnections = max;
    http.on("connection", (socket: Socket) => this.#opened(socket));
  }

  /**
   * A socket becomes a WebSocket; with TLS its stream is another object than the one that was
   * opened.
   */
  upgraded(stream: Duplex): void {
    const { remoteAddress: address } = stream as Socket;
    const held = address === undefined ? undefined : this.#held.get(prefixOf(address));
    if (address === undefined || held === undefined) return;
    held.upgraded++;
    stream.once("close", () => {
      held.upgraded--;
      this.#forgetIfGone(address, held);
    });
  }

  #opened(socket: Socket): void {
    const { remoteAddress: address } = socket;
    if (address === undefined || this.#ports.isTrusted(address)) return;
    const held = this.#heldBy(address);
    if (held.open - held.upgraded >= this.#maxOfAddress) {
      this.#ports.onRefused(address);
      socket.destroy();
      return;
    }
    held.open++;
    socket.once("close", () => {
      held.open--;
      this.#forgetIfGone(address, held);
    });
  }

  #heldBy(address: string): Held {
    const prefix = prefixOf(address);
    const held = this.#held.get(prefix) ?? { open: 0, upgraded: 0 };
    this.#held.set(prefix, held);
    return held;
  }

  #forgetIfGone(address: string, { open, upgraded }: Held): void {
    if (open <= 0 && upgraded <= 0) this.#held.delete(prefixOf(address));
  }
}
