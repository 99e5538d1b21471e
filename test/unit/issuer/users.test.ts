import { expect } from "chai";
import type { Revocation } from "../../../src/auth/revocation/revocation.js";
import { createIssuer, memoryStore } from "../../../src/issuer/index.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { CheapHasher } from "../../helpers/tokens/cheap-hasher.js";
import { claimsOf, openIssuer, password } from "../../helpers/tokens/test-issuer.js";

describe("the user directory", () => {
  it("says what is wrong with a new user", async () => {
    const { issuer } = await openIssuer();
    const problems: readonly (readonly [string, () => Promise<void>])[] = [
      ["exists already", () => issuer.users.add("ada", password)],
      ["at least 8", () => issuer.users.add("bob", "1234567")],
      ["at most 1024", () => issuer.users.add("bob", "a".repeat(1_025))],
      ["1 to 255", () => issuer.users.add("", password)],
      ["1 to 255", () => issuer.users.add("b".repeat(256), password)],
      ["control characters", () => issuer.users.add("bob\n", password)],
      ["control characters", () => issuer.users.add("bob\ud800", password)],
      ["client:", () => issuer.users.add("client:bob", password)],
      ["is no scope", () => issuer.users.add("bob", password, { scopes: ["a b"] })],
      ["claim sub ", () => issuer.users.add("bob", password, { claims: { sub: "ada" } })],
      ["claim cnf ", () => issuer.users.add("bob", password, { claims: { cnf: {} } })],
      [
        "at most 4096",
        () => issuer.users.add("bob", password, { claims: { long: "x".repeat(5_000) } }),
      ],
    ];
    for (const [problem, add] of problems)
      expect((await rejectionOf(add())).message, problem).to.include(problem);
    await issuer.users.add("b".repeat(255), password, { scopes: ["a:b"], claims: { subs: 1 } });
  });

  it("hashes one password at a time, however many users are added at once, and goes on after a hash that failed", async () => {
    let running = 0;
    let most = 0;
    class SlowHasher extends CheapHasher {
      override async hash(given: string): Promise<string> {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        if (given.startsWith("fail")) throw new Error("no memory");
        return super.hash(given);
      }
    }
    const issuer = await createIssuer({
      issuer: "http://localhost:1",
      audience: "test",
      store: memoryStore(),
      testing: { passwordHasher: new SlowHasher() },
    });
    const added = ["one", "two", "three", "four"].map((name) =>
      issuer.users.add(name, name === "two" ? "fail this one" : password),
    );
    const outcomes = await Promise.allSettled(added);
    expect(outcomes.map(({ status }) => status)).to.deep.equal([
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    expect(most).to.equal(1);
    expect(await issuer.users.list()).to.have.length(3);
    await issuer.close();
  });

  it("lists users without their hashes", async () => {
    const { issuer } = await openIssuer();
    const [ada] = await issuer.users.list();
    expect(ada).to.have.all.keys(
      "username",
      "scopes",
      "claims",
      "disabled",
      "invited",
      "createdAt",
    );
    expect(ada).to.deep.include({ username: "ada", disabled: false, claims: { role: "admin" } });
  });

  it("throws for users that aren't there", async () => {
    const { users } = (await openIssuer()).issuer;
    for (const change of [
      users.passwd("bob", password),
      users.disable("bob"),
      users.enable("bob"),
      users.remove("bob"),
      users.update("bob", { scopes: [] }),
      users.endSessions("bob"),
    ]) {
      expect((await rejectionOf(change)).message).to.equal('there is no user "bob"');
    }
  });

  for (const [what, act] of [
    ["passwd", "passwd"],
    ["disable", "disable"],
    ["remove", "remove"],
  ] as const) {
    it(`${what} revokes all tokens up to now, and no refresh works any more`, async () => {
      const { issuer, clock } = await openIssuer();
      clock.advance(5_000);
      const { token, refreshToken } = await issuer.login("ada", password);
      const told: Revocation[] = [];
      issuer.onRevocation((revocation) => told.push(revocation));
      await (act === "passwd"
        ? issuer.users.passwd("ada", "another password")
        : issuer.users[act]("ada"));
      expect(told).to.have.length(1);
      expect(told[0]).to.include({ issuer: "http://localhost:8080", subject: "ada" });
      expect(Number(claimsOf(token).iat)).to.be.at.most(told[0]?.issuedBefore ?? 0);
      expect(await rejectionOf(issuer.renew(refreshToken))).to.include({
        name: "TokenRefusedError",
        code: "token_revoked",
      });
      await rejectionOf(issuer.login("ada", password, { address: "10.0.0.2" }));
    });
  }

  it("passwd spares a login in the same second: its token is younger than the revocation", async () => {
    const { issuer } = await openIssuer();
    const told: Revocation[] = [];
    issuer.onRevocation((revocation) => told.push(revocation));
    for (const secret of ["another password", "a third password"]) {
      await issuer.users.passwd("ada", secret);
      const { token, refreshToken } = await issuer.login("ada", secret);
      expect(Number(claimsOf(token).iat)).to.be.above(told.at(-1)?.issuedBefore ?? Number.NaN);
      await issuer.renew(refreshToken);
    }
  });

  for (const end of ["disable", "remove"] as const) {
    it(`${end} reaches a token that was given in the same second as a new password`, async () => {
      const { issuer } = await openIssuer();
      const told: Revocation[] = [];
      issuer.onRevocation((revocation) => told.push(revocation));
      await issuer.users.passwd("ada", "another password");
      const { token } = await issuer.login("ada", "another password");
      await issuer.users[end]("ada");
      expect(Number(claimsOf(token).iat)).to.be.at.most(told.at(-1)?.issuedBefore ?? Number.NaN);
    });
  }

  it("spares the tokens of a user who was removed and added again in the same second", async () => {
    const { issuer } = await openIssuer();
    const told: Revocation[] = [];
    issuer.onRevocation((revocation) => told.push(revocation));
    await issuer.users.remove("ada");
    await issuer.users.add("ada", password);
    const { token } = await issuer.login("ada", password);
    expect(Number(claimsOf(token).iat)).to.be.above(told[0]?.issuedBefore ?? Number.NaN);
  });

  it("gives no younger tokens to a new user because another issuer of the store has revoked those of its own of that name", async () => {
    const { issuer, clock } = await openIssuer();
    const now = Math.floor(clock.now() / 1_000);
    await issuer.store.revocations.add({
      issuer: "http://localhost:9",
      subject: "bob",
      issuedBefore: now + 1_000,
    });
    await issuer.users.add("bob", password);
    expect(claimsOf((await issuer.login("bob", password)).token).iat).to.be.within(now, now + 1);
  });

  it("passwd that takes seconds ends a login made meanwhile, and spares one that follows in its last second", async () => {
    const store = memoryStore();
    const { issuer, clock } = await openIssuer({ store });
    const told: Revocation[] = [];
    issuer.onRevocation((revocation) => told.push(revocation));
    const { users } = store;
    const update = users.update.bind(users);
    let meanwhile: { token: string; refreshToken: string } | undefined;
    users.update = async (...change) => {
      const outcome = await update(...change);
      meanwhile ??= await issuer.login("ada", "another password");
      clock.advance(2_000);
      return outcome;
    };
    await issuer.users.passwd("ada", "another password");
    users.update = update;
    clock.stepWall(-2_000); // the second write took no time
    if (meanwhile === undefined) throw new Error("nobody logged in");
    const { token, refreshToken } = await issuer.login("ada", "another password");
    const issuedBefore = told.at(-1)?.issuedBefore ?? Number.NaN;
    expect(Number(claimsOf(meanwhile.token).iat)).to.be.at.most(issuedBefore);
    await rejectionOf(issuer.renew(meanwhile.refreshToken));
    expect(Number(claimsOf(token).iat)).to.be.above(issuedBefore);
    await issuer.renew(refreshToken);
  });

  it("endSessions ends all logins so far, and a login in the same second is good, however often", async () => {
    const { issuer, clock, log } = await openIssuer();
    const told: Revocation[] = [];
    issuer.onRevocation((revocation) => told.push(revocation));
    for (let turn = 0; turn < 3; turn++) {
      const old = await issuer.login("ada", password);
      await issuer.endSessions("ada");
      const issuedBefore = told.at(-1)?.issuedBefore ?? Number.NaN;
      expect(Number(claimsOf(old.token).iat)).to.be.at.most(issuedBefore);
      expect(await rejectionOf(issuer.renew(old.refreshToken))).to.include({
        code: "token_revoked",
      });
      const { token, refreshToken } = await issuer.login("ada", password);
      expect(Number(claimsOf(token).iat)).to.be.above(issuedBefore);
      expect(Number(claimsOf(token).iat) * 1_000, "the leeway").to.be.below(clock.now() + 5_000);
      await issuer.renew(refreshToken);
    }
    expect(log.map(({ fields }) => fields)).to.deep.include({
      event: "sessions.ended",
      subject: "ada",
      reason: "signed out everywhere",
    });
  });

  it("endSessions more often than the leeway for iat allows waits, so that no login is refused", async () => {
    const { issuer, clock } = await openIssuer();
    const startedAt = clock.now();
    for (let turn = 0; turn < 8; turn++) {
      let isEnded = false;
      const ended = issuer.endSessions("ada").then(() => {
        isEnded = true;
      });
      while (!isEnded) {
        await new Promise((resolve) => setImmediate(resolve));
        clock.advance(10);
      }
      await ended;
      const { token } = await issuer.login("ada", password);
      expect(Number(claimsOf(token).iat) * 1_000).to.be.below(clock.now() + 4_000);
    }
    expect(clock.now() - startedAt).to.be.within(4_000, 9_000);
  });

  it("endSessions spares a login whose password is being judged, since that one is new", async () => {
    const { issuer, hasher, clock } = await openIssuer();
    const told: Revocation[] = [];
    issuer.onRevocation((revocation) => told.push(revocation));
    for (const [what, isSpared] of [
      [() => issuer.endSessions("ada"), true],
      [() => issuer.users.update("ada", { scopes: ["admin"] }), true],
      [() => issuer.users.disable("ada"), false],
      [() => issuer.users.passwd("ada", "another password"), false],
    ] as const) {
      clock.advance(5_000);
      hasher.verify = async () => {
        Reflect.deleteProperty(hasher, "verify");
        await what();
        return true;
      };
      const login = issuer.login("ada", password);
      if (!isSpared) {
        expect(await rejectionOf(login)).to.include({ code: "invalid_credentials" });
        await issuer.users.enable("ada");
        continue;
      }
      const { token, refreshToken } = await login;
      const issuedBefore = told.at(-1)?.issuedBefore ?? Number.NaN;
      expect(Number(claimsOf(token).iat)).to.be.above(issuedBefore);
      await issuer.renew(refreshToken);
    }
  });

  it("endSessions at once on two nodes leaves the next login good", async () => {
    const { issuer } = await openIssuer();
    const told: Revocation[] = [];
    issuer.onRevocation((revocation) => told.push(revocation));
    await Promise.all([issuer.endSessions("ada"), issuer.endSessions("ada")]);
    const { token, refreshToken } = await issuer.login("ada", password);
    for (const { issuedBefore = Number.NaN } of told)
      expect(Number(claimsOf(token).iat)).to.be.above(issuedBefore);
    await issuer.renew(refreshToken);
  });

  it("endAllSessions does so for every user", async () => {
    const { issuer } = await openIssuer();
    const names = ["ada", ...Array.from({ length: 20 }, (_, n) => `user-${n}`)];
    for (const name of names.slice(1)) await issuer.users.add(name, password);
    const old = await Promise.all(names.map((name) => issuer.login(name, password)));
    await issuer.endAllSessions();
    for (const { refreshToken } of old)
      expect(await rejectionOf(issuer.renew(refreshToken))).to.include({ code: "token_revoked" });
    for (const name of names) await issuer.renew((await issuer.login(name, password)).refreshToken);
  });

  it("get returns a user as list does, and undefined for nobody", async () => {
    const { issuer } = await openIssuer();
    expect(await issuer.users.get("ada")).to.deep.equal((await issuer.users.list())[0]);
    expect(await issuer.users.get("bob")).to.equal(undefined);
  });

  it("update gives a login new scopes and claims at its next refresh, also more than it began with", async () => {
    const { issuer, log } = await openIssuer();
    const told: Revocation[] = [];
    issuer.onRevocation((revocation) => told.push(revocation));
    const before = await issuer.login("ada", password);
    await issuer.users.update("ada", { scopes: ["orders:read", "admin"] });
    expect(told[0]).to.include({ subject: "ada", reason: "claims_changed" });
    expect(told[0]?.enforceAt).to.be.a("number");
    expect(Number(claimsOf(before.token).iat)).to.be.at.most(told[0]?.issuedBefore ?? 0);
    const after = await issuer.renew(before.refreshToken);
    expect(claimsOf(after.token)).to.include({ scope: "orders:read admin", role: "admin" });
    expect(Number(claimsOf(after.token).iat)).to.be.above(told[0]?.issuedBefore ?? Number.NaN);
    await issuer.users.update("ada", { claims: { role: "guest" } }, { margin: 0 });
    expect(told[1]?.enforceAt).to.equal(undefined);
    const last = await issuer.renew(after.refreshToken);
    expect(claimsOf(last.token)).to.include({ scope: "orders:read admin", role: "guest" });
    expect(log.map(({ fields }) => fields)).to.deep.include({
      event: "user.changed",
      subject: "ada",
      changed: ["scopes"],
    });
  });

  it("update that changes nothing tells nobody, and one that is wrong changes nothing", async () => {
    const { issuer } = await openIssuer();
    const told: Revocation[] = [];
    issuer.onRevocation((revocation) => told.push(revocation));
    const before = await issuer.users.get("ada");
    await issuer.users.update("ada", { scopes: before?.scopes ?? [], claims: { role: "admin" } });
    for (const [problem, change, options] of [
      ["is no scope", { scopes: ["a b"] }, {}],
      ["claim sub ", { claims: { sub: "bob" } }, {}],
      ["margin must be", { scopes: [] }, { margin: -1 }],
      ["margin must be", { scopes: [] }, { margin: Number.NaN }],
    ] as const)
      expect((await rejectionOf(issuer.users.update("ada", change, options))).message).to.include(
        problem,
      );
    expect(told).to.deep.equal([]);
    expect(await issuer.users.get("ada")).to.deep.equal(before);
  });

  it("update that could not reach live sessions does so when it is made again, once", async () => {
    const store = memoryStore();
    const { issuer, clock } = await openIssuer({ store });
    const told: Revocation[] = [];
    issuer.onRevocation((revocation) => told.push(revocation));
    const { revocations, users } = store;
    for (const [records, method] of [
      [revocations, "add"],
      [users, "update"],
    ] as const) {
      const { token, refreshToken } = await issuer.login("ada", password);
      const before = told.length;
      const work = (Reflect.get(records, method) as (...args: unknown[]) => unknown).bind(records);
      let calls = 0;
      const failsAt = method === "add" ? 1 : 2; // the version that spares younger tokens
      Object.assign(records, {
        [method]: async (...args: unknown[]) => {
          if (++calls === failsAt) throw new Error("unreachable");
          return work(...args);
        },
      });
      const scopes = [`orders:${method}`];
      expect((await rejectionOf(issuer.users.update("ada", { scopes }))).message).to.equal(
        "unreachable",
      );
      expect(told).to.have.lengthOf(before);
      await issuer.users.update("ada", { scopes });
      expect(told).to.have.lengthOf(before + 1);
      expect(Number(claimsOf(token).iat)).to.be.at.most(told.at(-1)?.issuedBefore ?? 0);
      await issuer.users.update("ada", { scopes });
      expect(told, "nothing is left to do").to.have.lengthOf(before + 1);
      expect(claimsOf((await issuer.renew(refreshToken)).token).scope).to.equal(scopes[0]);
      Reflect.deleteProperty(records, method);
      clock.advance(5_000);
    }
  });

  it("enable lets a user log in again, but brings no session back", async () => {
    const { issuer } = await openIssuer();
    const { refreshToken } = await issuer.login("ada", password);
    await issuer.users.disable("ada");
    await issuer.users.enable("ada");
    await rejectionOf(issuer.renew(refreshToken));
    await issuer.login("ada", password);
  });

  it("revokes for as long as the longest access token lives", async () => {
    const { issuer, clock } = await openIssuer();
    await issuer.users.disable("ada");
    clock.advance(900_000);
    expect(await issuer.store.revocations.list(clock.now() / 1_000)).to.have.length(1);
    clock.advance(61_000);
    expect(await issuer.store.revocations.list(clock.now() / 1_000)).to.have.length(0);
  });
});
