import { expect } from "chai";
import { createIssuer, LoginError, memoryStore } from "../../src/issuer/index.js";
import { password } from "../helpers/tokens/test-issuer.js";

const others = Array.from({ length: 25 }, (_, n) => `user-${n}`);

/** With argon2id, as in production. */
async function openWithUsers() {
  const issuer = await createIssuer({
    issuer: "http://localhost:8080",
    audience: "jotwire",
    store: memoryStore(),
  });
  await issuer.users.add("ada", password);
  const [first] = await Promise.all([issuer.store.users.get("ada")]);
  for (const username of others)
    if (first !== undefined) await issuer.store.users.add({ ...first, username });
  return issuer;
}

async function outcomeOf(login: Promise<unknown>): Promise<string> {
  return login.then(
    () => "granted",
    (error: unknown) => (error instanceof LoginError ? error.code : String(error)),
  );
}

describe("A user who logs in rightly 64 times at once", () => {
  for (const [whence, addressOf] of [
    ["at the same address", () => "192.0.2.1"],
    ["elsewhere", (n: number) => `198.51.100.${n}`],
  ] as const) {
    it(`costs none of 25 others ${whence} a login`, async () => {
      const issuer = await openWithUsers();
      const flood = Array.from({ length: 64 }, () =>
        outcomeOf(issuer.login("ada", password, { address: "192.0.2.1" })),
      );
      // all of them are there before the others
      await new Promise((resolve) => setImmediate(resolve));
      const logins = others.map((username, n) =>
        outcomeOf(issuer.login(username, password, { address: addressOf(n) })),
      );
      expect(await Promise.all(logins)).to.deep.equal(others.map(() => "granted"));
      const outcomes = await Promise.all(flood);
      expect(new Set(outcomes)).to.deep.equal(new Set(["granted", "busy"]));
      await issuer.close();
    });
  }
});
