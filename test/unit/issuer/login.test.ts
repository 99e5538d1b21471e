import { expect } from "chai";
import { delayAfter } from "../../../src/issuer/accounts/lockout.js";
import { memoryStore } from "../../../src/issuer/index.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { claimsOf, headerOf, openIssuer, password } from "../../helpers/tokens/test-issuer.js";

describe("a login", () => {
  it("gives an at+jwt with all registered claims, the user's own, and a refresh token", async () => {
    const { issuer, clock } = await openIssuer();
    clock.advance(1_000);
    const { token, refreshToken, expiresIn, scopes } = await issuer.login("ada", password);
    const now = Math.floor(clock.now() / 1_000);
    expect(headerOf(token)).to.include({ alg: "ES256", typ: "at+jwt" }).and.to.have.property("kid");
    expect(claimsOf(token)).to.include({
      ...{
        iss: "http://localhost:8080",
        aud: "jotwire",
        sub: "ada",
        client_id: "jotwire",
        role: "admin",
      },
      ...{ iat: now, exp: now + 300, auth_time: now, scope: "orders:read orders:write" },
    });
    expect(claimsOf(token))
      .to.have.property("jti")
      .that.matches(/^[0-9a-f-]{36}$/);
    expect(refreshToken.split(".")[0]).to.equal(claimsOf(token).sid);
    expect(expiresIn).to.equal(300_000);
    expect(scopes).to.deep.equal(["orders:read", "orders:write"]);
  });

  it("gives tokens that live as long as configured, and never past the end of the family", async () => {
    const { issuer } = await openIssuer({ accessTokenTtl: 900_000, refreshTtl: 600_000 });
    expect((await issuer.login("ada", password)).expiresIn).to.equal(600_000);
    const longer = await openIssuer({ accessTokenTtl: 900_000 });
    expect((await longer.issuer.login("ada", password)).expiresIn).to.equal(900_000);
  });

  it("has one answer and one hash for a wrong password, an unknown, a disabled and a locked user", async () => {
    const { issuer, hasher } = await openIssuer();
    await issuer.users.add("bob", password);
    await issuer.users.disable("bob");
    for (let n = 0; n < 5; n += 1)
      await rejectionOf(issuer.login("ada", "wrong password", { address: "10.0.0.9" }));
    const messages: string[] = [];
    for (const [username, secret, address] of [
      ["ada", "wrong password", "10.0.0.1"],
      ["nobody", password, "10.0.0.1"],
      ["bob", password, "10.0.0.1"],
      ["ada", password, "10.0.0.9"],
    ] as const) {
      hasher.runs = 0;
      const error = await rejectionOf(issuer.login(username, secret, { address }));
      messages.push(`${error.name}: ${error.message}`);
      expect(hasher.runs, username).to.equal(1);
    }
    expect(new Set(messages)).to.deep.equal(new Set(["LoginError: wrong username or password"]));
    hasher.runs = 0;
    await issuer.login("ada", password, { address: "10.0.0.1" });
    expect(hasher.runs).to.equal(1);
  });

  it("refuses a password of 7 or 1025 bytes without hashing, and takes 8 and 1024 with NUL and any letters", async () => {
    const { issuer, hasher } = await openIssuer();
    const passwords = ["é\0 abcd", "ü".repeat(512)];
    for (const [n, secret] of passwords.entries()) await issuer.users.add(`user${n}`, secret);
    hasher.runs = 0;
    for (const secret of ["1234567", "a".repeat(1_025), "a".repeat(1_048_576)]) {
      expect((await rejectionOf(issuer.login("ada", secret))).message).to.equal(
        "wrong username or password",
      );
    }
    expect(hasher.runs).to.equal(0);
    for (const [n, secret] of passwords.entries())
      expect((await issuer.login(`user${n}`, secret)).expiresIn).to.equal(300_000);
    await rejectionOf(issuer.login("user1", "ü".repeat(511)));
  });

  it("never reads user names as members of an object", async () => {
    const { issuer } = await openIssuer();
    for (const name of ["__proto__", "constructor", "toString", "", "a\0b"]) {
      expect((await rejectionOf(issuer.login(name, password))).name).to.equal("LoginError");
    }
  });
});

describe("claims of a user's own", () => {
  it("never take the place of those that the issuer sets, however they got into the store", async () => {
    const { issuer, clock } = await openIssuer();
    const claims = {
      iss: "x",
      aud: "x",
      sub: "x",
      client_id: "x",
      exp: 9e9,
      iat: 0,
      jti: "x",
      sid: "x",
      scope: "admin",
      auth_time: 0,
    };
    await issuer.store.users.update("ada", { claims: { ...claims, role: "own" } });
    const told = claimsOf((await issuer.login("ada", password)).token);
    const now = Math.floor(clock.now() / 1_000);
    expect(told).to.include({
      iss: "http://localhost:8080",
      aud: "jotwire",
      sub: "ada",
      client_id: "jotwire",
      role: "own",
    });
    expect(told).to.include({ scope: "orders:read orders:write", auth_time: now });
    expect(Number(told.exp) - Number(told.iat)).to.be.within(299, 300);
    for (const name of ["jti", "sid"]) expect(told[name]).to.not.equal("x");
  });
});

describe("the lockout", () => {
  it("doubles from 1 s after 5 failures to 15 min", () => {
    expect([0, 4, 5, 6, 7, 14, 15, 1_000].map(delayAfter)).to.deep.equal([
      0, 0, 1, 2, 4, 512, 900, 900,
    ]);
  });

  it("closes an account to one address for a while, and never to another one's owner", async () => {
    const { issuer, clock } = await openIssuer();
    const attack = { address: "2001:db8:1:2:3::1" };
    for (let n = 0; n < 5; n += 1) await rejectionOf(issuer.login("ada", "wrong password", attack));
    await rejectionOf(issuer.login("ada", password, attack));
    // the same /64
    await rejectionOf(issuer.login("ada", password, { address: "2001:db8:1:2:ffff::9" }));
    await issuer.login("ada", password, { address: "2001:db8:1:3::1" });
    clock.advance(999);
    await rejectionOf(issuer.login("ada", password, attack));
    clock.advance(1);
    await issuer.login("ada", password, attack);
    await rejectionOf(issuer.login("ada", "wrong password", attack)); // counted from 1 again
    await issuer.login("ada", password, attack);
  });

  it("counts the right password of a disabled user like a wrong one, so that it can't be found out", async () => {
    const { issuer } = await openIssuer();
    await issuer.users.disable("ada");
    for (let n = 0; n < 5; n += 1)
      await rejectionOf(issuer.login("ada", password, { address: "192.0.2.1" }));
    await issuer.users.enable("ada");
    await rejectionOf(issuer.login("ada", password, { address: "192.0.2.1" }));
    await issuer.login("ada", password, { address: "192.0.2.2" });
  });

  it("lasts no longer when the clock is set back", async () => {
    const { issuer, clock } = await openIssuer();
    for (let n = 0; n < 5; n += 1) await rejectionOf(issuer.login("ada", "wrong password"));
    await rejectionOf(issuer.login("ada", password));
    clock.stepWall(-3_600_000);
    await issuer.login("ada", password);
  });

  it("lets no burst slip past the count", async () => {
    const { issuer, hasher } = await openIssuer();
    let checked = 0;
    const verify = hasher.verify.bind(hasher);
    hasher.verify = (hash, secret) => {
      if (hash !== hasher.decoy) checked += 1;
      return verify(hash, secret);
    };
    await Promise.all(
      Array.from({ length: 30 }, () => rejectionOf(issuer.login("ada", "wrong password"))),
    );
    expect(checked).to.equal(5);
  });

  it("never counts right logins against each other, however many come at once", async () => {
    const { issuer } = await openIssuer();
    const logins = await Promise.all(
      Array.from({ length: 30 }, () => issuer.login("ada", password)),
    );
    expect(logins).to.have.length(30);
  });

  it("outlives a restart", async () => {
    const store = memoryStore();
    const first = await openIssuer({ store });
    for (let n = 0; n < 5; n += 1) await rejectionOf(first.issuer.login("ada", "wrong password"));
    const ada = await store.users.get("ada");
    await store.users.remove("ada");
    const second = await openIssuer({ store, clock: first.clock });
    await store.users.remove("ada");
    if (ada !== undefined) await store.users.add(ada);
    await rejectionOf(second.issuer.login("ada", password));
    first.clock.advance(1_000);
    expect(await second.issuer.login("ada", password)).to.have.property("token");
  });
});
