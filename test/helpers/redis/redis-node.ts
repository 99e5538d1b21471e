import { z } from "zod";
import { createRpc, createServer, type Router, type Server } from "../../../src/index.js";
import { createIssuer, type Issuer } from "../../../src/issuer/index.js";
import type { Limits } from "../../../src/server/limits.js";
import {
  type RedisStore,
  type RedisStoreOptions,
  redisStore,
} from "../../../src/store/redis/index.js";
import { RawClient } from "../server/raw-client.js";
import { type LogLine, recordingLogger } from "../server/test-server.js";
import { CheapHasher } from "../tokens/cheap-hasher.js";

export const password = "correct horse battery";

export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

/** Has a method that tells who calls. */
export function whoApp() {
  const rpc = createRpc({ notifications: { news: z.object({ text: z.string() }) } });
  return rpc.router({ who: rpc.method({ handler: ({ auth }) => auth?.subject }) });
}

/**
 * One of several servers on one Redis, with an embedded issuer: all of them are the same issuer.
 */
/** All clients have the same address, and come at once. */
const crowd = {
  openFramesPerSecond: 1_000,
  authFailuresPerAddress: Number.POSITIVE_INFINITY,
  authCallsPerAddress: Number.POSITIVE_INFINITY,
  unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY,
  acceptsPerSecond: Number.POSITIVE_INFINITY,
};

export class RedisNode implements AsyncDisposable {
  readonly server: Server;
  readonly issuer: Issuer;
  readonly store: RedisStore;
  readonly url: string;
  readonly log: readonly LogLine[];

  private constructor(parts: Pick<RedisNode, "server" | "issuer" | "store" | "url" | "log">) {
    this.server = parts.server;
    this.issuer = parts.issuer;
    this.store = parts.store;
    this.url = parts.url;
    this.log = parts.log;
  }

  static async start<R, N>(
    options: RedisStoreOptions,
    app: Router<R, N>,
    issuerOptions: { readonly reuseWindow?: number } = {},
    limits: Partial<Limits> = {},
  ): Promise<RedisNode> {
    const { logger, lines } = recordingLogger();
    const store = redisStore({ logger, ...options });
    const identity = { issuer: "http://localhost:8080", audience: "jotwire" };
    const issuer = await createIssuer({
      ...identity,
      store,
      testing: { passwordHasher: new CheapHasher() },
      logger,
      ...issuerOptions,
    });
    const server = createServer(app, {
      auth: issuer,
      logger,
      metrics: { registry: { registerMetric() {} } }, // no port: they are read by metricsText
      limits: { ...crowd, ...limits },
    });
    const { url } = await server.listen(0);
    return new RedisNode({ server, issuer, store, url, log: lines });
  }

  /** POSTs JSON. */
  post(path: string, body: object): Promise<Response> {
    const headers = { "content-type": "application/json" };
    return fetch(new URL(path, this.url.replace(/^ws/, "http")), {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
  }

  async login(username = "ada"): Promise<Tokens> {
    const response = await this.post("/login", { username, password });
    if (response.status !== 200) throw new Error(`login answered ${response.status}`);
    return (await response.json()) as Tokens;
  }

  /** A client without a session. */
  open(): Promise<RawClient> {
    return RawClient.connect(this.url);
  }

  /** A client with a session. */
  async connect(token: string): Promise<RawClient> {
    const client = await this.open();
    const { error } = await client.authenticate(token);
    if (error !== undefined) throw new Error(`authenticate answered ${error.code}`);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await this.store.close();
  }
}
