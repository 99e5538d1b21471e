import {
  type ClientOptions,
  createClient,
  type SocketLike,
  type StateChange,
  type TokenRequest,
} from "../../../client/browser.js";
import type { RouterContract } from "../../../src/protocol/contract.js";
import { ManualClock } from "../manual-clock.js";

export interface Frame {
  readonly id?: string | number;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** A socket whose other end is the test. */
export class ScriptedSocket implements SocketLike {
  readyState = 0;
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  onerror: SocketLike["onerror"] = null;
  readonly texts: string[] = [];
  readonly url: string;
  closedWith: number | undefined;
  /** As a server does. Default: the test does, or nobody. */
  answersPings = false;

  constructor(url: string) {
    this.url = url;
  }

  send(text: string): void {
    if (this.readyState !== 1) throw new Error("Sent on a socket that isn't open");
    this.texts.push(text);
    if (!this.answersPings) return;
    const frame: Frame = JSON.parse(text);
    // at once, since a test may let minutes pass in one go
    if (frame.method === "ping") this.answer(frame, "pong");
  }

  close(code?: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.closedWith = code;
    queueMicrotask(() => this.onclose?.({ code: code ?? 1005, reason: "" }));
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.({});
  }

  /** The server's side closes, or the network does. */
  drop(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  receive(value: unknown): void {
    this.onmessage?.({ data: typeof value === "string" ? value : JSON.stringify(value) });
  }

  tell(method: string, params?: unknown): void {
    this.receive({ jsonrpc: "2.0", method, params });
  }

  answer(frame: Frame, result: unknown): void {
    this.receive({ jsonrpc: "2.0", id: frame.id, result });
  }

  refuse(frame: Frame, error: unknown): void {
    this.receive({ jsonrpc: "2.0", id: frame.id, error });
  }

  /** Everything that was sent, the members of batches one by one. */
  get frames(): Frame[] {
    return this.texts.flatMap((text): Frame | Frame[] => JSON.parse(text));
  }

  /** What was sent for `method` last. */
  last(method: string): Frame {
    const frame = this.frames.findLast((sent) => sent.method === method);
    if (frame === undefined)
      throw new Error(`Nothing was sent for ${method}: ${this.texts.join(" ")}`);
    return frame;
  }

  count(method: string): number {
    return this.frames.filter((sent) => sent.method === method).length;
  }
}

/** Lets everything that can go on without time passing go on. */
export const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** The result of `authenticate` for a token of 900 s. */
export const granted = (clock: ManualClock, changes: Readonly<Record<string, unknown>> = {}) => ({
  subject: "ada",
  scopes: ["orders:read"],
  connectionId: "c1",
  expiresIn: 900,
  expiresAt: clock.now() / 1_000 + 900,
  refreshIn: 600,
  grace: 30,
  serverTime: clock.now() / 1_000,
  ...changes,
});

/**
 * A client on a manual clock, with sockets that the test answers. Tokens are `token-1`, `token-2` …
 * unless `token` is given. `made` is handed each socket when it is made.
 */
export function scriptedClient<App = RouterContract<unknown>>(
  options: Partial<ClientOptions<App>> = {},
  create = createClient,
  made: (socket: ScriptedSocket) => void = () => {},
) {
  const clock = new ManualClock();
  const sockets: ScriptedSocket[] = [];
  const asked: TokenRequest[] = [];
  const states: StateChange[] = [];

  class WebSocket extends ScriptedSocket {
    constructor(url: string) {
      super(url);
      sockets.push(this);
      made(this);
    }
  }

  const { token = () => `token-${asked.length}` } = options;
  const client = create<App>({
    url: "ws://server.test/rpc",
    testing: { clock, random: () => 0.5 },
    connect: "now",
    WebSocket,
    ...options,
    token:
      token &&
      ((request) => {
        asked.push(request);
        return token(request);
      }),
  });
  client.on("state", (change) => states.push(change));

  const socket = async (): Promise<ScriptedSocket> => {
    await settled();
    const found = sockets.at(-1);
    if (found === undefined) throw new Error("No socket was opened");
    return found;
  };

  return {
    client,
    clock,
    sockets,
    asked,
    states,
    /** The socket that was opened last. */
    socket,
    /** Opens the last socket and grants what the client asks for. */
    async signIn(changes?: Readonly<Record<string, unknown>>): Promise<ScriptedSocket> {
      const opened = await socket();
      if (opened.readyState === 0) opened.open();
      opened.answer(opened.last("authenticate"), granted(clock, changes));
      await settled();
      return opened;
    },
    async pass(ms: number): Promise<void> {
      clock.advance(ms);
      await settled();
    },
  };
}

/** How a promise ended, without waiting for time to pass. */
export function outcomeOf<Value>(promise: Promise<Value>): {
  value?: Value;
  error?: unknown;
  count: number;
} {
  const outcome: { value?: Value; error?: unknown; count: number } = { count: 0 };
  promise.then(
    (value) => Object.assign(outcome, { value, count: outcome.count + 1 }),
    (error) => Object.assign(outcome, { error, count: outcome.count + 1 }),
  );
  return outcome;
}
