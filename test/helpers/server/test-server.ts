import { z } from "zod";
import {
  type Clock,
  createRpc,
  type Listening,
  type Logger,
  type Router,
  type ServerOptions,
} from "../../../src/index.js";
import type { LoadGauge } from "../../../src/server/admission/load-gauge.js";
import { Server } from "../../../src/server/server.js";
import { createTestKeys, signToken, type TestKeys } from "../tokens/tokens.js";
import { RawClient } from "./raw-client.js";

/** One line that was logged. */
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A server on port 0 that trusts one key; stop it with `await using` or `close`. */
export interface TestServer extends AsyncDisposable {
  readonly server: Server;
  readonly listening: Listening;
  readonly url: string;
  readonly keys: TestKeys;
  readonly log: readonly LogLine[];
  /**
   * A token that the server accepts: for user-1, good for 900 s by its clock, changed by `claims`.
   */
  token(claims?: Readonly<Record<string, unknown>>): string;
  connect(): Promise<RawClient>;
  /** A client that has authenticated with `token(claims)`. */
  login(claims?: Readonly<Record<string, unknown>>): Promise<RawClient>;
  close(): Promise<void>;
}

export function recordingLogger(): { readonly logger: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const record = (level: LogLine["level"]) => (fields: object, message: string) => {
    lines.push({ level, message, fields: fields as Record<string, unknown> });
  };
  return {
    lines,
    logger: {
      debug: record("debug"),
      info: record("info"),
      warn: record("warn"),
      error: record("error"),
    },
  };
}

/** A small application with one method of each kind. */
export function sampleApp() {
  const rpc = createRpc({
    scopes: ["numbers:add", "admin"],
    notifications: { "numbers.changed": z.object({ sum: z.number() }) },
  });
  return rpc.router({
    time: {
      now: rpc.method({ public: true, summary: "The server's time", handler: () => new Date(0) }),
    },
    subtract: rpc.method({ handler: ({ params }) => difference(params) }),
    numbers: {
      add: rpc.method({
        scope: "numbers:add",
        params: z.object({ a: z.number(), b: z.number().default(1) }),
        result: z.number(),
        errors: { TOO_BIG: { code: 1001, data: z.object({ most: z.number() }) } },
        handler({ params, error, connection }) {
          if (params.a > 1000) throw error.TOO_BIG({ most: 1000 });
          connection.notify("numbers.changed", { sum: params.a + params.b });
          return params.a + params.b;
        },
      }),
      /** The server publishes; each subscriber of a colour gets all numbers of that. */
      watch: rpc.topic({
        scope: "numbers:add",
        params: z.object({ colour: z.string() }),
        event: z.number(),
        key: ({ colour }) => `numbers:${colour}`,
        history: { size: 50, ttl: Number.POSITIVE_INFINITY },
      }),
    },
    admin: { reset: rpc.method({ scope: "admin", handler: () => "done" }) },
    fail: rpc.method({
      handler: () => {
        throw new Error("a secret of the implementation");
      },
    }),
    nothing: rpc.method({ handler: () => undefined }),
    /** Answers when its signal aborts. */
    wait: rpc.method({
      handler: ({ signal }) =>
        new Promise<string>((resolve) =>
          signal.addEventListener("abort", () => resolve("aborted")),
        ),
    }),
  });
}

/** The example method of the JSON-RPC 2.0 specification, by position and by name. */
function difference(params: unknown): number {
  const [minuend, subtrahend] = Array.isArray(params)
    ? params
    : [(params as { minuend: number }).minuend, (params as { subtrahend: number }).subtrahend];
  return Number(minuend) - Number(subtrahend);
}

/** Options of the server, and its time. */
export interface TestServerOptions extends Partial<Omit<ServerOptions, "testing">> {
  readonly clock?: Clock;
}

/** `gauge`: says how much the server has to do. Default: the machine's. */
export async function startServer<R, N>(
  app: Router<R, N>,
  { clock, ...options }: TestServerOptions = {},
  gauge?: LoadGauge,
): Promise<TestServer> {
  const keys = createTestKeys();
  const { logger, lines } = recordingLogger();
  const auth = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };
  const server = new Server(app, {
    ...{ auth, logger, ...options },
    testing: {
      ...(clock === undefined ? {} : { clock }),
      ...(gauge === undefined ? {} : { gauge }),
    },
  });
  const listening = await server.listen(0);
  const now = () => Math.floor((clock?.now() ?? Date.now()) / 1_000);
  const token = (claims?: Readonly<Record<string, unknown>>) =>
    signToken(keys, { iat: now(), ...claims });
  const connect = () => RawClient.connect(listening.url);
  return {
    server,
    listening,
    url: listening.url,
    keys,
    log: lines,
    token,
    connect,
    async login(claims) {
      const client = await connect();
      const answer = await client.authenticate(token(claims));
      if (answer.error !== undefined)
        throw new Error(`authenticate failed: ${JSON.stringify(answer.error)}`);
      return client;
    },
    close: () => server.close(),
    [Symbol.asyncDispose]: () => server.close(),
  };
}
