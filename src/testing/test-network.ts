import { Duplex } from "node:stream";
import type { Clock } from "../runtime/clock.js";

const windowBytes = 1_048_576; // 1 MiB that may be on its way in one direction

/** What a test can do to the network between the clients and the server of `testServer`. */
export interface TestNetwork {
  /**
   * Breaks all connections, and refuses new ones until `restore`. Clients learn of it at once, as
   * of a reset.
   */
  drop(): void;
  /**
   * From now on bytes arrive `ms` later in each direction, by the test's clock. With `Infinity`
   * they do not arrive before `restore`, and nobody learns of it: a dead link.
   */
  delay(ms: number): void;
  /** Ends `drop` and `delay`: what was delayed arrives at once. */
  restore(): void;
}

/** Streams in memory in the place of TCP connections. */
export class MemoryNetwork implements TestNetwork {
  readonly #clock: Clock;
  readonly #accept: (stream: Duplex) => void;
  readonly #ends = new Set<StreamEnd>();
  #isDown = false;
  latency = 0;
  /** Counts what has arrived. */
  arrivals = 0;

  /** @param accept takes the server's end of each connection */
  constructor(clock: Clock, accept: (stream: Duplex) => void) {
    this.#clock = clock;
    this.#accept = accept;
  }

  /** Opens a connection. Returns the client's end. */
  connect(): StreamEnd {
    const client = new StreamEnd(this, this.#clock);
    if (this.#isDown) {
      const refused = networkError("ECONNREFUSED", "the test's network is down");
      setImmediate(() => client.destroy(refused)); // once somebody listens
      return client;
    }
    const server = new StreamEnd(this, this.#clock);
    client.join(server);
    for (const end of [client, server]) this.#ends.add(end);
    this.#accept(server);
    return client;
  }

  /** The end is closed, and all that it has sent has arrived. */
  forget(end: StreamEnd): void {
    this.#ends.delete(end);
  }

  drop(): void {
    this.#isDown = true;
    this.cut();
  }

  /** Breaks all connections there are. */
  cut(): void {
    for (const end of this.#ends)
      end.destroy(networkError("ECONNRESET", "the test's network went down"));
  }

  delay(ms: number): void {
    if (!(ms >= 0))
      throw new TypeError(`network.delay takes milliseconds from 0 up, not ${String(ms)}`);
    this.latency = ms;
    for (const end of this.#ends) end.deliver();
  }

  restore(): void {
    this.#isDown = false;
    this.delay(0);
  }
}

function networkError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

interface Parcel {
  /** Null: the end of the stream. */
  readonly chunk: Buffer | null;
  readonly sentAt: number;
}

/** One end of a connection: what is written here is read at the other end. */
export class StreamEnd extends Duplex {
  readonly remoteAddress = "127.0.0.1";
  /** Bytes that have arrived, as a TCP socket counts them. */
  bytesRead = 0;
  readonly #network: MemoryNetwork;
  readonly #clock: Clock;
  #other: StreamEnd | undefined;
  /** What is on its way to the other end. */
  readonly #parcels: Parcel[] = [];
  #bytes = 0;
  /** Takes the next chunk; absent while there is room. */
  #takeNext: (() => void) | undefined;
  #isFull = false;
  #hasEnded = false;
  #cancelTimer: () => void = () => {};

  constructor(network: MemoryNetwork, clock: Clock) {
    super();
    this.#network = network;
    this.#clock = clock;
    this.on("error", () => {}); // whoever uses the stream hears of it; nobody else must
  }

  join(other: StreamEnd): void {
    this.#other = other;
    other.#other = this;
  }

  /** Whether anything is on its way, in either direction. */
  get isBusy(): boolean {
    const other = this.#other;
    return this.#parcels.length > 0 || (other !== undefined && other.#parcels.length > 0);
  }

  /** Nothing waits for real time here. */
  setTimeout(): this {
    return this;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, sent: () => void): void {
    this.#bytes += chunk.length;
    this.#takeNext = sent;
    this.#send(chunk);
  }

  override _final(sent: () => void): void {
    this.#end();
    sent();
  }

  override _read(): void {
    this.#isFull = false;
    this.#other?.deliver();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (error === null) {
      this.#end(); // what was written before still arrives
    } else {
      this.#cancelTimer();
      this.#parcels.length = 0;
      this.#network.forget(this);
      this.#other?.destroy(error);
    }
    done(error);
  }

  /** Delivers what has been on its way for long enough. */
  deliver(): void {
    this.#cancelTimer();
    const other = this.#other;
    if (other === undefined) return;
    for (let [parcel] = this.#parcels; parcel !== undefined; [parcel] = this.#parcels) {
      if (other.#isFull) return;
      const left = parcel.sentAt + this.#network.latency - this.#clock.monotonic();
      if (left > 0) {
        if (left < Number.POSITIVE_INFINITY)
          this.#cancelTimer = this.#clock.after(left, () => this.deliver());
        return;
      }
      this.#parcels.shift();
      this.#bytes -= parcel.chunk?.length ?? 0;
      other.#take(parcel.chunk);
    }
    if (this.#hasEnded) this.#network.forget(this);
    this.#admit();
  }

  #send(chunk: Buffer | null): void {
    this.#parcels.push({ chunk, sentAt: this.#clock.monotonic() });
    this.deliver();
    this.#admit();
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#send(null);
  }

  #admit(): void {
    if (this.#bytes >= windowBytes) return;
    const takeNext = this.#takeNext;
    this.#takeNext = undefined;
    if (takeNext !== undefined) process.nextTick(takeNext);
  }

  #take(chunk: Buffer | null): void {
    this.#network.arrivals++;
    if (this.destroyed) return;
    this.bytesRead += chunk?.length ?? 0;
    this.#isFull = !this.push(chunk) && chunk !== null;
  }
}
