import { expect } from "chai";
import { createIssuer, memoryStore } from "../../../src/issuer/index.js";
import { argon2Hasher, checkedParameters } from "../../../src/issuer/password-hasher.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { openIssuer, password } from "../../helpers/tokens/test-issuer.js";

const parameters = checkedParameters({});

describe("password hashing", () => {
  it("is argon2id with at least 19 MiB, 2 passes and 1 lane, as a PHC string", async () => {
    const hasher = argon2Hasher(parameters);
    const hash = await hasher.hash("correct horse");
    expect(hash).to.match(
      /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/,
    );
    expect(await hasher.verify(hash, "correct horse")).to.equal(true);
    expect(await hasher.verify(hash, "Correct horse")).to.equal(false);
    expect(await hasher.hash("correct horse")).to.not.equal(hash);
  });

  it("verifies the examples of argon2's reference implementation", async () => {
    // test.c of P-H-C/phc-winner-argon2: argon2id, v=19, salt "somesalt"
    const hasher = argon2Hasher(parameters);
    const known =
      "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    expect(await hasher.verify(known, "password")).to.equal(true);
    expect(await hasher.verify(known, "passwore")).to.equal(false);
  });

  it("has a decoy of the same parameters that no password fits", async () => {
    const hasher = argon2Hasher(parameters);
    expect(hasher.decoy).to.match(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await hasher.verify(hasher.decoy, "")).to.equal(false);
    expect(hasher.isOutdated(hasher.decoy)).to.equal(false);
  });

  it("tells hashes of weaker parameters", async () => {
    const hash = await argon2Hasher(parameters).hash("correct horse");
    expect(argon2Hasher({ memoryKiB: 19_457, passes: 2 }).isOutdated(hash)).to.equal(true);
    expect(argon2Hasher({ memoryKiB: 19_456, passes: 3 }).isOutdated(hash)).to.equal(true);
    expect(argon2Hasher({ memoryKiB: 10_000, passes: 2 }).isOutdated(hash)).to.equal(false);
  });

  it("needs the pepper that it was made with", async () => {
    const hash = await argon2Hasher(parameters, Buffer.alloc(32, 1)).hash("correct horse");
    expect(
      await argon2Hasher(parameters, Buffer.alloc(32, 1)).verify(hash, "correct horse"),
    ).to.equal(true);
    expect(
      await argon2Hasher(parameters, Buffer.alloc(32, 2)).verify(hash, "correct horse"),
    ).to.equal(false);
    expect(await argon2Hasher(parameters).verify(hash, "correct horse")).to.equal(false);
  });

  it("refuses weaker parameters than recommended, and takes the recommended ones", () => {
    for (const weak of [
      { memoryKiB: 19_455 },
      { passes: 1 },
      { memoryKiB: 47_103, passes: 1 },
      { memoryKiB: Number.NaN },
      { passes: 2.5 },
    ]) {
      expect(() => checkedParameters(weak)).to.throw("19456 KiB with 2 passes");
    }
    expect(checkedParameters({ memoryKiB: 47_104, passes: 1 })).to.deep.equal({
      memoryKiB: 47_104,
      passes: 1,
    });
  });

  it("hashes anew only the password that was shown: one that is changed meanwhile stays", async () => {
    const { issuer, hasher } = await openIssuer();
    hasher.isOutdated = () => true;
    const hash = hasher.hash.bind(hasher);
    hasher.hash = async (given) => {
      if (given !== password) return hash(given);
      await issuer.users.passwd("ada", "another password"); // while the old one is hashed
      return hash(given);
    };
    await rejectionOf(issuer.login("ada", password));
    await rejectionOf(issuer.login("ada", password, { address: "192.0.2.1" }));
    await issuer.login("ada", "another password");
  });

  it("hashes anew at a login when the parameters rose", async () => {
    const store = memoryStore();
    const options = { issuer: "http://localhost", audience: "a", store };
    const before = await createIssuer(options);
    await before.users.add("ada", "correct horse");
    const after = await createIssuer({ ...options, passwordHashing: { passes: 3 } });
    await rejectionOf(after.login("ada", "wrong horse"));
    expect((await store.users.get("ada"))?.passwordHash).to.include("t=2");
    const { refreshToken } = await after.login("ada", "correct horse");
    expect((await store.users.get("ada"))?.passwordHash).to.include("t=3");
    await after.renew(refreshToken); // no new credentials: the session lives on
    await after.login("ada", "correct horse");
  });
});
