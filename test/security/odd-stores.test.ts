/**
 * Every callback that issuers, stores, metrics and the command line take from an application, each
 * given what it must not do. The tables' types are made of the options' own, so no callback is left
 * out. Those of a server and its methods are in odd-callbacks.test.ts.
 */
import { expect } from "chai";
import { CustomVerifier } from "../../src/auth/custom-verifier.js";
import type { ProviderOptions } from "../../src/auth/provider-options.js";
import { type RunningApp, startApp } from "../../src/cli/app/app-module.js";
import {
  type Bus,
  type CustomVerifierOptions,
  createRpc,
  createServer,
  type IntrospectionOptions,
  type IssuerPort,
  introspection,
  type Logger,
  type MetricsRegistry,
  type ServerOptions,
} from "../../src/index.js";
import {
  createIssuer,
  type Issuer,
  memoryStore,
  type PasswordHasher,
  type Store,
} from "../../src/issuer/index.js";
import type { HistoryLog } from "../../src/pubsub/history-log.js";
import { LocalBus } from "../../src/pubsub/local-bus.js";
import { redisStore } from "../../src/store/redis/index.js";
import { storeOperations } from "../../src/store/timed-store.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { type CallbacksOf, describeRows, type Row, type RowsFor } from "../helpers/odd-rows.js";
import {
  type Callback,
  type Oddity,
  type Outcome,
  observe,
  oddities,
} from "../helpers/oddities.js";
import { rejectionOf } from "../helpers/rejection.js";
import { expectError } from "../helpers/server/expected.js";
import { ask, leftovers, resultOf } from "../helpers/server/frames.js";
import type { RawClient } from "../helpers/server/raw-client.js";
import { recordingLogger, type TestServerOptions } from "../helpers/server/test-server.js";
import { startTimed, type TimedServer } from "../helpers/server/timed-server.js";
import { CheapHasher } from "../helpers/tokens/cheap-hasher.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";

const password = "correct horse battery";
const rpc = createRpc({ scopes: [] });
const app = rpc.router({
  fine: rpc.method({ handler: () => "fine" }),
  news: rpc.topic({ key: () => "news", history: { size: 8, ttl: Number.POSITIVE_INFINITY } }),
});

/**
 * Any object, its method of this name replaced; the others go on with the object that they belong
 * to.
 */
function replacing<T extends object>(object: T, name: string, method: Callback): T {
  return new Proxy(object, {
    get(target, member) {
      if (member === name) return method;
      const value: unknown = Reflect.get(target, member, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/**
 * What `work` comes to, whose callback is this: time passes while that never settles. Hangs when
 * `work` never settles.
 */
async function outcomeOf(
  work: Promise<unknown>,
  clock: ManualClock,
  { outcome }: Oddity,
): Promise<Outcome> {
  let isSettled = false;
  const settled = work.then(
    () => "right" as const,
    () => "failure" as const,
  );
  void settled.then(() => {
    isSettled = true;
  });
  while (outcome === "never" && !isSettled) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1_000);
  }
  return settled;
}

/** Is `work` still pending when everything has happened that can happen by itself? */
async function isPending(work: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  work.then(settle, settle);
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  return !isSettled;
}

/** What was thrown, which may refuse to be looked at. */
function told(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return "something that can't be described";
  }
}

describeRows("What an issuer's options take", {
  async scopes(oddity) {
    await using server = await startWith({ scopes: oddity.of(() => ["read"]) as never });
    const client = await server.connect();
    expectError(await ask(client, "authenticate", { token: server.token() }), "token_invalid");
    expect((await ask(client, "ping")).result).to.equal("pong");
  },
  async subject(oddity) {
    await using server = await startWith({ subject: oddity.of(() => "ada") as never });
    const client = await server.connect();
    expectError(await ask(client, "authenticate", { token: server.token() }), "token_invalid");
    expect((await ask(client, "ping")).result).to.equal("pong");
  },
  async audienceClaim(oddity) {
    await using server = await startWith({ audienceClaim: oddity.of(() => "test") as never });
    const client = await server.connect();
    expectError(await ask(client, "authenticate", { token: server.token() }), "token_invalid");
    expect((await ask(client, "ping")).result).to.equal("pong");
  },
  async fetch(oddity) {
    const { publicJwk } = createTestKeys();
    const fetch = oddity.of(() => Response.json({ keys: [publicJwk] }));
    const issuer = { issuer: "https://id.test", audience: "test" };
    const auth = { ...issuer, jwks: "https://id.test/jwks", fetch: fetch as never };
    await using server = await startTimed(app, { auth });
    const client = await server.connect();
    const answer = ask(client, "authenticate", { token: server.token() });
    if (oddity.outcome === "never") {
      expect(await isPending(answer)).to.equal(true);
    } else expect((await answer).error?.code).to.be.oneOf([-32004, -32007]);
    expect((await ask(await server.connect(), "ping")).result).to.equal("pong");
  },
  async renew(oddity) {
    const renewed = { token: "", refreshToken: "next" };
    const { callback, called } = observe(oddity, () => renewed);
    await using server = await startWith({ renew: callback as never });
    const client = await server.connect();
    await resultOf(client, "authenticate", { token: server.token() });
    server.clock.advance(1_000);
    renewed.token = server.token();
    const answer = ask(client, "refresh", { refreshToken: "a-refresh-token" });
    await called;
    if (oddity.outcome === "never") server.clock.advance(20_000);
    const answered = await answer;
    if (oddity.outcome === "right")
      expect(answered.result).to.include({ refreshToken: "next", changed: true });
    else expectError(answered, "auth_unavailable");
    expect((await ask(client, "fine")).result, "the session goes on").to.equal("fine");
    expect(await resultOf(client, "logout"), "nothing is held up").to.deep.equal({ ok: true });
  },
} satisfies RowsFor<ProviderOptions> & { audienceClaim: Row });

describeRows("What looks up issuers and verifies tokens", {
  async lookup(oddity) {
    const keys = createTestKeys();
    const options = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };
    await expectJudged(
      oddity,
      () => options,
      (callback) => callback as never,
      (server) => signToken(keys, { iat: server.seconds() }),
    );
  },
  async verify(oddity) {
    const right = () => ({ subject: "user-1", expiresAt: 1_790_000_900_000 });
    await expectJudged(
      oddity,
      right,
      (callback) => ({ verify: callback as never }),
      () => "key_1",
    );
  },
} satisfies RowsFor<CustomVerifierOptions> & { lookup: Row });

/** A token whose issuer or session an odd callback has to say is accepted, or is not judged. */
async function expectJudged(
  oddity: Oddity,
  right: Callback,
  authOf: (callback: Callback) => ServerOptions["auth"],
  tokenOf: (server: TimedServer) => string,
): Promise<void> {
  let isOdd = true;
  const { callback, called } = observe(oddity, right);
  await using server = await startTimed(app, {
    auth: authOf((...args) => (isOdd ? callback(...args) : right(...args))),
  });
  const client = await server.connect();
  const answer = ask(client, "authenticate", { token: tokenOf(server) });
  await called;
  if (oddity.outcome === "never") server.clock.advance(10_000);
  const answered = await answer;
  if (oddity.outcome === "right")
    return void expect(answered.result).to.include({ subject: "user-1" });
  expectError(answered, "auth_unavailable");
  expect((await ask(client, "ping")).result).to.equal("pong");
  isOdd = false;
  server.clock.advance(1_000);
  expect(await resultOf(client, "authenticate", { token: tokenOf(server) })).to.include({
    subject: "user-1",
  });
}

describeRows("What an introspection's options take", {
  async fetch(oddity) {
    const { clock, verify } = introspectionWith({
      fetch: oddity.of(() => Response.json(activeAnswer)) as never,
    });
    if (oddity.outcome === "right")
      return void expect(await verify()).to.include({ subject: "user-1" });
    const refused = rejectionOf(verify());
    await new Promise((resolve) => setImmediate(resolve));
    if (oddity.outcome === "never") clock.advance(10_000);
    expect((await refused).message).to.match(/^auth_unavailable/);
  },
  async subject(oddity) {
    const { verify } = introspectionWith({ subject: oddity.of(() => "ada") as never });
    expect((await rejectionOf(verify())).message).to.match(/^(token_invalid|auth_unavailable)/);
  },
  async scopes(oddity) {
    const { verify } = introspectionWith({ scopes: oddity.of(() => ["read"]) as never });
    expect((await rejectionOf(verify())).message).to.match(/^(token_invalid|auth_unavailable)/);
  },
} satisfies RowsFor<IntrospectionOptions>);

const activeAnswer = {
  ...{ active: true, token_type: "Bearer", sub: "user-1", exp: 1_790_000_900 },
};

function introspectionWith(options: Partial<IntrospectionOptions>) {
  const clock = new ManualClock();
  const custom = new CustomVerifier(
    introspection({
      ...{ url: "https://id.test/introspect", clientId: "api", clientSecret: "secret" },
      ...{ fetch: async () => Response.json(activeAnswer), testing: { clock } },
      ...options,
    }),
    { clock },
  );
  return { clock, verify: () => custom.verify("opaque", "") };
}

/** A server whose issuer has these options, too. */
async function startWith(
  options: Partial<ProviderOptions>,
  more: Partial<ServerOptions> = {},
): Promise<TimedServer> {
  const keys = createTestKeys();
  const auth = {
    issuer: "https://id.test",
    audience: "test",
    publicKey: keys.publicJwk,
    ...options,
  };
  const server = await startTimed(app, { auth, ...more });
  return { ...server, token: (claims) => signToken(keys, { iat: server.seconds(), ...claims }) };
}

describe("What renew resolves to", () => {
  it("must be two tokens: anything else is an outage, and no verdict on the session", async () => {
    for (const renewed of [
      undefined,
      null,
      "a token",
      { token: "t" },
      { token: 1, refreshToken: 2 },
    ]) {
      await using server = await startWith({ renew: (async () => renewed) as never });
      const client = await server.connect();
      await resultOf(client, "authenticate", { token: server.token() });
      expectError(
        await ask(client, "refresh", { refreshToken: "a-refresh-token" }),
        "auth_unavailable",
      );
      expect(
        server.log.some(({ fields }) => String(fields.detail).startsWith("renew must resolve to")),
      ).to.equal(true);
    }
  });
});

interface IssuerRig {
  readonly clock: ManualClock;
  readonly issuer: Issuer;
  readonly store: Store;
}

async function openIssuer(
  store: Store,
  more: { readonly passwordHasher?: PasswordHasher; readonly logger?: Logger } = {},
): Promise<IssuerRig> {
  const clock = new ManualClock();
  const identity = {
    issuer: "https://id.test",
    audience: "test",
  };
  const { passwordHasher = new CheapHasher(), ...rest } = more;
  const issuer = await createIssuer({
    ...{ ...identity, store, ...rest },
    testing: { clock, passwordHasher },
  });
  return { clock, store, issuer };
}

/** A server whose embedded issuer has one odd method, with ada's tokens. */
async function startWithOdd(method: string, callback: (right: Callback) => Callback) {
  const rig = await openIssuer(memoryStore());
  await rig.issuer.users.add("ada", password, {});
  const tokens = await rig.issuer.login("ada", password);
  const right = (Reflect.get(rig.issuer, method) as Callback).bind(rig.issuer);
  const auth = replacing(rig.issuer as IssuerPort, method, callback(right));
  const server = await startTimed(app, { auth, clock: rig.clock, metrics: { port: 0 } });
  return { ...server, clock: rig.clock, issuer: rig.issuer, tokens };
}

/** Of an embedded issuer's methods, those that a server calls in its auth calls. */
async function authRow(oddity: Oddity, method: "renew" | "revokeRefreshToken"): Promise<void> {
  let call = { callback: (() => undefined) as Callback, called: Promise.resolve() };
  await using server = await startWithOdd(method, (right) => {
    call = observe(oddity, (token: string) => (right as (token: string) => unknown)(token));
    return call.callback;
  });
  const client = await server.connect();
  await resultOf(client, "authenticate", { token: server.tokens.token });
  server.clock.advance(1_000);
  const { refreshToken } = server.tokens;
  const answer = ask(client, method === "renew" ? "refresh" : "logout", { refreshToken });
  await call.called;
  if (oddity.outcome === "never") server.clock.advance(20_000);
  if (oddity.outcome === "right") expect(await answer).to.have.property("result");
  else expectError(await answer, "auth_unavailable");
  const other = await server.connect();
  expect((await ask(other, "ping")).result).to.equal("pong");
  expect(await resultOf(client, "whoami"), "the connection's auth calls go on").to.include({
    state: method === "renew" ? "active" : "open",
  });
  expect((await ask(client, "authenticate", { token: "x" })).error?.code).to.equal(-32004);
}

/**
 * Of those that end logins: `server.revoke` resolves, rejects or waits as they do, and has taken
 * effect in any case.
 */
async function revokeRow(oddity: Oddity, method: "endSession" | "endSubject"): Promise<void> {
  await using server = await startWithOdd(method, () => oddity.of(() => undefined));
  const client = await server.connect();
  const { scopes: _ } = await resultOf(client, "authenticate", { token: server.tokens.token });
  const { sessions } = await server.server.sessions();
  const selector =
    method === "endSubject" ? { subject: "ada" } : { sessionId: String(sessions[0]?.sessionId) };
  await expectRevoked(oddity, server.server.revoke(selector), client);
}

/**
 * It has taken effect, whatever the store or the issuer does; the promise says what that comes to.
 */
async function expectRevoked(
  oddity: Oddity,
  revoked: Promise<void>,
  client: RawClient,
): Promise<void> {
  const outcome = revoked.then(
    () => "right",
    () => "failure",
  );
  expect((await client.closed).code).to.equal(4401);
  if (oddity.outcome === "never") expect(await isPending(outcome)).to.equal(true);
  else expect(await outcome).to.equal(oddity.outcome);
}

/** Of those by which a server listens: it can't do without, so it is not made. */
async function listenRow(method: "onRevocation" | "observeStore", oddity: Oddity): Promise<void> {
  const outcome = await startWithOdd(method, () => oddity.of(() => () => {})).then(
    () => "taken",
    told,
  );
  expect(outcome).to.match(
    isLookedAt(oddity)
      ? /^TypeError: .* must return the function/
      : /odd failure|can't be described/,
  );
}

describeRows("The methods of an issuer of another make", {
  renew: (oddity) => authRow(oddity, "renew"),
  revokeRefreshToken: (oddity) => authRow(oddity, "revokeRefreshToken"),
  endSession: (oddity) => revokeRow(oddity, "endSession"),
  endSubject: (oddity) => revokeRow(oddity, "endSubject"),
  onRevocation: (oddity) => listenRow("onRevocation", oddity),
  observeStore: (oddity) => listenRow("observeStore", oddity),
  async handle(oddity) {
    await using server = await startWithOdd("handle", () => oddity.of(() => false));
    const get = fetch(`http://127.0.0.1:${server.listening.port}/livez`, {
      signal: AbortSignal.timeout(oddity.outcome === "never" ? 50 : 5_000),
    });
    const status = await get.then(
      ({ status: code }) => code,
      () => "never",
    );
    expect(status).to.equal({ right: 200, failure: 500, never: "never" }[oddity.outcome]);
    const client = await server.connect();
    expect((await ask(client, "ping")).result).to.equal("pong");
  },
} satisfies RowsFor<IssuerPort>);

describe("An issuer of another make", () => {
  it("that answers a request and says that it has not costs that request alone", async () => {
    await using server = await startWithOdd(
      "handle",
      () =>
        ((_request: never, response: { end(text: string): void }) => {
          response.end("mine");
          return false;
        }) as never,
    );
    for (let time = 0; time < 2; time++) {
      const answered = await fetch(`http://127.0.0.1:${server.listening.port}/nowhere`).then(
        (response) => response.text(),
        () => "cut",
      );
      expect(answered).to.be.oneOf(["mine", "cut"]);
    }
    expect((await ask(await server.connect(), "ping")).result).to.equal("pong");
  });

  for (const oddity of oddities)
    it(`whose keys are ${oddity.name} verifies with them, or says that it can't, and is asked again`, async () => {
      const rig = await openIssuer(memoryStore());
      await rig.issuer.users.add("ada", password, {});
      const { token } = await rig.issuer.login("ada", password);
      let odd = true;
      const right = rig.issuer.verification.keys;
      const given = await right();
      const { callback, called } = observe(oddity, () => given);
      const verification = {
        ...rig.issuer.verification,
        keys: () => (odd ? callback() : right()) as never,
      };
      const auth = Object.assign(
        replacing(rig.issuer as IssuerPort, "", () => undefined),
        {},
      );
      const port = new Proxy(auth, {
        get: (target, member) =>
          member === "verification" ? verification : Reflect.get(target, member),
      });
      const { clock } = rig;
      await using server = await startTimed(app, { auth: port, clock });
      const client = await server.connect();
      const answer = ask(client, "authenticate", { token });
      await called;
      if (oddity.outcome === "never") clock.advance(5_000);
      if (oddity.outcome === "right")
        return void expect((await answer).result).to.include({ subject: "ada" });
      expectError(await answer, "auth_unavailable");
      odd = false;
      clock.advance(2_000);
      expect(await resultOf(client, "authenticate", { token })).to.include({ subject: "ada" });
    });
});

/** Does it return anything? */
function isLookedAt({ isThrown, name }: Oddity): boolean {
  return isThrown !== true && !name.startsWith("what throws");
}

/** A login by an issuer whose hasher has one odd method. */
async function hasherRow(
  oddity: Oddity,
  method: CallbacksOf<PasswordHasher>,
  right: Callback,
): Promise<IssuerRig> {
  const rig = await openIssuer(memoryStore());
  await rig.issuer.users.add("ada", password, {});
  const odd = await openIssuer(rig.store, {
    passwordHasher: replacing(new CheapHasher(), method, oddity.of(right)),
  });
  return odd;
}

describeRows("A password hasher", {
  async hash(oddity) {
    const { issuer, clock } = await hasherRow(oddity, "hash", () => "a hash");
    const added = await outcomeOf(issuer.users.add("bob", password, {}), clock, oddity);
    expect(added).to.equal(oddity.outcome === "right" ? "right" : "failure");
    expect(await issuer.login("ada", password), "others log in").to.have.property("token");
  },
  async verify(oddity) {
    const { issuer, clock } = await hasherRow(oddity, "verify", () => true);
    const logins = [1, 2, 3, 4].map(() => outcomeOf(issuer.login("ada", password), clock, oddity));
    for (const login of await Promise.all(logins))
      expect(login).to.equal(oddity.outcome === "right" ? "right" : "failure");
    const again = await outcomeOf(issuer.login("ada", password), clock, oddity);
    expect(again, "no slot is lost").to.equal(oddity.outcome === "right" ? "right" : "failure");
  },
  async isOutdated(oddity) {
    const { issuer } = await hasherRow(oddity, "isOutdated", () => false);
    expect(await issuer.login("ada", password)).to.have.property("token");
  },
} satisfies RowsFor<PasswordHasher>);

describe("A password hasher", () => {
  it("lets nobody in by anything but true, and stores nothing but a string", async () => {
    for (const verdict of [1, "yes", {}, [], () => true]) {
      const passwordHasher = replacing(new CheapHasher(), "verify", async () => verdict);
      const { issuer, store } = await openIssuer(memoryStore(), { passwordHasher });
      await issuer.users.add("ada", password, {});
      expect((await rejectionOf(issuer.login("ada", password))).message).to.equal(
        "wrong username or password",
      );
      const { issuer: strict } = await openIssuer(store);
      expect(await strict.login("ada", password)).to.have.property("token");
    }
    const { issuer } = await openIssuer(memoryStore(), {
      passwordHasher: replacing(new CheapHasher(), "hash", async () => 7),
    });
    expect((await rejectionOf(issuer.users.add("ada", password, {}))).message).to.equal(
      "passwordHasher.hash must resolve to a string",
    );
  });

  it("that lacks a method or the decoy is refused at the start", async () => {
    for (const lacking of [
      {},
      { hash() {}, verify() {}, isOutdated() {} },
      { ...new CheapHasher() },
    ]) {
      const made = await openIssuer(memoryStore(), { passwordHasher: lacking as never }).then(
        () => "made",
        String,
      );
      expect(made).to.match(/^TypeError: passwordHasher must have/);
    }
  });
});

describe("Each operation of an issuer's store, when it does what it must not do:", function () {
  this.timeout(60_000);
  for (const operation of storeOperations.filter((name) => !name.startsWith("bus.")))
    it(operation, async () => {
      for (const oddity of oddities) await storeRow(operation, oddity);
    });
});

/**
 * Whoever logs in, refreshes or asks for users gets an answer, and an issuer that was made can be
 * closed.
 */
async function storeRow(operation: string, oddity: Oddity): Promise<void> {
  const [part, method] = operation.split(".") as [keyof Store, string];
  const store = memoryStore();
  const sound = await openIssuer(store);
  await sound.issuer.users.add("ada", password, {});
  const { refreshToken } = await sound.issuer.login("ada", password);
  const invitation = await sound.issuer.users.invite("bob");
  const records = store[part] as object;
  const right = (...args: unknown[]) =>
    (Reflect.get(records, method) as (...given: unknown[]) => unknown).apply(records, args);
  const clock = new ManualClock();
  const odd = { ...store, [part]: replacing(records, method, oddity.of(right as never)) };
  const made = createIssuer({
    issuer: "https://id.test",
    audience: "test",
    testing: { clock, passwordHasher: new CheapHasher() },
    store: odd,
  });
  const opened = await outcomeOf(made, clock, oddity);
  if (operation !== "secrets.get") expect(opened, oddity.name).to.equal("right");
  if (opened === "failure") return;
  const issuer = await made;
  for (const work of [
    () => issuer.login("ada", password, { address: "192.0.2.1" }),
    () => issuer.login("ada", "wrong horse battery", { address: "192.0.2.1" }),
    () => issuer.renew(refreshToken),
    () => issuer.revokeRefreshToken(refreshToken),
    () => issuer.endSubject?.("ada"),
    () => issuer.users.invite("cleo"),
    () => issuer.users.resetPassword("ada"),
    () => issuer.setPassword(invitation, password, { address: "192.0.2.1" }),
    () => issuer.setPassword("wrong horse", password, { address: "192.0.2.1" }),
    () => issuer.users.passwd("ada", "another horse battery"),
    () => issuer.users.list(),
    () => issuer.clients.list(),
  ]) {
    const outcome = await outcomeOf(Promise.resolve().then(work as () => unknown), clock, oddity);
    if (oddity.outcome === "right" && !String(work).includes("wrong horse"))
      expect(outcome, `${oddity.name}: ${work}`).to.equal("right");
  }
}

it("A store that never takes a change keeps nobody waiting for ever", async () => {
  const { issuer, store } = await openIssuer(memoryStore());
  const token = await issuer.users.invite("ada");
  let tries = 0;
  store.users.update = async () => {
    tries++;
    return false;
  };
  for (const work of [
    () => issuer.users.resetPassword("ada"),
    () => issuer.setPassword(token, password),
    () => issuer.users.passwd("ada", password),
  ]) {
    tries = 0;
    await rejectionOf(work());
    expect(tries).to.equal(100);
  }
});

/** A server on a store that has some odd method. */
async function startOn(store: Store, more: TestServerOptions = {}): Promise<TimedServer> {
  return startTimed(app, { store, ...more });
}

describeRows("The revocations of a server's store", {
  async add(oddity) {
    const store = memoryStore();
    const add = oddity.of((revocation: never) => store.revocations.add(revocation));
    await using server = await startOn({
      ...store,
      revocations: replacing(store.revocations, "add", add),
    });
    const client = await server.login({ sub: "ada" });
    await expectRevoked(oddity, server.server.revoke({ subject: "ada" }), client);
  },
  async list(oddity) {
    const store = memoryStore();
    const list = oddity.of(() => []);
    const clock = new ManualClock();
    const started = startOn(
      { ...store, revocations: replacing(store.revocations, "list", list) },
      { clock },
    );
    expect(await outcomeOf(started, clock, oddity)).to.equal(
      oddity.outcome === "right" ? "right" : "failure",
    );
    if (oddity.outcome === "right") await (await started).close();
  },
  async whenCurrent(oddity) {
    const store = memoryStore();
    let odd: Callback | undefined;
    const { callback, called } = observe(oddity, () => undefined);
    const revocations = replacing(
      store.revocations,
      "whenCurrent",
      () => odd?.() ?? Promise.resolve(),
    );
    await using server = await startOn({ ...store, revocations });
    odd = callback;
    const client = await server.connect();
    const answer = ask(client, "authenticate", { token: server.token() });
    await called;
    if (oddity.outcome === "never") server.clock.advance(20_000);
    if (oddity.outcome === "right")
      return void expect(await answer).to.have.nested.property("result.subject");
    expectError(await answer, "auth_unavailable");
    odd = undefined;
    expect(await resultOf(client, "authenticate", { token: server.token() })).to.have.property(
      "subject",
    );
  },
  async subscribe(oddity) {
    const store = memoryStore();
    const revocations = replacing(
      store.revocations,
      "subscribe",
      oddity.of(() => () => {}),
    );
    const started = await startOn({ ...store, revocations }).then(() => "started", told);
    expect(started).to.match(
      isLookedAt(oddity)
        ? /^TypeError: .* must return the function/
        : /odd failure|can't be described/,
    );
  },
  async sweep(oddity) {
    const store = memoryStore();
    const { callback, called } = observe(oddity, (now: never) => store.revocations.sweep?.(now));
    await using server = await startOn({
      ...store,
      revocations: replacing(store.revocations, "sweep", callback),
    });
    await store.revocations.add({ jti: "over", until: server.clock.now() / 1_000 + 1 });
    server.clock.advance(60_000);
    await called;
    await server.login();
    if (oddity.outcome === "right") expect(await store.revocations.list(0)).to.deep.equal([]);
  },
  async now(oddity) {
    const store = memoryStore();
    const revocations = replacing(
      store.revocations,
      "now",
      oddity.of(() => 0),
    );
    await using server = await startOn({ ...store, revocations });
    await server.server.revoke({ subject: "ada" });
    server.clock.advance(120_000);
    const client = await server.connect();
    expectError(
      await ask(client, "authenticate", { token: server.token({ sub: "ada" }) }),
      "token_revoked",
    );
  },
} satisfies RowsFor<Store["revocations"]>);

/** A store whose bus has one odd method. */
function busStore(method: keyof Bus, odd: (right: Callback) => Callback): Store {
  const bus = new LocalBus("e", () => 0);
  const right = (Reflect.get(bus, method) as Callback).bind(bus);
  return { ...memoryStore(), bus: replacing(bus as Bus, method, odd(right)) };
}

describeRows("A store's bus", {
  async publish(oddity) {
    await using server = await startOn(busStore("publish", (right) => oddity.of(right)));
    const published = server.server.publish(app.routes.news, undefined, 1);
    if (oddity.outcome === "never") expect(await isPending(published)).to.equal(true);
    else expect(await outcomeOf(published, server.clock, oddity)).to.equal(oddity.outcome);
  },
  async read(oddity) {
    let odd = true;
    let call = { callback: (() => undefined) as Callback, called: Promise.resolve() };
    const store = busStore("read", (right) => {
      call = observe(oddity, right);
      return (...args) => (odd ? call.callback(...args) : right(...args));
    });
    await using server = await startOn(store);
    const client = await server.login();
    const answer = ask(client, "news");
    await call.called;
    if (oddity.outcome === "never") server.clock.advance(10_000);
    const answered = await answer;
    if (oddity.outcome === "right")
      return void expect(answered.result).to.include({ subscription: "news" });
    expectError(answered, "overloaded");
    expect((await server.server.sessions()).sessions[0], "no place is lost").to.include({
      subscriptions: 0,
    });
    odd = false;
    expect(await resultOf(client, "news"), "it can be had later").to.include({
      subscription: "news",
    });
    await server.server.publish(app.routes.news, undefined, 1);
    expect((await leftovers(client)).map(({ params }) => params?.data)).to.deep.equal([1]);
  },
  async send(oddity) {
    await using server = await startOn(busStore("send", (right) => oddity.of(right)));
    const listed = outcomeOf(server.server.sessions(), server.clock, oddity);
    expect(await listed, "this node answers for itself").to.equal("right");
  },
  async subscribe(oddity) {
    const started = await startOn(busStore("subscribe", () => oddity.of(() => () => {}))).then(
      () => "started",
      told,
    );
    expect(started).to.match(
      isLookedAt(oddity)
        ? /^TypeError: .* must return the function/
        : /odd failure|can't be described/,
    );
  },
} satisfies RowsFor<Bus>);

/** A log of histories that keeps nothing but what one odd method makes of it. */
function logStore(method: keyof HistoryLog, odd: (right: Callback) => Callback): Store {
  const log: HistoryLog = {
    open: async () => ({ epoch: "e" }),
    append: async () => {},
    isLong: true,
    compact: async () => {},
    close: async () => {},
  };
  const right = Reflect.get(log, method) as Callback;
  return { ...memoryStore(), history: replacing(log, method, odd(right)) };
}

/** A server on such a log, closed when `use` is done, whatever the log does then. */
async function onLog(
  method: keyof HistoryLog,
  oddity: Oddity,
  use: (server: TimedServer) => Promise<void>,
): Promise<void> {
  const server = await startOn(logStore(method, (right) => oddity.of(right)));
  try {
    await use(server);
  } finally {
    const closed = Promise.resolve(server[Symbol.asyncDispose]());
    expect(await outcomeOf(closed, server.clock, oddity)).to.equal("right");
  }
}

describeRows("A store's history", {
  open: (oddity) =>
    onLog("open", oddity, async (server) => {
      const published = server.server.publish(app.routes.news, undefined, 1);
      if (oddity.outcome === "never") expect(await isPending(published)).to.equal(true);
      else expect(await outcomeOf(published, server.clock, oddity)).to.equal(oddity.outcome);
      const answer = ask(await server.login(), "news");
      if (oddity.outcome === "never") for (let n = 0; n < 20; n++) await pass(server.clock);
      const answered = await answer;
      if (oddity.outcome === "right") expect(answered.result).to.include({ offset: 1 });
      else expectError(answered, "overloaded");
    }),
  append: (oddity) =>
    onLog("append", oddity, async (server) => {
      const client = await server.login();
      await resultOf(client, "news");
      const published = server.server.publish(app.routes.news, undefined, 1);
      if (oddity.outcome === "never") expect(await isPending(published)).to.equal(true);
      else expect(await outcomeOf(published, server.clock, oddity)).to.equal(oddity.outcome);
      expect(await leftovers(client)).to.have.lengthOf(oddity.outcome === "right" ? 1 : 0);
    }),
  compact: (oddity) =>
    onLog("compact", oddity, async (server) => {
      await server.server.publish(app.routes.news, undefined, 1);
      expect(await resultOf(await server.login(), "news")).to.include({ offset: 1 });
    }),
  close: (oddity) =>
    onLog("close", oddity, async (server) => {
      await server.server.publish(app.routes.news, undefined, 1);
    }),
} satisfies RowsFor<HistoryLog>);

/** A turn, and a second of the server's time. */
async function pass(clock: ManualClock): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(1_000);
}

it("Histories that never come keep no place among those that are read", async () => {
  let isStuck = true;
  const store = busStore(
    "read",
    (right) =>
      (...args) =>
        isStuck ? new Promise(() => {}) : right(...args),
  );
  await using server = await startOn(store);
  const client = await server.login();
  const since = { $since: { epoch: "e", offset: 0 } };
  for (let round = 0; round < 5; round++) {
    const answer = ask(client, "news", since);
    while ((await server.server.sessions()).sessions[0]?.inFlight !== 1)
      await new Promise((resolve) => setImmediate(resolve));
    server.clock.advance(10_000);
    expectError(await answer, "overloaded");
  }
  isStuck = false;
  expect(await resultOf(client, "news", since)).to.include({ subscription: "news" });
});

describeRows("What ends a subscription at a store", {
  async "the function that subscribe returned"(oddity) {
    const store = memoryStore();
    const stop = oddity.of(() => undefined);
    const revocations = replacing(store.revocations, "subscribe", () => stop as never);
    const server = await startOn({ ...store, revocations });
    await server.close();
    expect(server.server.connections).to.equal(0);
  },
});

describeRows("A registry of metrics", {
  async registerMetric(oddity) {
    const registry = { registerMetric: oddity.of(() => undefined) } as unknown as MetricsRegistry;
    const made = await startTimed(app, { metrics: { registry } }).then(
      () => "made",
      () => "refused",
    );
    expect(made).to.equal("refused");
  },
} satisfies RowsFor<MetricsRegistry>);

describe("A logger that lacks a method", () => {
  it("is refused at the start, by the server, an issuer and a store; one that has all is not", async () => {
    const { logger } = recordingLogger();
    const { warn: _, ...lacking } = logger;
    const outcome = (work: () => unknown) =>
      Promise.resolve()
        .then(work)
        .then(() => "taken", String);
    for (const given of [lacking, {}, "console"] as never[]) {
      const refusal = /^TypeError: logger must have the methods/;
      expect(
        await outcome(() =>
          createServer(app, {
            auth: { issuer: "https://id.test", audience: "test" },
            logger: given,
          }),
        ),
      ).to.match(refusal);
      expect(await outcome(() => openIssuer(memoryStore(), { logger: given }))).to.match(refusal);
      expect(await outcome(() => redisStore({ url: "redis://localhost", logger: given }))).to.match(
        refusal,
      );
    }
    await using server = await startTimed(app, { logger });
    expect((await ask(await server.connect(), "ping")).result).to.equal("pong");
  });
});

describeRows("An issuer's logger", {
  debug: (oddity) => issuerLoggerRow("debug", oddity),
  info: (oddity) => issuerLoggerRow("info", oddity),
  warn: (oddity) => issuerLoggerRow("warn", oddity),
  error: (oddity) => issuerLoggerRow("error", oddity),
} satisfies Readonly<Record<Exclude<keyof Logger, "child">, Row>>);

async function issuerLoggerRow(
  level: Exclude<keyof Logger, "child">,
  oddity: Oddity,
): Promise<void> {
  const { logger } = recordingLogger();
  const { issuer } = await openIssuer(memoryStore(), {
    logger: { ...logger, [level]: oddity.of(() => undefined) as never },
  });
  await issuer.users.add("ada", password, {});
  expect(await issuer.login("ada", password)).to.have.property("token");
  expect((await rejectionOf(issuer.login("ada", "wrong horse battery"))).message).to.equal(
    "wrong username or password",
  );
}

describe("What the command line takes from a module", () => {
  const server = {} as Parameters<typeof startApp>[1];
  const start = (started: Callback) => {
    const { logger, lines } = recordingLogger();
    return { running: startApp({ started: started as never }, server, logger), lines };
  };
  const settled = async ({ ready }: RunningApp): Promise<Outcome> =>
    (await isPending(ready))
      ? "never"
      : ready.then(
          () => "right",
          () => "failure",
        );

  for (const oddity of oddities) {
    it(`started that is ${oddity.name} is awaited, or told in one line, and can be stopped in any case`, async () => {
      const { running, lines } = start(oddity.of(() => undefined));
      const outcome = await settled(running);
      expect(outcome).to.equal(
        oddity.name.startsWith("a promise whose own") ? "right" : oddity.outcome,
      );
      if (outcome === "failure")
        expect(await rejectionOf(running.ready)).to.have.property("kind", "configuration");
      await running.stop();
      expect(lines).to.deep.equal([]);
    });

    if (oddity.outcome !== "never")
      it(`a stop that is ${oddity.name} keeps nothing else from being stopped`, async () => {
        const { running, lines } = start(() => oddity.of(() => undefined));
        await running.ready;
        await running.stop();
        expect(lines.map(({ level, fields }) => [level, fields.event])).to.deep.equal(
          oddity.outcome === "failure" ? [["error", "close"]] : [],
        );
      });
  }

  it("started that returns neither nothing nor a function is told what to return", async () => {
    for (const returned of [7, "stop", {}]) {
      const { running } = start(() => returned);
      expect(await running.ready.catch(String)).to.match(/return nothing, or a function/);
    }
  });
});
