import { expect } from "chai";
import type { FetchDocument } from "../../../src/auth/keys/key-fetching.js";
import { createVerifier, type Verifier } from "../../../src/auth/verifier.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { createTestKeys, signToken, type TestKeys } from "../../helpers/tokens/tokens.js";
import { reasonOf, refusalOf } from "../../helpers/tokens/verification.js";

const first = createTestKeys("ES256", "k1");
const second = createTestKeys("ES256", "k2");

const settled = () => new Promise((resolve) => setImmediate(resolve));

/**
 * A pretended identity provider: what it publishes, whether it answers, and how often it was asked.
 */
class Provider {
  readonly clock = new ManualClock();
  readonly verifier: Verifier;
  published: readonly TestKeys[] = [first];
  isUp = true;
  fetches = 0;

  constructor() {
    const issuer = { issuer: "https://id.test", audience: "test", jwks: "https://id.test/jwks" };
    this.verifier = createVerifier([issuer], { clock: this.clock, fetchDocument: this.#fetch });
  }

  verify(
    keys: TestKeys,
    header: Readonly<Record<string, unknown>> = {},
    peer?: string,
  ): Promise<unknown> {
    return this.verifier.verify(this.token(keys, header), peer);
  }

  token(keys: TestKeys, header: Readonly<Record<string, unknown>> = {}): string {
    return signToken(keys, { iat: this.clock.now() / 1_000 - 1 }, header);
  }

  readonly #fetch: FetchDocument = async () => {
    this.fetches += 1;
    await new Promise((resolve) => setImmediate(resolve));
    if (!this.isUp) throw new Error("connection refused");
    return JSON.stringify({ keys: this.published.map(({ publicJwk }) => publicJwk) });
  };
}

describe("a fetched key set", () => {
  it("is fetched when the first token comes, once for all that come together", async () => {
    const provider = new Provider();
    expect(provider.fetches).to.equal(0);
    await Promise.all(Array.from({ length: 100 }, () => provider.verify(first)));
    expect(provider.fetches).to.equal(1);
  });

  it("is used for ten minutes, then fetched anew, so a removed key stops verifying", async () => {
    const provider = new Provider();
    await provider.verify(first);
    provider.published = [second];
    provider.clock.advance(600_000);
    await provider.verify(first);
    expect(provider.fetches).to.equal(1);
    provider.clock.advance(1);
    expect(await reasonOf(provider.verify(first))).to.equal("token_invalid");
    await provider.verify(second);
  });

  it("is fetched anew for an unknown kid, at most every 30 s", async () => {
    const provider = new Provider();
    await provider.verify(first);
    provider.published = [first, second];
    await provider.verify(second);
    expect(provider.fetches).to.equal(2);

    for (let i = 0; i < 50; i++)
      expect(await refusalOf(provider.verify(first, { kid: `unknown-${i}` }))).to.include({
        code: "auth_unavailable",
        retryAfter: 30_000,
      });
    provider.clock.advance(29_999);
    expect(await refusalOf(provider.verify(first, { kid: "unknown" }))).to.include({
      code: "auth_unavailable",
      retryAfter: 1,
    });
    expect(provider.fetches).to.equal(2);
    provider.clock.advance(1);
    expect(await reasonOf(provider.verify(first, { kid: "unknown" }))).to.equal("token_invalid");
    expect(provider.fetches).to.equal(3);
  });

  it("is fetched once for many tokens of a new key, and they all wait for it", async () => {
    const provider = new Provider();
    await provider.verify(first);
    provider.published = [first, second];
    const tokens = Array.from({ length: 100 }, () => provider.verify(second));
    expect(await Promise.all(tokens)).to.have.length(100);
    expect(provider.fetches).to.equal(2);
  });

  it("that could not be had for an unknown kid is asked for as the back-off says, and from then on every 30 s again", async () => {
    const provider = new Provider();
    await provider.verify(first);
    provider.published = [first, second];
    provider.isUp = false;
    expect(await reasonOf(provider.verify(second))).to.equal("auth_unavailable");
    provider.isUp = true;
    provider.clock.advance(999);
    expect(await reasonOf(provider.verify(second))).to.equal("auth_unavailable");
    expect(provider.fetches).to.equal(2);
    provider.clock.advance(1);
    await provider.verify(second);
    expect(provider.fetches).to.equal(3);
    provider.clock.advance(28_999);
    expect(await reasonOf(provider.verify(second, { kid: "unknown" }))).to.equal(
      "auth_unavailable",
    );
    expect(provider.fetches).to.equal(3);
    provider.clock.advance(1);
    expect(await reasonOf(provider.verify(second, { kid: "unknown" }))).to.equal("token_invalid");
    expect(provider.fetches).to.equal(4);
  });

  it("is fetched at most twice for 10,000 random kids in ten seconds", async () => {
    const provider = new Provider();
    const header = (kid: number) => ({ kid: `random-${kid}` });
    const prepared = Array.from({ length: 10_000 }, (_, kid) =>
      signToken(first, { iat: provider.clock.now() / 1_000 }, header(kid)),
    );
    for (let batch = 0; batch < 10; batch++) {
      const tokens = prepared.slice(batch * 1_000, batch * 1_000 + 1_000);
      const reasons = await Promise.all(
        tokens.map((token) => reasonOf(provider.verifier.verify(token))),
      );
      expect(new Set(reasons)).to.deep.equal(
        new Set([batch === 0 ? "token_invalid" : "auth_unavailable"]),
      ); // a set was fetched after it came
      provider.clock.advance(1_000);
    }
    expect(provider.fetches).to.equal(2);
  });

  it("is fetched at most six times for 10,000 random kids in ten seconds, each from an address of its own", async () => {
    const provider = new Provider();
    for (let second = 0; second < 10; second++) {
      for (let n = 0; n < 1_000; n++)
        await reasonOf(
          provider.verify(first, { kid: `random-${second}-${n}` }, `peer ${second}-${n}`),
        );
      provider.clock.advance(1_000);
    }
    expect(provider.fetches).to.be.within(5, 6);
  });

  it("that one peer had fetched for a made-up kid is fetched for others at once when the issuer rotates its keys", async () => {
    const provider = new Provider();
    await provider.verify(first);
    expect(await reasonOf(provider.verify(first, { kid: "made up" }, "attacker"))).to.equal(
      "token_invalid",
    );
    provider.published = [second];
    provider.clock.advance(5_000);
    await provider.verify(second, {}, "somebody");
    await provider.verify(second, {}, "attacker");
    expect(provider.fetches).to.equal(3);
  });

  it("is fetched for a new key after 7.5 s at most, however many peers make kids up, and until then its tokens are not refused for good", async () => {
    const provider = new Provider();
    await provider.verify(first);
    for (let n = 0; n < 20; n++)
      await reasonOf(provider.verify(first, { kid: `made up ${n}` }, `attacker ${n}`));
    provider.published = [second];
    const token = provider.token(second);
    provider.clock.advance(500);
    const { code, retryAfter = 0 } = await refusalOf(provider.verifier.verify(token, "somebody"));
    expect([code, retryAfter]).to.deep.equal(["auth_unavailable", 7_000]);
    provider.clock.advance(7_000);
    await provider.verifier.verify(token, "somebody");
  });

  it("makes tokens of a withdrawn key invalid when it is fetched after they were presented, without a fetch for each", async () => {
    const provider = new Provider();
    await provider.verify(first);
    const tokens = Array.from({ length: 100 }, () => provider.token(first));
    provider.published = [second];
    await provider.verify(second); // uses up the fetch of those who have no name
    for (const token of tokens)
      expect(await reasonOf(provider.verifier.verify(token))).to.equal("auth_unavailable");
    expect(await reasonOf(provider.verify(second, { kid: "made up" }, "another"))).to.equal(
      "token_invalid",
    );
    for (const token of tokens)
      expect(await reasonOf(provider.verifier.verify(token))).to.equal("token_invalid");
    expect(provider.fetches).to.equal(3);
  });

  it("decides nothing about tokens of a key whose kid somebody else has guessed before it was published", async () => {
    const provider = new Provider();
    await provider.verify(first);
    for (const peer of ["attacker 1", "attacker 1", "attacker 2"])
      await reasonOf(provider.verify(first, { kid: "k2" }, peer));
    await reasonOf(provider.verify(first, { kid: "x" }, "attacker 3"));
    await reasonOf(provider.verify(first, { kid: "x" }, "attacker 4"));
    provider.published = [second];
    expect(await reasonOf(provider.verify(second, {}, "somebody"))).to.equal("auth_unavailable");
    provider.clock.advance(7_500);
    await provider.verify(second, {}, "somebody");
  });

  it("that was asked for before a token was presented does not make it invalid: it is asked for once more", async () => {
    const clock = new ManualClock();
    const answers: ((text: string) => void)[] = [];
    const setOf = (...keys: TestKeys[]) =>
      JSON.stringify({ keys: keys.map(({ publicJwk }) => publicJwk) });
    const issuer = { issuer: "https://id.test", audience: "test", jwks: "https://id.test/jwks" };
    const verifier = createVerifier([issuer], {
      clock,
      fetchDocument: () => new Promise((resolve) => answers.push(resolve)),
    });
    const token = (keys: TestKeys) => signToken(keys, { iat: clock.now() / 1_000 - 1 });
    const early = verifier.verify(token(first), "a");
    // the set that comes first was made before it
    const late = settled().then(() => verifier.verify(token(second), "b"));
    await settled();
    await settled();
    answers[0]?.(setOf(first));
    await early;
    while (answers.length < 2) await settled();
    answers[1]?.(setOf(first, second));
    await late;
    expect(answers).to.have.length(2);
  });

  it("remembers no more than 1,024 tokens that could not be judged", async () => {
    const provider = new Provider();
    await provider.verify(first);
    const withdrawn = provider.token(first);
    provider.published = [second];
    await provider.verify(second);
    expect(await reasonOf(provider.verifier.verify(withdrawn))).to.equal("auth_unavailable");
    for (let n = 0; n < 1_024; n++)
      await reasonOf(provider.verify(second, { kid: `made up ${n}` }));
    await reasonOf(provider.verify(second, { kid: "made up" }, "another"));
    expect(
      await reasonOf(provider.verifier.verify(withdrawn)),
      "it counts as presented for the first time",
    ).to.equal("auth_unavailable");
  });

  it("verifies on while the provider is down, with no more than 8 fetches in the first two minutes", async () => {
    const provider = new Provider();
    await provider.verify(first);
    provider.clock.advance(600_001);
    provider.isUp = false;
    provider.fetches = 0;
    for (let tenth = 0; tenth < 1_200; tenth++) {
      await provider.verify(first);
      if (tenth % 10 === 0)
        expect(await reasonOf(provider.verify(first, { kid: "unknown" }))).to.equal(
          "auth_unavailable",
        );
      provider.clock.advance(100);
    }
    expect(provider.fetches).to.be.within(5, 8);
  });

  it("verifies for an hour after the provider went down, and then says that there are no keys", async () => {
    const provider = new Provider();
    await provider.verify(first);
    provider.isUp = false;
    provider.clock.advance(600_000 + 3_600_000);
    await provider.verify(first);
    provider.clock.advance(1);
    expect(await refusalOf(provider.verify(first))).to.include({
      code: "auth_unavailable",
      detail: "the issuer's keys can't be had: connection refused",
    });
    provider.isUp = true;
    provider.clock.advance(60_000);
    await provider.verify(first);
  });

  it("is not waited for while the last fetch failed: the last good set answers at once", async () => {
    const clock = new ManualClock();
    let answer: () => Promise<string> = async () => JSON.stringify({ keys: [first.publicJwk] });
    const issuer = { issuer: "https://id.test", audience: "test", jwks: "https://id.test/jwks" };
    const verifier = createVerifier([issuer], { clock, fetchDocument: () => answer() });
    const verify = () => verifier.verify(signToken(first, { iat: clock.now() / 1_000 - 1 }));
    await verify();
    clock.advance(600_001);
    answer = () => Promise.reject(new Error("down"));
    await verify();
    clock.advance(60_000);
    answer = () => new Promise(() => {}); // hangs
    await verify();
  });

  it("that can't be had at first is asked for at a doubling distance, up to a minute", async () => {
    const provider = new Provider();
    provider.isUp = false;
    const at: number[] = [];
    for (let second = 0; second < 250; second++) {
      const before = provider.fetches;
      expect(await reasonOf(provider.verify(first))).to.equal("auth_unavailable");
      if (provider.fetches > before) at.push(second);
      provider.clock.advance(1_000);
    }
    expect(at).to.deep.equal([0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
    provider.isUp = true;
    provider.clock.advance(60_000);
    await provider.verify(first);
  });

  it("that is broken or unsafe is refused, and the last good one serves on", async () => {
    const clock = new ManualClock();
    let text = JSON.stringify({ keys: [first.publicJwk] });
    const issuer = { issuer: "https://id.test", audience: "test", jwks: "https://id.test/jwks" };
    const failures: string[] = [];
    const onKeyFailure = (iss: string, detail: string) => failures.push(`${iss}: ${detail}`);
    const verifier = createVerifier([issuer], {
      clock,
      fetchDocument: async () => text,
      onKeyFailure,
    });
    const verify = () => verifier.verify(signToken(first, { iat: clock.now() / 1_000 - 1 }));
    await verify();
    const leaked = { ...second.privateKey.export({ format: "jwk" }), kid: "k2" };
    for (const broken of [
      "<html>",
      "[]",
      '{"keys":[],"keys":[]}',
      `{"keys":${"[".repeat(1_000)}`,
      JSON.stringify({ keys: [leaked] }),
    ]) {
      clock.advance(600_001);
      text = broken;
      await verify();
      text = JSON.stringify({ keys: [first.publicJwk] });
      clock.advance(60_000);
      await verify();
    }
    expect(failures).to.have.length(5);
    expect(failures[4]).to.match(
      /^https:\/\/id.test: no key of the set can be used: it is a private or symmetric key/,
    );
  });

  it("of one issuer never verifies another's tokens", async () => {
    const clock = new ManualClock();
    const asked: string[] = [];
    const impostor = { ...second, kid: "k1", publicJwk: { ...second.publicJwk, kid: "k1" } };
    const fetchDocument: FetchDocument = async ({ host }) => {
      asked.push(host);
      return JSON.stringify({ keys: [host === "a.test" ? first.publicJwk : impostor.publicJwk] });
    };
    const issuers = ["a", "b"].map((name) => ({
      issuer: `https://${name}.test`,
      audience: "test",
      jwks: `https://${name}.test/jwks`,
    }));
    const verifier = createVerifier(issuers, { clock, fetchDocument });
    const verify = (keys: TestKeys, iss: unknown) =>
      verifier.verify(signToken(keys, { iat: clock.now() / 1_000, iss }));
    await verify(first, "https://a.test");
    await verify(impostor, "https://b.test");
    expect(await reasonOf(verify(impostor, "https://a.test"))).to.equal("token_invalid");
    expect(await reasonOf(verify(first, "https://b.test"))).to.equal("token_invalid");

    asked.length = 0;
    const strangers = [
      "https://a.test/",
      "HTTPS://A.TEST",
      "https://A.test",
      "__proto__",
      "constructor",
      ["https://a.test"],
      null,
      undefined,
      5,
    ];
    for (const iss of strangers)
      expect(await reasonOf(verify(first, iss)), String(iss)).to.equal("token_invalid");
    expect(asked).to.deep.equal([]);
  });

  it("is asked for by no token whose alg is not accepted, and by one whose alg is", async () => {
    const provider = new Provider();
    for (const alg of ["HS256", "none", "es256", "RS1"]) {
      expect(await reasonOf(provider.verify(first, { alg })), alg).to.equal("token_invalid");
    }
    expect(provider.fetches).to.equal(0);
    await provider.verify(first);
    expect(provider.fetches).to.equal(1);
  });
});

describe("readiness", () => {
  it("is reached when every issuer has a key set, and asks for those that are missing", async () => {
    const provider = new Provider();
    provider.isUp = false;
    expect(await provider.verifier.isReady()).to.equal(false);
    provider.isUp = true;
    expect(await provider.verifier.isReady()).to.equal(false); // still backing off
    provider.clock.advance(1_000);
    expect(await provider.verifier.isReady()).to.equal(true);
    expect(provider.fetches).to.equal(2);
    provider.isUp = false;
    provider.clock.advance(600_001);
    expect(await provider.verifier.isReady()).to.equal(true);
  });
});

describe("the embedded issuer's key set", () => {
  it("is read anew at once for an unknown kid, and a withdrawn key stops within a second", async () => {
    const clock = new ManualClock();
    let published = [first];
    const keys = async () => ({ keys: published.map(({ publicJwk }) => publicJwk) });
    const verifier = createVerifier([{ issuer: "https://id.test", audience: "test", keys }], {
      clock,
      fetchDocument: () => keys().then(String),
    });
    const verify = (signer: TestKeys) =>
      verifier.verify(signToken(signer, { iat: clock.now() / 1_000 - 1 }));
    const third = createTestKeys("ES256", "k3");
    await verify(first);
    published = [first, second];
    await verify(second);
    published = [second, third];
    await verify(third);
    expect(await reasonOf(verify(first))).to.equal("token_invalid");
    published = [third];
    clock.advance(1_001);
    expect(await reasonOf(verify(second))).to.equal("token_invalid");
  });
});
