import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { Revocation } from "../../src/auth/revocation/revocation.js";
import { createRpc, createServer } from "../../src/index.js";
import {
  createIssuer,
  fileStore,
  type Issuer,
  type IssuerOptions,
  memoryStore,
  type Store,
} from "../../src/issuer/index.js";
import { silentLogger } from "../../src/runtime/logger.js";
import type { ManualClock } from "../helpers/manual-clock.js";
import { rejectionOf } from "../helpers/rejection.js";
import { withFolder } from "../helpers/temporary-folder.js";
import { CheapHasher } from "../helpers/tokens/cheap-hasher.js";
import { claimsOf, openIssuer, password, type TestIssuer } from "../helpers/tokens/test-issuer.js";

const day = 86_400_000;

describe("a family of refresh tokens", () => {
  it("rotates at every use, within one session", async () => {
    const { issuer, first } = await loggedIn();
    const second = await issuer.renew(first.refreshToken);
    const third = await issuer.renew(second.refreshToken);
    expect(new Set([first.refreshToken, second.refreshToken, third.refreshToken]).size).to.equal(3);
    const sessions = [first, second, third].map(({ token }) => claimsOf(token).sid);
    expect(new Set(sessions).size).to.equal(1);
    expect(new Set([first, second, third].map(({ token }) => claimsOf(token).jti)).size).to.equal(
      3,
    );
    expect(claimsOf(third.token).auth_time).to.equal(claimsOf(first.token).auth_time);
  });

  it("gives all of 100 simultaneous uses of one token the same successor, and issues one generation", async () => {
    const { issuer, first } = await loggedIn();
    const pairs = await Promise.all(
      Array.from({ length: 100 }, () => issuer.renew(first.refreshToken)),
    );
    expect(new Set(pairs.map(({ refreshToken }) => refreshToken)).size).to.equal(1);
    expect((await issuer.store.families.get(sessionOf(first)))?.generation).to.equal(2);
  });

  it("lets exactly one of 100 simultaneous uses succeed when the reuse window is off", async () => {
    const { issuer, first } = await loggedIn({ reuseWindow: 0 });
    const uses = await Promise.allSettled(
      Array.from({ length: 100 }, () => issuer.renew(first.refreshToken)),
    );
    expect(uses.filter(({ status }) => status === "fulfilled")).to.have.length(1);
  });

  it("answers a lost reply with the same successor within 10 s", async () => {
    const { issuer, clock, first } = await loggedIn();
    const lost = await issuer.renew(first.refreshToken);
    clock.advance(9_999);
    const again = await issuer.renew(first.refreshToken);
    expect(again.refreshToken).to.equal(lost.refreshToken);
    await issuer.renew(again.refreshToken);
  });

  it("takes another key within a minute, when its store has got one: nodes that were given an empty store agree again", async () => {
    const { issuer, clock, first } = await loggedIn();
    const { secrets } = issuer.store;
    await secrets.replace(
      "refresh-key",
      Buffer.alloc(32, 7).toString("base64url"),
      await secrets.get("refresh-key"),
    );
    const second = await issuer.renew(first.refreshToken); // still by the old one
    clock.advance(60_000);
    expect(await rejectionOf(issuer.renew(second.refreshToken))).to.include({
      code: "token_revoked",
    });
    const { refreshToken } = await issuer.login("ada", password);
    await issuer.renew(refreshToken);
  });

  it("is revoked, and told so, when a used token comes after the window", async () => {
    const { issuer, clock, first, told, log } = await loggedIn();
    const second = await issuer.renew(first.refreshToken);
    clock.advance(10_000);
    await expectRevoked(issuer, first.refreshToken);
    expect(told).to.have.length(1);
    expect(told[0]).to.include({ issuer: "http://localhost:8080", sessionId: sessionOf(first) });
    expect(told[0]?.until).to.be.above(Math.floor(clock.now() / 1_000) + 900);
    expect(await issuer.store.revocations.list(clock.now() / 1_000)).to.deep.equal(told);
    expect(
      log.filter(({ fields }) => "event" in fields && fields.event === "refresh.reuse_detected"),
    ).to.have.length(1);
    await expectRevoked(issuer, second.refreshToken);
  });

  it("is revoked when a used token comes inside the window, but its successor was used", async () => {
    const { issuer, first } = await loggedIn();
    const second = await issuer.renew(first.refreshToken);
    const third = await issuer.renew(second.refreshToken);
    await expectRevoked(issuer, first.refreshToken);
    await expectRevoked(issuer, third.refreshToken);
  });

  it("dies for the thief and the owner alike, whoever comes first", async () => {
    for (const thiefFirst of [true, false]) {
      const { issuer, clock, first: stolen } = await loggedIn();
      const pair = await issuer.renew(stolen.refreshToken);
      clock.advance(60_000);
      if (thiefFirst) await issuer.renew(pair.refreshToken);
      await expectRevoked(issuer, stolen.refreshToken);
      await expectRevoked(issuer, pair.refreshToken);
    }
  });

  it("leaves other families of the user alone", async () => {
    const { issuer, clock, first } = await loggedIn();
    const other = await issuer.login("ada", password);
    await issuer.renew(first.refreshToken);
    clock.advance(10_000);
    await expectRevoked(issuer, first.refreshToken);
    await issuer.renew(other.refreshToken);
  });

  it("can't be ended by somebody who has read its id in an access token", async () => {
    const { issuer, first } = await loggedIn();
    const [, secret] = (await issuer.login("ada", password)).refreshToken.split(".");
    for (const forged of [
      `${sessionOf(first)}.${"A".repeat(48)}`,
      `${sessionOf(first)}.${secret}`,
      sessionOf(first),
      "",
      "x",
    ]) {
      await expectRevoked(issuer, forged);
      await issuer.revokeRefreshToken(forged);
    }
    await issuer.renew(first.refreshToken);
  });

  it("dies after 7 days without use", async () => {
    const { issuer, clock, first } = await loggedIn();
    clock.advance(7 * day - 1);
    const second = await issuer.renew(first.refreshToken);
    clock.advance(7 * day);
    await expectRevoked(issuer, second.refreshToken);
  });

  it("ends 30 days after the login, however often it is used, and its last access token with it", async () => {
    const { issuer, clock, first } = await loggedIn();
    let pair: { token: string; refreshToken: string } = first;
    for (let n = 0; n < 5; n += 1) {
      clock.advance(6 * day - 12_000);
      pair = await issuer.renew(pair.refreshToken);
    }
    expect(Number(claimsOf(pair.token).exp) - Math.floor(clock.now() / 1_000)).to.equal(60);
    clock.advance(59_999);
    pair = await issuer.renew(pair.refreshToken);
    clock.advance(1);
    await expectRevoked(issuer, pair.refreshToken);
  });

  it("is not prolonged by a wall clock that is set back", async () => {
    const { issuer, clock, first } = await loggedIn();
    const before = await issuer.store.families.get(sessionOf(first));
    clock.stepWall(-3_600_000);
    const second = await issuer.renew(first.refreshToken);
    expect((await issuer.store.families.get(sessionOf(second)))?.endsAt).to.equal(before?.endsAt);
  });

  it("loses the scopes that the user lost, and gains none", async () => {
    const { issuer, first } = await loggedIn();
    await issuer.store.users.update("ada", { scopes: ["orders:write", "admin"] });
    expect(claimsOf((await issuer.renew(first.refreshToken)).token).scope).to.equal("orders:write");
  });

  it("ends with its user, who may come back, but not into it", async () => {
    const { issuer, first } = await loggedIn();
    const { users, families } = issuer.store;
    await users.update("ada", { disabled: true });
    await expectRevoked(issuer, first.refreshToken);
    expect(await families.get(sessionOf(first))).to.include({ revoked: true });
    await users.update("ada", { disabled: false });
    await expectRevoked(issuer, first.refreshToken);
    const { refreshToken } = await issuer.login("ada", password);
    await issuer.renew(refreshToken);
  });

  it("that was revoked without a word is told of when one of its tokens comes, so that its access tokens end too", async () => {
    const { issuer, first, told } = await loggedIn();
    // as by somebody who died before he told it
    await issuer.store.families.revoke(sessionOf(first));
    expect(told).to.deep.equal([]);
    await expectRevoked(issuer, first.refreshToken);
    expect(told.map(({ sessionId }) => sessionId)).to.deep.equal([sessionOf(first)]);
  });

  it("is ended by revokeRefreshToken, with any of its tokens, and its session is told", async () => {
    const { issuer, first, told } = await loggedIn();
    const second = await issuer.renew(first.refreshToken);
    await issuer.revokeRefreshToken(first.refreshToken);
    await issuer.revokeRefreshToken(first.refreshToken);
    expect(told.map(({ sessionId }) => sessionId)).to.deep.equal([sessionOf(first)]);
    await expectRevoked(issuer, second.refreshToken);
  });

  it("ends with a session that the application revokes, but not with one that is given a margin", async () => {
    const { issuer, first } = await loggedIn();
    const other = await issuer.login("ada", password);
    const server = createServer(createRpc().router({}), { auth: issuer, logger: silentLogger });
    await server.revoke({ sessionId: sessionOf(first) }, { margin: 30_000 });
    const second = await issuer.renew(first.refreshToken);
    await server.revoke({ sessionId: sessionOf(first) });
    await expectRevoked(issuer, second.refreshToken);
    await issuer.renew(other.refreshToken);
    await server.close();
  });

  it("ends with a subject that the application revokes, also when that is forgotten; a login after it is good then", async () => {
    const { issuer, clock, first } = await loggedIn();
    await issuer.users.add("grace", password);
    const graces = await issuer.login("grace", password);
    await using server = createServer(createRpc().router({}), {
      auth: issuer,
      logger: silentLogger,
      testing: { clock },
    });
    await server.revoke({ subject: "ada" });
    // its tokens are refused until the revocation is forgotten
    const later = await issuer.login("ada", password);
    clock.advance(3_600_000);
    await expectRevoked(issuer, first.refreshToken);
    await issuer.renew(later.refreshToken);
    await issuer.renew(graces.refreshToken);
  });

  it("goes on when only a subject's older tokens are revoked, or with a margin, since clients are to renew", async () => {
    const { issuer, clock, first } = await loggedIn();
    await using server = createServer(createRpc().router({}), {
      auth: issuer,
      logger: silentLogger,
      testing: { clock },
    });
    await server.revoke({ subject: "ada" }, { margin: 30_000 });
    await server.revoke({ subject: "ada", issuedBefore: clock.now() });
    await server.revoke({ subject: "ada", issuer: "https://another.example.com" });
    await issuer.renew(first.refreshToken);
  });

  it("is not ended by its current token, or the one before, in another user's hands; by an older one it is, like in anybody's", async () => {
    for (const [uses, reason] of [
      [0, "subject_mismatch"],
      [1, "subject_mismatch"],
      [2, "token_revoked"],
    ] as const) {
      const { issuer, clock, first } = await loggedIn();
      let newest: { readonly refreshToken: string } = first;
      for (let n = 0; n < uses; n++) newest = await issuer.renew(newest.refreshToken, "ada");
      clock.advance(11_000); // past the reuse window
      expect(
        await rejectionOf(issuer.renew(first.refreshToken, "grace")),
        `${uses} uses`,
      ).to.include({ code: reason });
      if (reason === "token_revoked") await expectRevoked(issuer, newest.refreshToken);
      else await issuer.renew(newest.refreshToken, "ada");
    }
  });

  it("is unavailable, not revoked, while the store is away", async () => {
    const { issuer, first } = await loggedIn();
    const { families } = issuer.store;
    const rotate = families.rotate.bind(families);
    families.rotate = () => Promise.reject(new Error("connection to 10.0.0.1 lost"));
    const refusal = await rejectionOf(issuer.renew(first.refreshToken));
    expect(refusal).to.include({ name: "TokenRefusedError", code: "auth_unavailable" });
    expect(refusal.message).to.not.include("10.0.0.1");
    families.rotate = rotate;
    await issuer.renew(first.refreshToken);
  });

  it("outlives a store that was away for longer than the reuse window, after the token was consumed and before the answer was sent", async () => {
    const { issuer, clock, first } = await loggedIn();
    const { users } = issuer.store;
    const get = users.get.bind(users);
    users.get = () => Promise.reject(new Error("gone")); // after the rotation
    expect(await rejectionOf(issuer.renew(first.refreshToken))).to.include({
      code: "auth_unavailable",
    });
    clock.advance(60_000);
    users.get = get;
    const second = await issuer.renew(first.refreshToken);
    clock.advance(10_000);
    await expectRevoked(issuer, first.refreshToken); // it was answered: from now on it is reuse
    await expectRevoked(issuer, second.refreshToken);
  });

  it("is ended by that without a reuse window, which was asked for: no used token is good", async () => {
    const { issuer, clock, first } = await loggedIn({ reuseWindow: 0 });
    const { users, families } = issuer.store;
    const [getUser, getFamily] = [users.get.bind(users), families.get.bind(families)];
    families.get = async (id) => {
      clock.advance(5); // from the token's coming to its rotation
      return getFamily(id);
    };
    users.get = () => Promise.reject(new Error("gone")); // after the rotation
    expect(await rejectionOf(issuer.renew(first.refreshToken, "ada"))).to.include({
      code: "auth_unavailable",
    });
    clock.advance(1_000);
    users.get = getUser;
    await expectRevoked(issuer, first.refreshToken);
  });

  it("is good again when a store that was away at its first use is back", async () => {
    const store = memoryStore();
    const { issuer, clock, first } = await loggedIn({ store });
    const again = await openAgain(store, clock);
    const get = store.secrets.get.bind(store.secrets);
    store.secrets.get = () => Promise.reject(new Error("gone"));
    expect(await rejectionOf(again.renew(first.refreshToken))).to.include({
      code: "auth_unavailable",
    });
    store.secrets.get = get;
    await again.renew(first.refreshToken);
    await issuer.close();
  });

  it("is ended by a used token that first came after the window, though the store was away then", async () => {
    const { issuer, clock, first } = await loggedIn();
    await issuer.renew(first.refreshToken);
    clock.advance(10_000);
    const { families } = issuer.store;
    const rotate = families.rotate.bind(families);
    families.rotate = () => Promise.reject(new Error("gone"));
    expect(await rejectionOf(issuer.renew(first.refreshToken))).to.include({
      code: "auth_unavailable",
    });
    families.rotate = rotate;
    clock.advance(5_000);
    await expectRevoked(issuer, first.refreshToken);
  });

  it("is in the store as hashes alone", async () => {
    await withFolder(async (folder) => {
      const { issuer, first } = await loggedIn({ store: fileStore(folder) });
      const second = await issuer.renew(first.refreshToken);
      const { clientSecret } = await issuer.clients.add({ scopes: [] });
      const secrets = [first.refreshToken, second.refreshToken].map(
        (token) => token.split(".")[1] ?? "",
      );
      const dump = await contentOf(folder);
      expect(dump).to.include(sessionOf(first));
      for (const secret of [...secrets, first.token, second.token, clientSecret, password]) {
        for (const part of [secret, secret.slice(10, 30), secret.slice(-20)])
          expect(dump).to.not.include(part);
      }
      await issuer.close();
    });
  });

  it("leaves no secret in the log", async () => {
    const { issuer, clock, first, log } = await loggedIn();
    const second = await issuer.renew(first.refreshToken);
    await rejectionOf(issuer.login("ada", "canary-password"));
    await rejectionOf(issuer.login("canary-username", password));
    clock.advance(60_000);
    await expectRevoked(issuer, first.refreshToken);
    const text = JSON.stringify(log);
    expect(text)
      .to.include("login.fail")
      .and.include("login.ok")
      .and.include("refresh.ok")
      .and.include("refresh.reuse_detected");
    for (const secret of [
      first.token,
      first.refreshToken,
      second.token,
      second.refreshToken,
      password,
      "canary-password",
      "canary-username",
    ]) {
      expect(text).to.not.include(secret);
    }
  });
});

interface LoggedIn extends TestIssuer {
  readonly first: { readonly token: string; readonly refreshToken: string };
  readonly told: Revocation[];
}

async function loggedIn(options: Partial<IssuerOptions> = {}): Promise<LoggedIn> {
  const opened = await openIssuer(options);
  const told: Revocation[] = [];
  opened.issuer.onRevocation((revocation) => told.push(revocation));
  return { ...opened, told, first: await opened.issuer.login("ada", password) };
}

/** Another process with the same store. */
function openAgain(store: Store, clock: ManualClock): Promise<Issuer> {
  return createIssuer({
    issuer: "http://localhost:8080",
    audience: "jotwire",
    store,

    testing: { clock, passwordHasher: new CheapHasher() },
  });
}

function sessionOf({ token }: { readonly token: string }): string {
  return String(claimsOf(token).sid);
}

async function expectRevoked(issuer: Issuer, refreshToken: string): Promise<void> {
  expect(await rejectionOf(issuer.renew(refreshToken))).to.include({
    name: "TokenRefusedError",
    code: "token_revoked",
  });
}

async function contentOf(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return (await Promise.all(files.map((file) => readFile(file, "utf8")))).join("\n");
}
