import { expect } from "chai";
import { calculateJwkThumbprint, createLocalJWKSet, jwtVerify } from "jose";
import { createIssuer, memoryStore } from "../../../src/issuer/index.js";
import type { Store } from "../../../src/store/store.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { CheapHasher } from "../../helpers/tokens/cheap-hasher.js";
import { headerOf, openIssuer, password } from "../../helpers/tokens/test-issuer.js";

const day = 86_400_000;

describe("signing keys", () => {
  it("are shown with public members, alg, use, and their thumbprint as kid", async () => {
    const { issuer } = await openIssuer();
    const { keys } = await issuer.verification.keys();
    expect(keys).to.have.length(1);
    const [key = {}] = keys;
    expect(key).to.have.all.keys("kty", "crv", "x", "y", "kid", "alg", "use");
    expect(key).to.include({ kty: "EC", crv: "P-256", alg: "ES256", use: "sig" });
    expect(key.kid).to.equal(await calculateJwkThumbprint({ ...key, kty: "EC" }));
  });

  it("rotate so that a verifier with a ten minutes old key set never rejects a token", async () => {
    const { issuer, clock } = await openIssuer({
      keyRotationInterval: 3_600_000,
      accessTokenTtl: 900_000,
    });
    const published: { at: number; keys: ReturnType<typeof createLocalJWKSet> }[] = [];
    const living: { token: string; until: number }[] = [];
    const kids = new Set<unknown>();
    for (let minute = 0; minute < 240; minute += 1) {
      const { keys } = await issuer.verification.keys();
      published.push({
        at: clock.now(),
        keys: createLocalJWKSet({ keys: keys.map((key) => ({ ...key, kty: "EC" })) }),
      });
      const { token } = await issuer.login("ada", password);
      kids.add(headerOf(token).kid);
      living.push({ token, until: clock.now() + 900_000 });
      const current = published.at(-1);
      const tenMinutesOld =
        published.findLast(({ at }) => at <= clock.now() - 599_000) ?? published[0];
      if (current === undefined || tenMinutesOld === undefined)
        throw new Error("nothing was published");
      const options = {
        issuer: "http://localhost:8080",
        audience: "jotwire",
        currentDate: new Date(clock.now()),
      };
      await jwtVerify(token, tenMinutesOld.keys, options);
      const oldest = living.find(({ until }) => until > clock.now());
      if (oldest !== undefined) await jwtVerify(oldest.token, current.keys, options);
      clock.advance(60_000);
    }
    expect(kids.size).to.be.within(4, 5);
    expect((await issuer.verification.keys()).keys.length).to.be.below(3);
  });

  it("are not used before they were shown, even after a month of silence", async () => {
    const { issuer, clock } = await openIssuer();
    const first = headerOf((await issuer.login("ada", password)).token).kid;
    clock.advance(40 * day);
    expect(headerOf((await issuer.login("ada", password)).token).kid).to.equal(first);
    expect((await issuer.verification.keys()).keys).to.have.length(2);
    clock.advance(600_000);
    expect(headerOf((await issuer.login("ada", password)).token).kid).to.not.equal(first);
  });

  it("that were taken out of the store are replaced within a minute, and refused; refresh tokens stay good", async () => {
    const kept = new Map<string, string>();
    const secrets = {
      get: async (name: string) => kept.get(name),
      replace: async (name: string, value: string, expected: string | undefined) =>
        kept.get(name) === expected && kept.set(name, value) === kept,
    };
    const { issuer, clock } = await openIssuer({ store: { ...memoryStore(), secrets } });
    const { token, refreshToken } = await issuer.login("ada", password);
    expect(kept.delete("signing-keys")).to.equal(true);
    clock.advance(60_000);
    const renewed = await issuer.renew(refreshToken);
    const { keys } = await issuer.verification.keys();
    expect(keys.map(({ kid }) => kid))
      .to.deep.equal([headerOf(renewed.token).kid])
      .and.not.include(headerOf(token).kid);
  });

  it("are shown for a minute longer than their last token can live, for verifiers whose clocks are behind", async () => {
    const { issuer, clock } = await openIssuer({ keyRotationInterval: 3_600_000 });
    const [old] = (await issuer.verification.keys()).keys;
    const kids = async () => (await issuer.verification.keys()).keys.map(({ kid }) => kid);
    clock.advance(3_600_000 - 600_000);
    expect(await kids()).to.have.length(2);
    // in use; its last token has ended; and nearly a minute
    clock.advance(600_000 + 900_000 + 59_999);
    expect(await kids()).to.include(old?.kid);
    clock.advance(61_000);
    expect(await kids()).to.not.include(old?.kid);
  });

  it("are the same for two nodes that start at once, and after a restart", async () => {
    const store = memoryStore();
    const one = await openIssuer({ store });
    const options = {
      issuer: "http://localhost:8080",
      audience: "jotwire",
      store,
      testing: { clock: one.clock, passwordHasher: new CheapHasher() },
    };
    const [other, third] = [await createIssuer(options), await createIssuer(options)];
    const [a, b] = await Promise.all([one.issuer.verification.keys(), other.verification.keys()]);
    expect(a).to.deep.equal(b);
    expect(await third.verification.keys()).to.deep.equal(a);
  });

  it("stay in use while the store is away, and are not made up when none was ever read", async () => {
    const store = memoryStore();
    const { issuer, clock, log } = await openIssuer({ store: breakable(store) });
    const before = await issuer.verification.keys();
    broken = true;
    clock.advance(61_000);
    expect(await issuer.verification.keys()).to.deep.equal(before);
    expect(log.map(({ message }) => message).join()).to.include("signing keys could not be read");
    const fresh = createIssuer({
      issuer: "http://localhost",
      audience: "a",
      store: breakable(memoryStore()),
    });
    expect((await rejectionOf(fresh)).message).to.equal("store away");
    broken = false;
    const keyless = await openIssuer({ store: breakable(memoryStore()) });
    broken = true;
    expect((await rejectionOf(keyless.issuer.verification.keys())).message).to.equal("store away");
  });

  let broken = false;
  afterEach(() => {
    broken = false;
  });

  function breakable(store: Store): Store {
    const get = async (name: string): Promise<string | undefined> => {
      if (broken) throw new Error("store away");
      return store.secrets.get(name);
    };
    return {
      ...store,
      secrets: {
        get,
        replace: (name, value, expected) => store.secrets.replace(name, value, expected),
      },
    };
  }
});
