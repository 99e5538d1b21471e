import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { fileStore, type IssuerOptions, memoryStore, type Store } from "../../src/issuer/index.js";
import { redisStore } from "../../src/store/redis/index.js";
import { hasRedis, RedisServer } from "../helpers/redis/redis-server.js";
import { rejectionOf } from "../helpers/rejection.js";
import { requires } from "../helpers/requirement.js";
import { withFolder } from "../helpers/temporary-folder.js";
import { claimsOf, openIssuer, password } from "../helpers/tokens/test-issuer.js";

type Body = Readonly<Record<string, string>>;

/** An issuer over HTTP on a store. */
async function openOn(store: Store, options: Partial<IssuerOptions> = {}) {
  const opened = await openIssuer({ store, ...options });
  const server: Server = createServer(opened.issuer.handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const post = async (path: string, body: Body) => {
    const answer = await fetch(base + path, { method: "POST", body: new URLSearchParams(body) });
    return {
      status: answer.status,
      retryAfter: answer.headers.get("retry-after"),
      body: (await answer.json()) as Body,
    };
  };
  return {
    ...{ ...opened, store, post },
    login: async () => (await post("/login", { username: "ada", password })).body,
    refresh: (token = "") => post("/token", { grant_type: "refresh_token", refresh_token: token }),
    revoke: (token = "") => post("/revoke", { token }),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
      await opened.issuer.close();
    },
  };
}

const stores: readonly {
  readonly name: string;
  readonly use: (context: Mocha.Context, test: (store: Store) => Promise<void>) => Promise<void>;
}[] = [
  { name: "memoryStore", use: (_context, test) => test(memoryStore()) },
  { name: "fileStore", use: (_context, test) => withFolder((folder) => test(fileStore(folder))) },
  {
    name: "redisStore",
    use: async (context, test) => {
      requires(context, "Redis", hasRedis);
      const redis = await RedisServer.start();
      await test(redisStore({ url: redis.url, timeout: 10_000 })).finally(() => redis.stop());
    },
  },
];

for (const { name, use } of stores) {
  describe(`A user who asks for tokens and revokes them without end, on ${name}`, () => {
    it("gets no more than the budget of a minute, of each kind; what was refused is not used up, and others are served", async function () {
      this.timeout(60_000);
      await use(this, async (store) => {
        const issuer = await openOn(store, { tokensPerSubject: 20 });
        await issuer.issuer.users.add("grace", password);
        let last = await issuer.login();
        const statuses: number[] = [];
        for (let n = 0; n < 30; n++) {
          const answer = await issuer.refresh(last.refresh_token);
          if (answer.status === 200) last = answer.body;
          statuses.push(answer.status, (await issuer.revoke(last.access_token)).status);
          if (answer.status === 429) expect(Number(answer.retryAfter)).to.be.within(1, 60);
        }
        expect(statuses.filter((status) => status === 200)).to.have.length(40);
        expect(statuses.filter((status) => status === 429)).to.have.length(20);
        const { now } = issuer.clock;
        expect(await store.revocations.list(now.call(issuer.clock) / 1_000)).to.have.length(20);
        expect(issuer.issuer.counts).to.include({ limitedTokens: 20 });
        await issuer.issuer.login("ada", password);
        await issuer.issuer.renew(
          (await issuer.issuer.login("grace", password)).refreshToken,
          "grace",
          "192.0.2.1",
        );
        if (name !== "redisStore")
          issuer.clock.advance(60_000); // Redis has a clock of its own
        else await openAnew(store);
        expect((await issuer.refresh(last.refresh_token)).status).to.equal(200);
        await issuer.close();
      });
    });

    it("leaves one family and one revocation behind each login, however long the chain was", async function () {
      this.timeout(60_000);
      await use(this, async (store) => {
        const issuer = await openOn(store, { tokensPerSubject: Number.POSITIVE_INFINITY });
        let last = await issuer.login();
        const first = last;
        for (let n = 0; n < 100; n++) {
          await issuer.revoke(last.access_token);
          last = (await issuer.refresh(last.refresh_token)).body;
        }
        const listed = async () =>
          (await store.revocations.list(issuer.clock.now() / 1_000)).map(
            ({ jti, sessionId }) => jti ?? sessionId,
          );
        expect(await listed()).to.have.length(100);
        await issuer.revoke(last.refresh_token);
        await issuer.revoke(last.access_token);
        await issuer.revoke(first.access_token);
        const { sid } = claimsOf(first.access_token ?? "");
        expect(await listed()).to.deep.equal([sid]);
        expect((await store.families.get(String(sid)))?.revoked).to.equal(true);
        await issuer.close();
      });
    });

    it("has no more logins than are allowed: the longest unused are ended", async function () {
      this.timeout(60_000);
      await use(this, async (store) => {
        const issuer = await openOn(store, { sessionsPerSubject: 3 });
        const logins: Body[] = [];
        for (let n = 0; n < 6; n++) {
          logins.push(await issuer.login());
          issuer.clock.advance(1_000);
        }
        const statuses = await Promise.all(
          logins.map(async ({ refresh_token }) => (await issuer.refresh(refresh_token)).status),
        );
        expect(statuses).to.deep.equal([400, 400, 400, 200, 200, 200]);
        await issuer.close();
      });
    });
  });
}

/** In Redis the minute is real: it is over when its counters are gone. */
async function openAnew(store: Store): Promise<void> {
  for (const what of ["refresh", "revoke", "login"])
    for (let n = 0; n < 40; n++) await store.rates.giveBack(`${what}\0ada`, 0);
}

describe("The budget of a subject", () => {
  it("can't be spent by somebody who has but an old or a revoked token of it", async () => {
    const issuer = await openOn(memoryStore(), { tokensPerSubject: 5 });
    const [stolen, own] = [await issuer.login(), await issuer.login()];
    await issuer.refresh(stolen.refresh_token);
    issuer.clock.advance(60_000);
    for (let n = 0; n < 20; n++)
      expect((await issuer.refresh(stolen.refresh_token)).status).to.equal(400);
    for (let n = 0; n < 20; n++)
      expect((await issuer.revoke(stolen.refresh_token)).status).to.equal(200);
    expect((await issuer.refresh(own.refresh_token)).status).to.equal(200);
    expect((await issuer.revoke(own.access_token)).status).to.equal(200);
    await issuer.close();
  });

  it("is one for the WebSocket and for HTTP, and what is refused over it counts as no failure of the token", async () => {
    const { issuer, clock, log } = await openIssuer({ tokensPerSubject: 2, reuseWindow: 0 });
    let tokens = await issuer.login("ada", password, { address: "192.0.2.1" });
    const renew = async () => issuer.renew(tokens.refreshToken, "ada", "192.0.2.1");
    for (let n = 0; n < 2; n++) tokens = { ...tokens, ...(await renew()) };
    expect(await rejectionOf(renew())).to.include({
      name: "TokenRefusedError",
      code: "rate_limited",
      retryAfter: 60_000,
    });
    expect(log.map(({ fields }) => fields)).to.deep.include({
      event: "token.limit",
      what: "refresh",
      subject: "ada",
      address: "192.0.2.1",
    });
    clock.advance(60_000);
    await renew();
  });

  it("bounds the logins of somebody who knows the password, and the tokens of a client", async () => {
    const issuer = await openOn(memoryStore(), { tokensPerSubject: 3 });
    const { clientId, clientSecret } = await issuer.issuer.clients.add({ scopes: [] });
    const asClient = () =>
      issuer.post("/token", {
        grant_type: "client_credentials",
        client_id: clientId,
        client_secret: clientSecret,
      });
    for (const ask of [() => issuer.post("/login", { username: "ada", password }), asClient]) {
      const statuses = [];
      for (let n = 0; n < 5; n++) statuses.push((await ask()).status);
      expect(statuses).to.deep.equal([200, 200, 200, 429, 429]);
    }
    await issuer.close();
  });

  it("is a whole number from 0 up, and so is the number of sessions", async () => {
    for (const wrong of [-1, 1.5, Number.NaN])
      for (const option of ["tokensPerSubject", "sessionsPerSubject"])
        expect((await rejectionOf(openIssuer({ [option]: wrong }))).message).to.include(
          `${option} must be a whole number`,
        );
  });
});

describe("A refresh token that is used again within the reuse window", () => {
  const repeats = (log: readonly { readonly fields: object }[]) =>
    log
      .map(({ fields }) => fields as Readonly<Record<string, unknown>>)
      .filter(({ event }) => event === "refresh.repeated");

  it("is logged where it comes from another address than before, and not from the same, whose answer was lost", async () => {
    const { issuer, log } = await openIssuer();
    const { token, refreshToken } = await issuer.login("ada", password);
    const owner = await issuer.renew(refreshToken, "ada", "2001:db8::1");
    await issuer.renew(refreshToken, "ada", "2001:db8::2"); // of the same /64
    await issuer.renew(refreshToken, "ada");
    expect(repeats(log)).to.deep.equal([]);
    const thief = await issuer.renew(refreshToken, "ada", "192.0.2.66");
    expect(thief.refreshToken).to.equal(owner.refreshToken);
    expect(repeats(log)).to.deep.equal([
      {
        event: "refresh.repeated",
        subject: "ada",
        sessionId: claimsOf(token).sid,
        address: "192.0.2.66",
      },
    ]);
  });

  it("gives a thief who is in time the owner's next token; when both have used it, and the window is over, the family ends", async () => {
    const { issuer, clock } = await openIssuer();
    const { refreshToken: stolen } = await issuer.login("ada", password);
    const owner = await issuer.renew(stolen, "ada", "192.0.2.1");
    clock.advance(9_000);
    const thief = await issuer.renew(stolen, "ada", "192.0.2.66");
    const next = await issuer.renew(thief.refreshToken, "ada", "192.0.2.66");
    clock.advance(11_000);
    expect(await rejectionOf(issuer.renew(owner.refreshToken, "ada", "192.0.2.1"))).to.include({
      code: "token_revoked",
    });
    expect(await rejectionOf(issuer.renew(next.refreshToken, "ada", "192.0.2.66"))).to.include({
      code: "token_revoked",
    });
  });

  it("says nothing of the address in the store but whether two are the same", async () => {
    const store = memoryStore();
    const { issuer } = await openIssuer({ store });
    const { token, refreshToken } = await issuer.login("ada", password);
    await issuer.renew(refreshToken, "ada", "192.0.2.1");
    const { rotatedBy } = (await store.families.get(String(claimsOf(token).sid))) ?? {};
    expect(rotatedBy).to.match(/^[\w-]{22}$/);
  });
});
