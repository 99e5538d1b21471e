import { expect } from "chai";
import {
  type Issuer,
  LoginError,
  memoryStore,
  TokenRefusedError,
} from "../../../src/issuer/index.js";
import { eventually } from "../../helpers/eventually.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { claimsOf, openIssuer, password } from "../../helpers/tokens/test-issuer.js";

const chosen = "a password of my own";
const hour = 3_600_000;

/** A token for ada, who is there. */
async function resetFor(issuer: Issuer, name = "ada"): Promise<string> {
  const token = await issuer.users.resetPassword(name);
  if (token === undefined) throw new Error("there is no token");
  return token;
}

async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await rejectionOf(work);
  expect(error).to.be.instanceOf(LoginError);
  return `${(error as LoginError).code}: ${error.message}`;
}

const refused =
  "invalid_password_token: the link to set a password is not valid any more: if you have used it, log in; otherwise ask for a new one";

describe("an invitation", () => {
  it("adds a user who can't log in before the password is set, and then has scopes and claims", async () => {
    const { issuer, hasher } = await openIssuer();
    const token = await issuer.users.invite("bob", { scopes: ["a"], claims: { team: 7 } });
    expect(token).to.match(/^Ym9i\.[\w-]{43}$/);
    expect(await issuer.users.get("bob")).to.deep.include({ invited: true, scopes: ["a"] });
    for (const guess of ["", token, "        "]) await rejectionOf(issuer.login("bob", guess));
    hasher.runs = 0;
    await rejectionOf(issuer.login("bob", password, { address: "10.0.0.1" }));
    expect(hasher.runs, "as of every user").to.equal(1);
    const tokens = await issuer.setPassword(token, chosen);
    expect(claimsOf(tokens.token)).to.deep.include({ sub: "bob", scope: "a", team: 7 });
    await issuer.renew(tokens.refreshToken);
    expect(await issuer.login("bob", chosen)).to.have.property("token");
    expect(await issuer.users.get("bob")).to.deep.include({ invited: false });
  });

  it("says what is wrong with it, as add does, and adds nobody then", async () => {
    const { issuer } = await openIssuer();
    for (const [problem, invite] of [
      ["exists already", () => issuer.users.invite("ada")],
      ["1 to 255", () => issuer.users.invite("")],
      ["is no scope", () => issuer.users.invite("bob", { scopes: ["a b"] })],
      ["claim sub ", () => issuer.users.invite("bob", { claims: { sub: "ada" } })],
      ["expiresIn", () => issuer.users.invite("bob", { expiresIn: 59_999 })],
      ["expiresIn", () => issuer.users.invite("bob", { expiresIn: 31 * 24 * hour })],
      ["expiresIn", () => issuer.users.invite("bob", { expiresIn: Number.NaN })],
    ] as const)
      expect((await rejectionOf(invite())).message).to.include(problem);
    expect(await issuer.users.get("bob")).to.equal(undefined);
    expect(await issuer.login("ada", password)).to.have.property("token");
  });

  it("lives 7 days by default; resetPassword makes another one, which replaces it", async () => {
    const { issuer, clock, log } = await openIssuer();
    const first = await issuer.users.invite("bob");
    clock.advance(7 * 24 * hour);
    expect(await refusalOf(issuer.setPassword(first, chosen))).to.equal(refused);
    const second = await resetFor(issuer, "bob");
    expect(log.at(-1)?.fields).to.deep.equal({
      event: "password.token",
      subject: "bob",
      purpose: "invitation",
    });
    expect(await refusalOf(issuer.setPassword(first, chosen))).to.equal(refused);
    clock.advance(hour - 1);
    expect(await issuer.setPassword(second, chosen)).to.have.property("token");
  });
});

describe("a password reset", () => {
  it("sets a password once, ends all logins of the user, and begins a new one", async () => {
    const { issuer } = await openIssuer();
    const old = await issuer.login("ada", password);
    const told: unknown[] = [];
    issuer.onRevocation((revocation) => told.push(revocation));
    const token = await resetFor(issuer);
    expect(await issuer.login("ada", password), "until it is used").to.have.property("token");
    const fresh = await issuer.setPassword(token, chosen);
    expect(told).to.have.length(1);
    const { issuedBefore } = told[0] as { issuedBefore: number };
    expect(Number(claimsOf(old.token).iat)).to.be.at.most(issuedBefore);
    expect(Number(claimsOf(fresh.token).iat)).to.be.above(issuedBefore);
    expect(await rejectionOf(issuer.renew(old.refreshToken))).to.include({ code: "token_revoked" });
    await issuer.renew(fresh.refreshToken);
    await rejectionOf(issuer.login("ada", password));
    expect(await issuer.login("ada", chosen)).to.have.property("token");
    expect(await refusalOf(issuer.setPassword(token, password))).to.equal(refused);
    expect(await issuer.login("ada", chosen), "still").to.have.property("token");
  });

  it("has one answer for what is unknown, used, replaced, expired, malformed or a disabled user's", async () => {
    const { issuer, clock } = await openIssuer();
    const used = await resetFor(issuer);
    await issuer.setPassword(used, chosen);
    const replaced = await resetFor(issuer);
    const good = await resetFor(issuer);
    await issuer.users.add("bob", password);
    const ofBob = await resetFor(issuer, "bob");
    await issuer.users.disable("bob");
    const [name = "", secret = ""] = good.split(".");
    const nobody = Buffer.from("nobody").toString("base64url");
    const others = [
      ...[used, replaced, ofBob, "", ".", "x", `${good}x`, ` ${good}`, secret, `${name}.`],
      ...[
        `${nobody}.${secret}`,
        `${name}.${"A".repeat(43)}`,
        `${name}=.${secret}`,
        "x".repeat(1e6),
      ],
      ...[`${Buffer.from("bob").toString("base64url")}.${secret}`, `${good.toUpperCase()}`],
      ...[(await issuer.login("ada", chosen)).refreshToken, { length: 1 } as never, null as never],
    ];
    for (const token of others)
      expect(await refusalOf(issuer.setPassword(token, password)), token).to.equal(refused);
    clock.advance(hour - 1);
    const late = await resetFor(issuer);
    clock.advance(hour);
    expect(await refusalOf(issuer.setPassword(late, password))).to.equal(refused);
    expect(await issuer.setPassword(await resetFor(issuer), password)).to.have.property("token");
  });

  it("expires at its very end, not before", async () => {
    for (const [wait, outcome] of [
      [59_999, "set"],
      [60_000, refused],
    ] as const) {
      const { issuer, clock } = await openIssuer();
      const token = (await issuer.users.resetPassword("ada", { expiresIn: 60_000 })) ?? "";
      clock.advance(wait);
      const work = issuer.setPassword(token, chosen);
      expect(outcome === "set" ? (await work) && "set" : await refusalOf(work)).to.equal(outcome);
    }
  });

  it("gives no token for nobody and for a disabled user, whatever the name", async () => {
    const { issuer, log } = await openIssuer();
    await issuer.users.disable("ada");
    const lines = log.length;
    for (const name of ["ada", "nobody", "", "__proto__", "constructor", "x".repeat(100_000)])
      expect(await issuer.users.resetPassword(name)).to.equal(undefined);
    expect(log).to.have.length(lines);
    await issuer.users.enable("ada");
    expect(await issuer.users.resetPassword("ada")).to.be.a("string");
    expect(
      (await rejectionOf(issuer.users.resetPassword("ada", { expiresIn: 1 }))).message,
    ).to.match(/^expiresIn must be from 60000 to 2592000000 milliseconds, not 1$/);
  });

  it("floods nobody with mail: a user gets 3 tokens a minute, and the last one stays good", async () => {
    const { issuer, clock, log } = await openIssuer();
    const tokens = [];
    for (let n = 0; n < 5; n++) tokens.push(await issuer.users.resetPassword("ada"));
    expect(tokens.map((token) => typeof token)).to.deep.equal([
      ...["string", "string", "string", "undefined", "undefined"],
    ]);
    expect(log.at(-1)?.fields).to.deep.equal({ event: "password.limit", subject: "ada" });
    await issuer.users.add("bob", password);
    expect(await issuer.users.resetPassword("bob"), "another user").to.be.a("string");
    expect(await issuer.setPassword(tokens[2] ?? "", chosen)).to.have.property("token");
    clock.advance(60_000);
    expect(await issuer.users.resetPassword("ada")).to.be.a("string");
  });

  it("keeps the rules of add for the password; one that is refused does not use the token up", async () => {
    const { issuer } = await openIssuer();
    const token = await resetFor(issuer);
    for (const [given, why] of [
      ["1234567", "invalid_password: a password needs at least 8 characters"],
      ["a".repeat(1_025), "invalid_password: a password may have at most 1024 bytes"],
    ] as const)
      expect(await refusalOf(issuer.setPassword(token, given))).to.equal(why);
    expect(await issuer.setPassword(token, "12345678")).to.have.property("token");
  });

  for (const [what, change] of [
    ["a new password", (issuer: Issuer) => issuer.users.passwd("ada", "the administrator's")],
    [
      "a disabled user, who is enabled again",
      async (issuer: Issuer) => {
        await issuer.users.disable("ada");
        await issuer.users.enable("ada");
      },
    ],
    [
      "a user who was removed and added again",
      async (issuer: Issuer) => {
        await issuer.users.remove("ada");
        await issuer.users.add("ada", password);
      },
    ],
    [
      "a user who was removed and invited again",
      async (issuer: Issuer) => {
        await issuer.users.remove("ada");
        await issuer.users.invite("ada");
      },
    ],
  ] as const)
    it(`is void after ${what}`, async () => {
      const { issuer } = await openIssuer();
      const token = await resetFor(issuer);
      await change(issuer);
      expect(await refusalOf(issuer.setPassword(token, chosen))).to.equal(refused);
      expect(await issuer.setPassword(await resetFor(issuer), chosen)).to.have.property("token");
    });

  for (const [what, change] of [
    ["endSessions", (issuer: Issuer) => issuer.endSessions("ada")],
    ["endAllSessions", (issuer: Issuer) => issuer.endAllSessions()],
    ["update", (issuer: Issuer) => issuer.users.update("ada", { scopes: [] })],
  ] as const)
    it(`stays good after ${what}`, async () => {
      const { issuer } = await openIssuer();
      const token = await resetFor(issuer);
      await change(issuer);
      expect(await issuer.setPassword(token, chosen)).to.have.property("token");
    });

  it("takes names of any kind, and never reads them as members of an object", async () => {
    const { issuer } = await openIssuer();
    for (const name of ["__proto__", "constructor", "ada@example.com", "ä/ö ü", "名".repeat(255)]) {
      const token = await issuer.users.invite(name);
      expect(token).to.match(/^[\w.-]+$/);
      expect(claimsOf((await issuer.setPassword(token, chosen)).token).sub).to.equal(name);
    }
    const nobody = `${Buffer.from("toString").toString("base64url")}.${"A".repeat(43)}`;
    expect(await refusalOf(issuer.setPassword(nobody, chosen))).to.equal(refused);
  });
});

describe("a token to set a password", () => {
  it("is in the store as a hash alone", async () => {
    const store = memoryStore();
    const { issuer } = await openIssuer({ store });
    const token = await resetFor(issuer);
    const ada = await store.users.get("ada");
    expect(ada?.passwordToken).to.have.all.keys("hash", "purpose", "expiresAt");
    expect(JSON.stringify(ada)).to.not.include(token.split(".")[1]);
    await issuer.setPassword(token, chosen);
    expect((await store.users.get("ada"))?.passwordToken).to.equal(undefined);
  });

  it("has expired if its time is damaged", async () => {
    const store = memoryStore();
    const { issuer } = await openIssuer({ store });
    const token = await resetFor(issuer);
    const known = (await store.users.get("ada"))?.passwordToken;
    for (const damaged of [{ expiresAt: undefined }, { expiresAt: "later" }, { hash: 7 }]) {
      await store.users.update("ada", { passwordToken: { ...known, ...damaged } as never });
      expect(await refusalOf(issuer.setPassword(token, chosen))).to.equal(refused);
    }
    await store.users.update("ada", { passwordToken: known });
    expect(await issuer.setPassword(token, chosen)).to.have.property("token");
  });

  it("leaves an event of each step, with subject and purpose, and never itself", async () => {
    const { issuer, log } = await openIssuer();
    const from = log.length;
    const address = "10.0.0.1";
    const invitation = await issuer.users.invite("bob");
    await issuer.setPassword(invitation, chosen, { address });
    const reset = await resetFor(issuer);
    await issuer.setPassword(reset, chosen, { address });
    await refusalOf(issuer.setPassword(reset, chosen, { address }));
    const nobody = `${Buffer.from("nobody").toString("base64url")}.${"A".repeat(43)}`;
    await refusalOf(issuer.setPassword(nobody, chosen, { address }));
    const events = log.slice(from).map(({ fields }) => fields as Record<string, unknown>);
    const [bob, ada] = ["bob", "ada"].map((subject) => ({ subject }));
    expect(
      events.filter(({ event }) => !["login.ok", "keys.rotated"].includes(`${event}`)),
    ).to.deep.equal([
      { event: "user.added", ...bob },
      { event: "password.token", ...bob, purpose: "invitation" },
      { event: "password.set", ...bob, purpose: "invitation", address },
      { event: "password.token", ...ada, purpose: "reset" },
      { event: "password.set", ...ada, purpose: "reset", address },
      { event: "sessions.ended", ...ada, reason: "password reset" },
      { event: "password.fail", ...ada, address, detail: "unknown" },
      { event: "password.fail", subject: undefined, address, detail: "unknown" },
    ]);
    for (const secret of [invitation, reset, ...[invitation, reset].map((t) => t.split(".")[1])])
      expect(JSON.stringify(log)).to.not.include(secret);
  });

  it("unlocks a user for every address, and is good while the user is locked", async () => {
    const { issuer } = await openIssuer();
    for (const address of ["10.0.0.1", "10.0.0.2"])
      for (let n = 0; n < 6; n++)
        await rejectionOf(issuer.login("ada", "a wrong one", { address }));
    await rejectionOf(issuer.login("ada", password, { address: "10.0.0.2" }));
    await issuer.setPassword(await resetFor(issuer), chosen, { address: "10.0.0.1" });
    for (const address of ["10.0.0.1", "10.0.0.2"])
      expect(await issuer.login("ada", chosen, { address })).to.have.property("token");
  });

  it("that is refused counts as a failed login, for the name at that address and for the address", async () => {
    const { issuer } = await openIssuer();
    const good = await resetFor(issuer);
    const wrong = `${good.split(".")[0]}.${"A".repeat(43)}`;
    for (let n = 0; n < 5; n++)
      await refusalOf(issuer.setPassword(wrong, chosen, { address: "10.0.0.1" }));
    await rejectionOf(issuer.login("ada", password, { address: "10.0.0.1" }));
    expect(await issuer.login("ada", password, { address: "10.0.0.2" })).to.have.property("token");
    for (let n = 0; n < 20; n++)
      await refusalOf(issuer.setPassword(`x.${n}`, chosen, { address: "10.0.0.3" }));
    for (const token of ["x", good])
      expect(await refusalOf(issuer.setPassword(token, chosen, { address: "10.0.0.3" }))).to.match(
        /^too_many_failures/,
      );
    expect(await issuer.setPassword(good, chosen, { address: "10.0.0.2" })).to.have.property(
      "token",
    );
  });

  it("writes nothing while too many passwords are being checked", async () => {
    const { issuer, hasher } = await openIssuer();
    let answer = (_isRight: boolean): void => {};
    const held = new Promise<boolean>((resolve) => {
      answer = resolve;
    });
    hasher.verify = () => held;
    const at = { address: "10.0.0.1" };
    const logins = Array.from({ length: 64 }, (_, n) =>
      refusalOf(issuer.login(`user-${n}`, password, at)),
    );
    const asked: string[] = [];
    issuer.observeStore?.((operation) => asked.push(operation));
    await eventually(() => expect(asked.filter((one) => one === "attempts.fail")).not.to.be.empty);
    asked.length = 0;
    for (let n = 0; n < 30; n++) {
      const token = `${Buffer.from(`nobody-${n}`).toString("base64url")}.${"A".repeat(43)}`;
      expect(await refusalOf(issuer.setPassword(token, chosen, at))).to.match(/^busy/);
    }
    expect(asked).to.include("users.get").and.not.include("attempts.fail");
    answer(false);
    await Promise.all(logins);
  });

  it("costs one hash, good or refused, of a known or an unknown user: time tells nothing", async () => {
    const { issuer, hasher } = await openIssuer();
    const good = await resetFor(issuer);
    const used = await issuer.users.invite("bob");
    await issuer.setPassword(used, chosen);
    await issuer.users.invite("cleo");
    await issuer.users.disable("cleo");
    const made = (name: string) => `${Buffer.from(name).toString("base64url")}.${"A".repeat(43)}`;
    for (const token of [made("ada"), made("cleo"), made("nobody"), made("__proto__"), used]) {
      hasher.runs = 0;
      await refusalOf(issuer.setPassword(token, chosen));
      expect(hasher.runs, token).to.equal(1);
    }
    for (const [token, runs] of [
      ["x", 0], // names nobody
      [good, 1],
    ] as const) {
      hasher.runs = 0;
      await issuer.setPassword(token, chosen).catch(() => {});
      expect(hasher.runs, token).to.equal(runs);
    }
  });

  it("asks the store for the same, whether the user is known or not", async () => {
    const store = memoryStore();
    const { issuer } = await openIssuer({ store });
    await resetFor(issuer);
    const asked: string[] = [];
    issuer.observeStore?.((operation) => asked.push(operation));
    const lists = [];
    for (const name of ["ada", "nobody", "ada", "nobody"]) {
      asked.length = 0;
      const token = `${Buffer.from(name).toString("base64url")}.${"A".repeat(43)}`;
      await refusalOf(issuer.setPassword(token, chosen, { address: "10.0.0.1" }));
      lists.push(asked.join());
    }
    expect(lists[0]).to.include("users.get").and.to.include("attempts.fail");
    expect(lists[2]).to.equal(lists[3]);
  });

  it("is not used up by a user's limit of tokens, or a store that is away", async () => {
    const store = memoryStore();
    const { issuer, clock } = await openIssuer({ store, tokensPerSubject: 1 });
    const token = await resetFor(issuer);
    await issuer.login("ada", password);
    const limited = await rejectionOf(issuer.setPassword(token, chosen));
    expect(limited).to.be.instanceOf(TokenRefusedError).and.include({ code: "rate_limited" });
    clock.advance(60_000);
    const { update } = store.users;
    store.users.update = () => Promise.reject(new Error("away"));
    const away = await rejectionOf(issuer.setPassword(token, chosen));
    expect(away).to.be.instanceOf(TokenRefusedError).and.include({ code: "auth_unavailable" });
    store.users.update = update;
    clock.advance(60_000);
    expect(await issuer.setPassword(token, chosen)).to.have.property("token");
  });
});

describe("what happens while a token is redeemed", () => {
  /** Has the new password's hash wait until `during` is done. */
  async function redeeming(during: (issuer: Issuer, token: string) => Promise<unknown>) {
    const { issuer, hasher } = await openIssuer();
    const token = await resetFor(issuer);
    const hash = hasher.hash.bind(hasher);
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    let waits = 0;
    hasher.hash = async (given) => {
      if (given !== chosen) return hash(given);
      waits++;
      await gate;
      return hash(given);
    };
    const outcome = issuer.setPassword(token, chosen).then(
      () => "set",
      (error) => error.code,
    );
    await eventually(() => expect(waits).to.equal(1));
    await during(issuer, token);
    go();
    return { issuer, outcome: await outcome };
  }

  for (const [what, during] of [
    ["a newer token", (issuer: Issuer) => issuer.users.resetPassword("ada")],
    ["another password", (issuer: Issuer) => issuer.users.passwd("ada", "the administrator's")],
    ["a disable", (issuer: Issuer) => issuer.users.disable("ada")],
    ["a removal", (issuer: Issuer) => issuer.users.remove("ada")],
    [
      "its redemption by another",
      (issuer: Issuer, token: string) => issuer.setPassword(token, "an other one"),
    ],
  ] as const)
    it(`${what} makes it void: nothing is changed`, async () => {
      const { issuer, outcome } = await redeeming(during);
      expect(outcome).to.equal("invalid_password_token");
      await rejectionOf(issuer.login("ada", chosen));
    });

  it("an end of all sessions does not", async () => {
    const { issuer, outcome } = await redeeming((issuer) => issuer.endSessions("ada"));
    expect(outcome).to.equal("set");
    expect(await issuer.login("ada", chosen)).to.have.property("token");
  });

  it("a newer token stays good when the older one lost to it", async () => {
    let newer = "";
    const { issuer } = await redeeming(async (issuer) => {
      newer = await resetFor(issuer);
    });
    expect(await issuer.setPassword(newer, chosen)).to.have.property("token");
  });

  it("a login with the old password that is being judged is refused", async () => {
    const { issuer, hasher } = await openIssuer();
    const token = await resetFor(issuer);
    const verify = hasher.verify.bind(hasher);
    let set: Promise<unknown> | undefined;
    hasher.verify = async (hash, given) => {
      const isRight = await verify(hash, given);
      if (given === password) {
        set ??= issuer.setPassword(token, chosen);
        await set;
      }
      return isRight;
    };
    expect(await rejectionOf(issuer.login("ada", password))).to.include({
      code: "invalid_credentials",
    });
    expect(await issuer.login("ada", chosen)).to.have.property("token");
  });
});
