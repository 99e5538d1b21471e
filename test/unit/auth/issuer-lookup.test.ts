import { expect } from "chai";
import { IssuerDirectory, type IssuerLookup } from "../../../src/auth/issuer-lookup.js";
import type { FetchDocument } from "../../../src/auth/keys/key-fetching.js";
import type { ProviderOptions } from "../../../src/auth/provider-options.js";
import { createVerifier, type TokenVerifierPorts } from "../../../src/auth/verifier.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { createTestKeys, signToken } from "../../helpers/tokens/tokens.js";
import { noFetch, refusalOf } from "../../helpers/tokens/verification.js";

const minute = 60_000;
const keys = createTestKeys();
const tenant = (name: string) => `https://${name}.tenants.test`;
const optionsOf = (issuer: string): ProviderOptions => ({
  issuer,
  audience: "test",
  publicKey: keys.publicJwk,
});

type Answer = ProviderOptions | null | Promise<ProviderOptions | null>;

/** A verifier whose issuers a function knows, by a clock that moves by hand. */
function rigOf(
  answer: (issuer: string) => Answer = optionsOf,
  more: Partial<TokenVerifierPorts> & { readonly list?: readonly ProviderOptions[] } = {},
) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const signals: AbortSignal[] = [];
  const failures: string[] = [];
  const lookup: IssuerLookup = (issuer, { signal }) => {
    asked.push(issuer);
    signals.push(signal);
    return answer(issuer);
  };
  const { list = [], ...ports } = more;
  const verifier = createVerifier(list, {
    ...{ clock, lookup, fetchDocument: noFetch },
    onLookupFailure: (issuer, detail) => failures.push(`${issuer}: ${detail}`),
    ...ports,
  });
  const tokenOf = (iss: string, claims = {}, header = {}) =>
    signToken(keys, { iat: Math.floor(clock.now() / 1_000), iss, ...claims }, header);
  return { clock, verifier, asked, signals, failures, tokenOf };
}

/** Lets everything happen that happens by itself. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("A function that knows issuers", () => {
  it("is asked once for the options of an unknown issuer, however many tokens come at once", async () => {
    const { verifier, asked, tokenOf } = rigOf(async (issuer) => optionsOf(issuer));
    const tokens = [1, 2, 3, 4].map((n) => tokenOf(tenant("a"), { sub: `user-${n}` }));
    const verified = await Promise.all(tokens.map((token) => verifier.verify(token)));
    expect(verified.map(({ issuer, subject }) => [issuer, subject])).to.deep.equal(
      [1, 2, 3, 4].map((n) => [tenant("a"), `user-${n}`]),
    );
    await verifier.verify(tokenOf(tenant("a")));
    expect(asked).to.deep.equal([tenant("a")]);
    await verifier.verify(tokenOf(tenant("b")));
    expect(asked).to.deep.equal([tenant("a"), tenant("b")]);
  });

  it("is not asked for an issuer of the list, nor for a name that no issuer has", async () => {
    const listed = optionsOf(tenant("listed"));
    const { verifier, asked, tokenOf } = rigOf(() => null, { list: [listed] });
    expect(await verifier.verify(tokenOf(tenant("listed")))).to.include({ subject: "user-1" });
    for (const iss of ["", "x".repeat(513), 7, ["a"], undefined] as never[])
      expect((await refusalOf(verifier.verify(tokenOf(iss)))).code).to.equal("token_invalid");
    expect(asked).to.deep.equal([]);
    const { code, detail } = await refusalOf(verifier.verify(tokenOf("x".repeat(512))));
    expect([code, asked.length]).to.deep.equal(["token_invalid", 1]);
    expect(detail).to.include("and the function auth does not accept it");
  });

  it("refuses for good by null, which is asked again after 30 s", async () => {
    let accepted = false;
    const { clock, verifier, asked, tokenOf } = rigOf((issuer) =>
      accepted ? optionsOf(issuer) : null,
    );
    for (let time = 0; time < 3; time++)
      expect((await refusalOf(verifier.verify(tokenOf(tenant("a"))))).code).to.equal(
        "token_invalid",
      );
    expect(asked).to.have.lengthOf(1);
    accepted = true;
    clock.advance(30_001);
    expect(await verifier.verify(tokenOf(tenant("a")))).to.include({ subject: "user-1" });
    expect(asked).to.have.lengthOf(2);
  });

  it("is asked again after 10 min, and may take an issuer back", async () => {
    let accepted = true;
    const { clock, verifier, asked, tokenOf } = rigOf((issuer) =>
      accepted ? optionsOf(issuer) : null,
    );
    await verifier.verify(tokenOf(tenant("a")));
    accepted = false;
    clock.advance(10 * minute);
    await verifier.verify(tokenOf(tenant("a")));
    expect(asked).to.have.lengthOf(1);
    clock.advance(1);
    expect((await refusalOf(verifier.verify(tokenOf(tenant("a"))))).code).to.equal("token_invalid");
    expect(asked).to.have.lengthOf(2);
  });

  it("must return safe options of the issuer asked for: anything else is logged, and no verdict", async () => {
    const a = tenant("a");
    for (const [given, expected] of [
      [{ ...optionsOf(tenant("b")) }, /was asked for "https:\/\/a\.tenants\.test", and returned/],
      [{ audience: "test", publicKey: keys.publicJwk }, /returned the issuer undefined/],
      [{ ...optionsOf(a), audience: undefined }, /auth\.audience must be/],
      [{ ...optionsOf(a), audiense: "test" }, /did you mean "audience"/],
      [{ ...optionsOf(a), publicKey: undefined, jwks: "http://a.test/keys" }, /neither https/],
      [{ ...optionsOf(a), renew: "no" }, /auth\.renew must be a function/],
      [{ ...optionsOf(a), maxTokenLength: 16_385 }, /raise limits\.openFrameBytes/],
      [undefined, /must return the options of an issuer, or null/],
      ["https://a.tenants.test", /must return the options of an issuer, or null/],
      [[optionsOf(a)], /must return the options of an issuer, or null/],
    ] as const) {
      const { verifier, failures, tokenOf } = rigOf(() => given as never);
      const { code, detail, retryAfter } = await refusalOf(verifier.verify(tokenOf(a)));
      expect([code, retryAfter], String(expected)).to.deep.equal(["auth_unavailable", 1_000]);
      expect(detail).to.match(expected);
      expect(failures).to.have.lengthOf(1);
    }
  });

  it("that hangs or throws is no verdict: it gets 5 s, then is asked again after 1 s, 2 s, 4 s …", async () => {
    let answer: (issuer: string) => Answer = () => new Promise(() => {});
    const { clock, verifier, asked, signals, failures, tokenOf } = rigOf((issuer) =>
      answer(issuer),
    );
    const hung = refusalOf(verifier.verify(tokenOf(tenant("a"))));
    await settle();
    expect(signals[0]?.aborted).to.equal(false);
    clock.advance(5_000);
    expect((await hung).code).to.equal("auth_unavailable");
    expect(signals[0]?.aborted).to.equal(true);
    answer = () => {
      throw new Error("no database");
    };
    for (const [wait, calls] of [
      [999, 1],
      [1, 2],
      [1_999, 2],
      [1, 3],
    ] as const) {
      clock.advance(wait);
      expect((await refusalOf(verifier.verify(tokenOf(tenant("a"))))).code).to.equal(
        "auth_unavailable",
      );
      expect(asked, `${wait} ms later`).to.have.lengthOf(calls);
    }
    expect(failures.at(-1)).to.equal("https://a.tenants.test: no database");
    answer = optionsOf;
    clock.advance(4_000);
    expect(await verifier.verify(tokenOf(tenant("a")))).to.include({ subject: "user-1" });
    expect(clock.pending, "no timer is left").to.equal(0);
  });

  it("that fails later leaves a known issuer as it was for an hour, and nobody waits for it", async () => {
    let answer: (issuer: string) => Answer = optionsOf;
    const { clock, verifier, tokenOf } = rigOf((issuer) => answer(issuer));
    await verifier.verify(tokenOf(tenant("a")));
    answer = () => Promise.reject(new Error("no database"));
    clock.advance(10 * minute + 1);
    await verifier.verify(tokenOf(tenant("a")));
    answer = () => new Promise(() => {});
    clock.advance(minute);
    await verifier.verify(tokenOf(tenant("a"))); // hangs the test if it waited
    clock.advance(59 * minute - 1);
    await verifier.verify(tokenOf(tenant("a")));
    answer = () => Promise.reject(new Error("no database"));
    clock.advance(minute);
    expect((await refusalOf(verifier.verify(tokenOf(tenant("a"))))).code).to.equal(
      "auth_unavailable",
    );
  });

  it("lets an issuer keep the keys that it has when it is asked again while they can't be fetched", async () => {
    let isUp = true;
    const fetchDocument: FetchDocument = async () => {
      if (!isUp) throw new Error("down");
      return JSON.stringify({ keys: [keys.publicJwk] });
    };
    let jwks = "https://a.tenants.test/keys";
    const { clock, verifier, tokenOf } = rigOf(
      (issuer) => ({ issuer, audience: "test", jwks, scopes: () => ["fresh"] }),
      { fetchDocument },
    );
    await verifier.verify(tokenOf(tenant("a")));
    isUp = false;
    clock.advance(10 * minute + 1);
    expect(await verifier.verify(tokenOf(tenant("a")))).to.include({ subject: "user-1" });
    jwks = "https://a.tenants.test/other-keys";
    clock.advance(10 * minute + 1);
    expect((await refusalOf(verifier.verify(tokenOf(tenant("a"))))).code).to.equal(
      "auth_unavailable",
    );
  });

  it("gives its sessions its own renew", async () => {
    const renew = async () => ({ token: "t", refreshToken: "r" });
    const { verifier, tokenOf } = rigOf((issuer) => ({ ...optionsOf(issuer), renew }));
    const verified = await verifier.verify(tokenOf(tenant("a")));
    expect(verifier.renewerOf(verified)).to.equal(renew);
    const { verifier: other, tokenOf: otherToken } = rigOf();
    expect(other.renewerOf(await other.verify(otherToken(tenant("a"))))).to.equal(undefined);
  });

  it("does not make the server unready, whatever is wrong with a tenant's keys", async () => {
    const { verifier, tokenOf } = rigOf((issuer) => ({ issuer, audience: "test" }), {
      fetchDocument: async () => {
        throw new Error("down");
      },
    });
    expect((await refusalOf(verifier.verify(tokenOf(tenant("a"))))).code).to.equal(
      "auth_unavailable",
    );
    expect(await verifier.isReady()).to.equal(true);
  });
});

describe("Made-up issuers", () => {
  it("cause at most 200 look-ups at once and 50 a second, and a peer 50 and 5", async () => {
    const { clock, verifier, asked, tokenOf } = rigOf(() => null);
    const present = (peer: string, n: number) =>
      refusalOf(verifier.verify(tokenOf(tenant(`made-up-${n}`)), peer));
    let n = 0;
    const codes: string[] = [];
    for (let time = 0; time < 100; time++) codes.push((await present("one", n++)).code);
    expect(codes.filter((code) => code === "token_invalid")).to.have.lengthOf(50);
    expect(codes.filter((code) => code === "auth_unavailable")).to.have.lengthOf(50);
    for (let peer = 0; peer < 1_000; peer++) await present(`peer-${peer}`, n++);
    expect(asked).to.have.lengthOf(200);
    const { retryAfter } = await present("late", n++);
    expect(retryAfter).to.be.within(1, 20);
    clock.advance(1_000);
    for (let peer = 0; peer < 1_000; peer++) await present(`later-${peer}`, n++);
    expect(asked).to.have.lengthOf(250);
    clock.advance(1_000);
    for (let time = 0; time < 100; time++) await present("one", n++);
    expect(asked, "the bucket of one peer fills by 5 a second").to.have.lengthOf(260);
  });

  it("that hang have 64 places, of which a peer gets 16, and others still come in", async () => {
    const { clock, verifier, asked, tokenOf } = rigOf((issuer) =>
      issuer.includes("slow") ? new Promise(() => {}) : optionsOf(issuer),
    );
    let n = 0;
    const slow = (peer: string) => refusalOf(verifier.verify(tokenOf(tenant(`slow-${n++}`)), peer));
    const pending = Array.from({ length: 40 }, () => slow("one"));
    await settle();
    expect(asked).to.have.lengthOf(16);
    expect(await verifier.verify(tokenOf(tenant("a")), "two")).to.include({ subject: "user-1" });
    for (let peer = 0; peer < 8; peer++)
      pending.push(...Array.from({ length: 20 }, () => slow(`peer-${peer}`)));
    await settle();
    expect(asked).to.have.lengthOf(65);
    expect(await verifier.verify(tokenOf(tenant("a")), "three"), "known").to.include({
      subject: "user-1",
    });
    clock.advance(5_000);
    for (const { code } of await Promise.all(pending)) expect(code).to.equal("auth_unavailable");
    expect(await verifier.verify(tokenOf(tenant("b")), "four")).to.include({ subject: "user-1" });
  });

  it("drive out no issuer of which a token was accepted, nor keep it from being asked for again", async () => {
    const { clock, verifier, asked, tokenOf } = rigOf((issuer) =>
      issuer.includes("made-up") ? { ...optionsOf(issuer), publicKey: other } : optionsOf(issuer),
    );
    const other = createTestKeys().publicJwk;
    await verifier.verify(tokenOf(tenant("a")), "honest");
    let n = 0;
    for (let second = 0; second < 60; second++) {
      for (let peer = 0; peer < 60; peer++)
        await refusalOf(verifier.verify(tokenOf(tenant(`made-up-${n++}`)), `peer-${peer}`));
      clock.advance(1_000);
    }
    const before = asked.length;
    expect(before).to.be.within(2_500, 3_300); // far more than places
    await verifier.verify(tokenOf(tenant("a")), "honest");
    expect(asked).to.have.lengthOf(before);
    clock.advance(10 * minute);
    for (let peer = 0; peer < 300; peer++)
      await refusalOf(verifier.verify(tokenOf(tenant(`made-up-${n++}`)), `peer-${peer}`));
    const exhausted = await refusalOf(verifier.verify(tokenOf(tenant("new")), "late"));
    expect(exhausted.code).to.equal("auth_unavailable");
    await verifier.verify(tokenOf(tenant("a")), "honest");
    expect(asked.at(-1)).to.equal(tenant("a"));
  });
});

describe("What is remembered of issuers", () => {
  const directoryOf = (answer: (issuer: string) => Answer = optionsOf) => {
    const clock = new ManualClock();
    return {
      clock,
      directory: new IssuerDirectory(answer, { clock, fetchDocument: noFetch }),
    };
  };
  const find = async (directory: IssuerDirectory, name: string) =>
    (await directory.find(tenant(name), `peer of ${name}`)) ?? expect.fail("not accepted");

  it("is 1,000 with an accepted token, the latest, and 1,000 others, however many there are", async () => {
    const { clock, directory } = directoryOf();
    for (let n = 0; n < 1_100; n++) {
      directory.prove(tenant(`proven-${n}`), await find(directory, `proven-${n}`));
      clock.advance(20);
    }
    expect(directory.size).to.equal(1_000);
    for (let n = 0; n < 1_100; n++) {
      await find(directory, `other-${n}`);
      clock.advance(20);
    }
    expect(directory.size).to.equal(2_000);
  });

  it("is not what the function has taken back while a token was verified", async () => {
    let accepted = true;
    const { clock, directory } = directoryOf((issuer) => (accepted ? optionsOf(issuer) : null));
    const found = await find(directory, "a");
    accepted = false;
    clock.advance(10 * minute + 1);
    expect(await directory.find(tenant("a"), "")).to.equal(null);
    directory.prove(tenant("a"), found);
    expect(await directory.find(tenant("a"), "")).to.equal(null);
  });
});
