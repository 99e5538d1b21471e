import { expect } from "chai";
import { createRpc } from "../../src/index.js";
import { createIssuer, memoryStore } from "../../src/issuer/index.js";
import type { Bus } from "../../src/pubsub/bus.js";
import { eventually } from "../helpers/eventually.js";
import { logEvents } from "../helpers/log-events.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { rejectionOf } from "../helpers/rejection.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { recordingLogger, startServer } from "../helpers/server/test-server.js";
import { CheapHasher } from "../helpers/tokens/cheap-hasher.js";
import { password } from "../helpers/tokens/test-issuer.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";

const ofAddress = 20;
const ofKind = 100;
const debug = 10; // times as many

interface Flood {
  readonly times: number;
  /** As many lines as come of it. */
  readonly lines: number;
  /** How many at once. Default: 1. */
  readonly atOnce?: number;
  readonly cause: (stage: Stage, n: number) => Promise<unknown>;
}

const unsureKeys = createTestKeys();

type Stage = Awaited<ReturnType<typeof openStage>>;

/** By event: what a peer can do to cause its line. Time stands still. */
const floods: Readonly<Record<string, Flood>> = {
  "authenticate.fail": {
    times: 50,
    lines: ofAddress,
    cause: async ({ stranger }) => stranger.authenticate("no token"),
  },
  "refresh.fail": {
    times: 50,
    lines: ofAddress,
    cause: async ({ user }) => user.call("refresh", { refreshToken: "none of ours" }),
  },
  "logout.fail": {
    times: 50,
    lines: ofAddress,
    cause: async ({ stranger }) => stranger.call("logout"),
  },
  "http.auth.fail": {
    times: 50,
    lines: ofAddress,
    cause: ({ get }) => get("/openrpc.json", { Authorization: "Bearer none" }),
  },
  "upgrade.refuse": {
    times: 300,
    lines: ofAddress * debug,
    cause: ({ url }) => rejectionOf(RawClient.connect(url, { origin: "https://evil.example" })),
  },
  "limit.hit": {
    times: 30,
    lines: 1,
    cause: ({ crowded }) => rejectionOf(RawClient.connect(crowded)),
  },
  "authz.deny": {
    times: 300,
    lines: ofAddress * debug,
    cause: async ({ user }) => user.call("forbidden"),
  },
  "authorize.fail": { times: 50, lines: ofAddress, cause: async ({ user }) => user.call("unruly") },
  "deliver.fail": { times: 50, lines: ofAddress, cause: ({ unfit }) => unfit() },
  "snapshot.fail": { times: 150, lines: ofKind, cause: async ({ user }) => user.call("stateless") },
  "call.fail": { times: 50, lines: ofAddress, cause: async ({ user }) => user.call("fail") },
  "subscription.fail": {
    times: 50,
    lines: ofAddress,
    cause: async ({ user }) => user.call("broken"),
  },
  "topic.fail": {
    times: 50,
    lines: ofAddress,
    cause: async ({ user }) => user.call("topic", { n: 1 }),
  },
  "hook.fail": {
    times: 150,
    lines: ofKind,
    atOnce: 25,
    cause: async ({ url }) => (await RawClient.connect(url)).close(),
  },
  "connection.close": {
    ...{ times: 1_100, lines: ofKind * debug, atOnce: 25 },
    cause: async ({ url }) => {
      const client = await RawClient.connect(url);
      client.socket.send(Buffer.from("binary"));
      await client.closed;
    },
  },
  "session.end": {
    times: 1_100,
    lines: ofKind * debug,
    atOnce: 25,
    cause: ({ revokedUser }, n) => revokedUser(n),
  },
  "socket.error": {
    ...{ times: 1_100, lines: ofKind * debug, atOnce: 25 },
    cause: async ({ url }) => {
      const client = await RawClient.connect(url);
      (client.socket as unknown as { readonly _socket: NodeJS.WritableStream })._socket.write(
        Buffer.from([0xff, 0xff]),
      );
      await client.closed;
    },
  },
  "login.ok": {
    times: 50,
    lines: ofAddress,
    cause: ({ post }) => post("/login", { username: "ada", password }),
  },
  "login.fail": {
    times: 50,
    lines: ofAddress,
    cause: ({ post }, n) => post("/login", { username: `user-${n}`, password: "wrong password" }),
  },
  "login.limit": {
    times: 50,
    lines: ofAddress,
    cause: ({ limited }) => rejectionOf(limited.login("ada", password, { address: "192.0.2.1" })),
  },
  "refresh.ok": { times: 50, lines: ofAddress, cause: ({ refresh }) => refresh() },
  "refresh.reuse_detected": { times: 50, lines: ofAddress, cause: ({ reuse }) => reuse() },
  "refresh.repeated": { times: 50, lines: ofAddress, cause: ({ repeat }) => repeat() },
  "token.limit": { times: 50, lines: ofAddress, cause: ({ limitedRefresh }) => limitedRefresh() },
  "client.ok": {
    times: 50,
    lines: ofAddress,
    cause: ({ post, robot }) => post("/token", { grant_type: "client_credentials", ...robot }),
  },
  logout: { times: 50, lines: ofAddress, cause: ({ logout }) => logout() },
  revoke: { times: 50, lines: ofAddress, cause: ({ revoke }) => revoke() },
  "origin.refuse": {
    times: 300,
    lines: ofAddress * debug,
    cause: ({ post }) => post("/login", {}, { Origin: "https://evil.example" }),
  },
  "issuer.unavailable": {
    times: 130,
    lines: ofKind,
    cause: ({ post }) => post("/login", { username: "away", password }),
  },
  "issuer.lookup_failed": {
    times: 130,
    lines: 50, // look-ups that one address may cause at once
    cause: async ({ unsure }, n) =>
      unsure.authenticate(signToken(unsureKeys, { iss: `https://made-up-${n}.test` })),
  },
  "verify.fail": {
    times: 130,
    lines: ofKind,
    cause: async ({ unsure }) => unsure.authenticate("key_1"),
  },
  "password.token": { times: 50, lines: 3, cause: ({ reset }) => reset() },
  "password.limit": { times: 50, lines: ofAddress, cause: ({ reset }) => reset() },
  "password.set": {
    times: 50,
    lines: 3, // as many tokens as a user gets in a minute
    cause: async ({ reset, post }) =>
      post("/password", { password_token: (await reset()) ?? "-", password }),
  },
  "password.fail": {
    times: 50,
    lines: ofAddress,
    cause: ({ post }, n) => post("/password", { password_token: `made-up.${n}`, password }),
  },
  "password.rehash_failed": { times: 130, lines: ofKind, cause: ({ rehash }) => rehash() },
};

/**
 * What only the operator, the store, another node or a fault of our own can cause. Peers may repeat
 * a fault: it goes the same way.
 */
const ofNoPeer = [
  ...[
    "listen",
    "metrics",
    "drain",
    "close",
    "crash",
    "worker.died",
    "settings.unknown",
    "users.none",
    "tracing",
    "tracing.fail",
    "listener.fail",
  ],
  ...[
    "admin.kick",
    "admin.revoke",
    "kick",
    "overload.begin",
    "overload.shed",
    "overload.end",
    "keys.rotated",
    "keys.unreadable",
    "keys.fail",
    "keys.unused",
    "scopes.unknown", // once for each issuer, and a thousand
    "proxy.unreadable",
    "upgrade.conflict", // once
    "reauthorize.incomplete",
    "origin.refused", // once for each, and a hundred
  ],
  ...[
    "redis.cut_off",
    "redis.back",
    "redis.renewed",
    "redis.emptied",
    "redis.refused",
    "redis.junk",
    "redis.listener_failed",
    "issuer.untidy",
    "user.added",
    "user.changed",
    "user.enabled",
    "sessions.ended",
  ],
  ...[
    "topic.disorder", // one for each such event of the application
    "history.fail", // once, until it works again
    "history.renew", // once
    "history.in_memory", // once
    "node.message",
    "node.unheard",
    "http.fail",
    "connection.fail",
    "reply.lost",
    "push.fail",
    "timer.fail",
  ],
];

async function openStage() {
  const clock = new ManualClock();
  const { logger, lines } = recordingLogger();
  const hasher = new CheapHasher();
  const away = () => Promise.reject(new Error("away"));
  const bus: Bus = { publish: away, read: away, send: away, subscribe: () => () => {} };
  const store = { ...memoryStore(), bus };
  const { get, update } = store.users;
  store.users.get = (name) => (name === "away" ? away() : get.call(store.users, name));
  store.users.update = (name, change, expected) =>
    expected?.passwordHash === undefined
      ? update.call(store.users, name, change, expected)
      : away();
  const common = {
    issuer: "https://id.test",
    audience: "test",
    testing: { clock, passwordHasher: hasher },
  };
  const issuer = await createIssuer({
    ...common,
    store,
    logger,
    failedLoginsPerAddress: Number.POSITIVE_INFINITY,
    tokensPerSubject: Number.POSITIVE_INFINITY,
    reuseWindow: 0,
  });
  const limited = await createIssuer({
    ...common,
    store: memoryStore(),
    failedLoginsPerAddress: 1,
    tokensPerSubject: Number.POSITIVE_INFINITY,
    logger,
  });
  await limited.users.add("ada", password);
  const thrifty = await createIssuer({
    ...common,
    store: memoryStore(),
    tokensPerSubject: 1,
    logger,
  });
  await thrifty.users.add("ada", password);
  let { refreshToken } = await thrifty.login("ada", password);
  ({ refreshToken } = await thrifty.renew(refreshToken, "ada", "192.0.2.1"));
  await rejectionOf(limited.login("ada", "wrong password", { address: "192.0.2.1" }));
  await issuer.users.add("ada", password, { scopes: ["read"] });
  const { passwordHash = "" } = (await store.users.get("ada")) ?? {};
  for (let n = 0; n < 1_100; n++) {
    const user = {
      username: `user-${n}`,
      passwordHash,
      scopes: [],
      claims: {},
      disabled: false,
      credentialVersion: "1",
      createdAt: 1,
    };
    await store.users.add(user);
  }
  const robot = await issuer.clients.add({ clientId: "robot", scopes: [] });
  const rpc = createRpc({ scopes: ["read", "write"] });
  let isSet = false;
  const fail = () => {
    throw new Error("a fault of the application");
  };
  const app = rpc.router({
    fail: rpc.method({ handler: fail }),
    forbidden: rpc.method({ scope: "write", handler: () => 1 }),
    unruly: rpc.method({ authorize: fail, handler: () => 1 }),
    unfit: rpc.topic({ deliver: fail, key: () => "unfit" }),
    stateless: rpc.topic({ snapshot: fail, key: () => "stateless" }),
    broken: rpc.subscription({ handler: fail }),
    topic: rpc.topic({ key: () => "topic", history: { size: 1, ttl: Number.POSITIVE_INFINITY } }),
  });
  const limits = {
    ...{
      failedAuthCalls: Number.POSITIVE_INFINITY,
      unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY,
      acceptsPerSecond: Number.POSITIVE_INFINITY,
      openFramesPerSecond: Number.POSITIVE_INFINITY,
      authFailuresPerAddress: Number.POSITIVE_INFINITY,
    },
    ...{
      authCallsPerAddress: Number.POSITIVE_INFINITY,
      pingInterval: Number.POSITIVE_INFINITY,
      loopDelay: Number.POSITIVE_INFINITY,
      heapPercent: Number.POSITIVE_INFINITY,
    },
  };
  const server = await startServer(app, {
    auth: issuer,
    clock,
    logger,
    limits,
    hooks: { connected: () => isSet && fail() },
  });
  const crowded = await startServer(app, {
    auth: issuer,
    clock,
    logger,
    limits: { ...limits, unauthenticatedConnectionsPerAddress: 1 },
  });
  await RawClient.connect(crowded.url);
  const odd = await startServer(app, {
    ...{ clock, logger, limits },
    auth: [fail, { verify: fail }],
  });
  const base = server.url.replace("ws:", "http:").replace("/rpc", "");
  const post = (path: string, body: object, headers: Record<string, string> = {}) =>
    fetch(base + path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "application/json", ...headers },
    });
  const login = (name = "ada") => issuer.login(name, password);
  const user = await server.connect();
  await user.authenticate((await login("user-0")).token);
  const stranger = await server.connect();
  const publishing = await startServer(app, { clock, logger, limits });
  const reader = await publishing.login();
  await reader.call("unfit");
  isSet = true;
  return {
    ...{ lines, limited, post, user, url: server.url, crowded: crowded.url, stranger },
    unsure: await RawClient.connect(odd.url),
    robot: { client_id: robot.clientId, client_secret: robot.clientSecret },
    get: (path: string, headers: Record<string, string>) => fetch(base + path, { headers }),
    refresh: async () => issuer.renew((await login()).refreshToken, "ada", "192.0.2.1"),
    reuse: async () => {
      const { refreshToken: used } = await login();
      await issuer.renew(used, "ada", "192.0.2.1");
      await rejectionOf(issuer.renew(used, "ada", "192.0.2.1"));
    },
    repeat: async () => {
      const { refreshToken: used } = await limited.login("ada", password, { address: "192.0.2.2" });
      await limited.renew(used, "ada", "192.0.2.2");
      await limited.renew(used, "ada", "192.0.2.1");
    },
    limitedRefresh: async () => {
      ({ refreshToken } = await thrifty
        .renew(refreshToken, "ada", "192.0.2.1")
        .catch(() => ({ refreshToken })));
    },
    unfit: () => publishing.server.publish(app.routes.unfit, undefined, 1),
    logout: async () => post("/logout", { refresh_token: (await login()).refreshToken }),
    revoke: async () => post("/revoke", { token: (await login()).token }),
    revokedUser: async (n: number) => {
      const client = await server.connect();
      const { token } = await issuer.login(`user-${n}`, password);
      await client.authenticate(token);
      await server.server.revoke({ subject: `user-${n}` });
      await client.closed;
    },
    reset: () => issuer.users.resetPassword("ada"),
    rehash: async () => {
      hasher.isOutdated = () => true;
      await login();
      hasher.isOutdated = () => false;
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await crowded.close();
      await odd.close();
      await publishing.close();
    },
  };
}

describe("a peer that causes the same line of the log again and again", () => {
  for (const [event, { times, lines, atOnce = 1, cause }] of Object.entries(floods)) {
    it(`writes no more than ${lines} lines of ${event}`, async () => {
      await using stage = await openStage();
      const from = stage.lines.length;
      for (let n = 0; n < times; n += atOnce)
        await Promise.all(Array.from({ length: atOnce }, (_, k) => cause(stage, n + k)));
      const written = () =>
        stage.lines.slice(from).filter(({ fields }) => fields.event === event).length;
      await eventually(() => expect(written()).to.be.at.least(lines));
      expect(written()).to.equal(lines);
    }).timeout(60_000);
  }

  it("is known of every event", () => {
    const known = [...Object.keys(floods), ...ofNoPeer];
    expect(known.filter((event) => !logEvents().includes(event))).to.deep.equal([]);
    expect(
      logEvents().filter((event) => !known.includes(event)),
      "new: a flood of it, or ofNoPeer",
    ).to.deep.equal([]);
  });
});
