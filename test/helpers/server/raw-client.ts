import { WebSocket } from "ws";

/** A message as it came: nothing of it is checked here. */
export interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: never;
  readonly result?: never;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: never };
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/**
 * A WebSocket that knows nothing of the protocol: it queues what comes from the first tick, and
 * hands it out in order.
 */
export class RawClient {
  readonly socket: WebSocket;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<Closed>;
  readonly #queue: string[] = [];
  readonly #waiting: ((text: string) => void)[] = [];
  #nextId = 1;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data) => this.#receive(String(data)));
    this.closed = new Promise((resolve) =>
      socket.on("close", (code, reason) => resolve({ code, reason: String(reason) })),
    );
  }

  /** Connects; rejects when the upgrade is refused. */
  static async connect(
    url: string,
    options: WebSocket.ClientOptions & { readonly protocols?: string[] } = {},
  ): Promise<RawClient> {
    const { protocols = [], ...rest } = options;
    const socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...rest });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    socket.on("error", () => {});
    return client;
  }

  /** Sends a string as it is, anything else as JSON. */
  send(...frames: readonly unknown[]): void {
    for (const frame of frames)
      this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** The text of the next frame, whenever it comes. */
  nextText(): Promise<string> {
    const text = this.#queue.shift();
    return text === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(text);
  }

  async next<T = Message>(): Promise<T> {
    return JSON.parse(await this.nextText()) as T;
  }

  /** The next frame that satisfies `wanted`; those before it are dropped. */
  async nextWhere(wanted: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const message = await this.next();
      if (wanted(message)) return message;
    }
  }

  /** The next notification of this name. */
  notification(method: string): Promise<Message> {
    return this.nextWhere((message) => message.method === method && message.id === undefined);
  }

  /**
   * Calls a method under an id of its own, and gives the whole response. Frames before it are
   * dropped.
   */
  call(method: string, params?: unknown): Promise<Message> {
    const id = `call-${this.#nextId++}`;
    this.send({ jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) });
    return this.nextWhere((message) => message.id === id);
  }

  authenticate(token: string): Promise<Message> {
    return this.call("authenticate", { token });
  }

  /** Frames that have come and were not asked for. */
  get queued(): readonly string[] {
    return this.#queue;
  }

  async close(): Promise<void> {
    this.socket.close(1000);
    await this.closed;
  }

  #receive(text: string): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#queue.push(text);
    else waiting(text);
  }
}
