import { expect } from "chai";
import { LoginError, memoryStore } from "../../../src/issuer/index.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { openIssuer, password } from "../../helpers/tokens/test-issuer.js";

const codeOf = async (login: Promise<unknown>) => ((await rejectionOf(login)) as LoginError).code;

describe("failed logins of one address", () => {
  it("are 20 a minute, whatever the accounts; the next is refused without hashing, and says for how long", async () => {
    const { issuer, hasher, clock } = await openIssuer();
    const address = "192.0.2.1";
    for (let n = 0; n < 20; n++) {
      expect(await codeOf(issuer.login(`user-${n}`, "wrong password", { address }))).to.equal(
        "invalid_credentials",
      );
      clock.advance(100);
    }
    hasher.runs = 0;
    const refused = await rejectionOf(issuer.login("ada", password, { address }));
    expect(refused)
      .to.be.instanceOf(LoginError)
      .and.to.include({ code: "too_many_failures", retryAfter: 58_000 });
    expect(hasher.runs).to.equal(0);
    expect(issuer.counts).to.include({ refusedLogins: 20, limitedLogins: 1 });
    await issuer.login("ada", password, { address: "192.0.2.2" });
    clock.advance(57_999);
    expect(await codeOf(issuer.login("ada", password, { address }))).to.equal("too_many_failures");
    clock.advance(1);
    await issuer.login("ada", password, { address });
  });

  it("are those of its /64, with IPv6, and of no other", async () => {
    const { issuer } = await openIssuer({ failedLoginsPerAddress: 1 });
    await rejectionOf(issuer.login("bob", "wrong password", { address: "2001:db8:1:2:3::1" }));
    expect(
      await codeOf(issuer.login("ada", password, { address: "2001:db8:1:2:ffff::9" })),
    ).to.equal("too_many_failures");
    await issuer.login("ada", password, { address: "2001:db8:1:3::1" });
  });

  it("are not the right ones, however many, nor those that the store kept from being judged", async () => {
    const store = memoryStore();
    const { issuer } = await openIssuer({ store, failedLoginsPerAddress: 2 });
    const address = "192.0.2.1";
    const all = await Promise.all(
      Array.from({ length: 30 }, () => issuer.login("ada", password, { address })),
    );
    expect(all).to.have.length(30);
    const get = store.users.get.bind(store.users);
    store.users.get = () => Promise.reject(new Error("away"));
    for (let n = 0; n < 3; n++)
      expect((await rejectionOf(issuer.login("ada", password, { address }))).name).to.equal(
        "TokenRefusedError",
      );
    store.users.get = get;
    await issuer.login("ada", password, { address });
  });

  it("slip past the limit in no burst", async () => {
    const { issuer, hasher } = await openIssuer({ failedLoginsPerAddress: 3 });
    const logins = Array.from({ length: 30 }, (_, n) =>
      codeOf(issuer.login(`user-${n}`, "wrong password", { address: "192.0.2.1" })),
    );
    const codes = await Promise.all(logins);
    expect(codes.filter((code) => code === "invalid_credentials")).to.have.length(3);
    expect(hasher.runs).to.equal(3);
  });

  it("take no turn from those who wait to have a password hashed", async () => {
    const { issuer, hasher } = await openIssuer({ failedLoginsPerAddress: 1 });
    await rejectionOf(issuer.login("bob", "wrong password", { address: "192.0.2.1" }));
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    hasher.verify = () => released.then(() => false);
    const others = Array.from({ length: 34 }, (_, n) =>
      rejectionOf(issuer.login("ada", password, { address: `198.51.100.${n}` })),
    );
    expect(await codeOf(issuer.login("ada", password, { address: "192.0.2.1" }))).to.equal(
      "too_many_failures",
    );
    expect(await codeOf(issuer.login("ada", password, { address: "192.0.2.2" }))).to.equal("busy");
    release();
    await Promise.all(others);
  });

  it("are not counted with 0, nor without an address", async () => {
    const unlimited = await openIssuer({ failedLoginsPerAddress: Number.POSITIVE_INFINITY });
    const limited = await openIssuer({ failedLoginsPerAddress: 1 });
    for (let n = 0; n < 25; n++) {
      expect(
        await codeOf(unlimited.issuer.login(`user-${n}`, "wrong password", { address: "::1" })),
      ).to.equal("invalid_credentials");
      expect(await codeOf(limited.issuer.login(`user-${n}`, "wrong password"))).to.equal(
        "invalid_credentials",
      );
    }
  });

  it("are limited to a whole number from 0 up", async () => {
    for (const failedLoginsPerAddress of [-1, 1.5, Number.NaN]) {
      expect((await rejectionOf(openIssuer({ failedLoginsPerAddress }))).message).to.include(
        "failedLoginsPerAddress must be a whole number",
      );
    }
  });
});
