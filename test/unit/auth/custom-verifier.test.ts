import { expect } from "chai";
import { CustomVerifier, type CustomVerifierOptions } from "../../../src/auth/custom-verifier.js";
import { TokenRefusedError } from "../../../src/auth/refusal.js";
import { createVerifier } from "../../../src/auth/verifier.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { createTestKeys, signToken } from "../../helpers/tokens/tokens.js";
import { noFetch, refusalOf } from "../../helpers/tokens/verification.js";

const clock = () => new ManualClock();
const start = new ManualClock().now();
const session = { subject: "ada", expiresAt: start + 60_000 };

function rigOf(verify: CustomVerifierOptions["verify"], options = {}) {
  const [time, failures] = [clock(), [] as string[]];
  const ports = {
    clock: time,
    onVerifyFailure: (issuer: string, detail: string) => failures.push(`${issuer}: ${detail}`),
  };
  const custom = new CustomVerifier({ verify, ...options }, ports);
  return { clock: time, custom, failures };
}

const answering = (answer: unknown) => rigOf((() => answer) as never);

describe("A verify of the application", () => {
  it("says whose token it is, until when, with which scopes and claims", async () => {
    const { custom } = rigOf(
      async () => ({
        ...session,
        scopes: ["read", "write", "read"],
        claims: { plan: "pro" },
        issuedAt: new Date(start - 1_000),
        ...{ tokenId: "t1", sessionId: "s1", clientId: "c1" },
        ...{ acrValues: ["mfa", "mfa"], authenticatedAt: new Date(start - 9_000) },
      }),
      { issuer: "api-keys" },
    );
    const verified = await custom.verify("key_1", "");
    expect(verified).to.deep.include({
      ...{ issuer: "api-keys", subject: "ada", scopes: ["read", "write"], claims: { plan: "pro" } },
      ...{ expiresAt: start + 60_000, issuedAt: start - 1_000 },
      ...{ tokenId: "t1", sessionId: "s1", clientId: "c1" },
      ...{ acrValues: ["mfa"], authenticatedAt: start - 9_000 },
    });
    expect(Object.isFrozen(verified) && Object.isFrozen(verified?.claims)).to.equal(true);
  });

  it("needs no more than subject and expiresAt, as a Date too", async () => {
    for (const expiresAt of [start + 1, new Date(start + 1)]) {
      const { custom } = answering({ subject: "ada", expiresAt });
      expect(await custom.verify("key_1", "")).to.deep.include({
        ...{ issuer: "custom", subject: "ada", scopes: [], claims: {}, expiresAt: start + 1 },
        ...{ issuedAt: undefined, tokenId: undefined, sessionId: undefined, clientId: undefined },
        ...{ acrValues: [], authenticatedAt: undefined },
      });
    }
  });

  it("gives another fingerprint to another token, and to the same token with another expiry", async () => {
    let expiresAt = start + 1;
    const { custom } = rigOf(() => ({ subject: "ada", expiresAt }));
    const fingerprint = async (token: string) => (await custom.verify(token, ""))?.fingerprint;
    const first = await fingerprint("key_1");
    expect(await fingerprint("key_1")).to.equal(first);
    expect(await fingerprint("key_2")).to.not.equal(first);
    expiresAt++;
    expect(await fingerprint("key_1")).to.not.equal(first);
  });

  it("refuses by null, or with a reason of its own", async () => {
    expect(await answering(null).custom.verify("key_1", "")).to.equal(null);
    const { custom, failures } = rigOf(() => {
      throw new TokenRefusedError("token_revoked", "the key was withdrawn");
    });
    const { code, detail } = await refusalOf(custom.verify("key_1", ""));
    expect([code, detail, failures]).to.deep.equal(["token_revoked", "the key was withdrawn", []]);
  });

  it("that says expiresAt is over refuses the token as expired", async () => {
    const { custom } = answering({ subject: "ada", expiresAt: start });
    expect((await refusalOf(custom.verify("key_1", ""))).code).to.equal("token_expired");
  });

  it("must give a whole answer: anything else is logged, and no verdict", async () => {
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    for (const [answer, expected] of [
      [undefined, /must return \{ subject/],
      [true, /must return \{ subject/],
      [[session], /must return \{ subject/],
      [{ expiresAt: start + 1 }, /subject must be a string/],
      [{ ...session, subject: "" }, /subject must be a string/],
      [{ ...session, subject: "x".repeat(256) }, /subject must be a string/],
      [{ ...session, subject: "\ud800" }, /subject must be a string/],
      [{ subject: "ada" }, /expiresAt must be .* not undefined; for a token that does not expire/],
      [{ ...session, expiresAt: Number.POSITIVE_INFINITY }, /not Infinity; for a token/],
      [{ ...session, expiresAt: Number.NaN }, /not NaN/],
      [{ ...session, expiresAt: new Date(Number.NaN) }, /not NaN/],
      [{ ...session, expiresAt: start / 1_000 }, /milliseconds since 1970/],
      [{ ...session, expiresAt: "2030-01-01" }, /not 2030-01-01/],
      [{ ...session, scopes: "read" }, /scopes must be a list/],
      [{ ...session, scopes: [1] }, /scopes must be a list/],
      [{ ...session, claims: [] }, /claims must be an object/],
      [{ ...session, claims: cyclic }, /circular/i],
      [{ ...session, claims: { big: 1n } }, /BigInt/],
      [{ ...session, issuedAt: "today" }, /issuedAt must be/],
      [{ ...session, tokenId: 1 }, /tokenId must be/],
      [{ ...session, tokenId: "key_1" }, /tokenId must not be the token itself/],
      [{ ...session, sessionId: "" }, /sessionId must be/],
      [{ ...session, acrValues: "mfa" }, /acrValues must be a list/],
      [{ ...session, authenticatedAt: start / 1_000 }, /authenticatedAt must be a Date/],
    ] as const) {
      const { custom, failures } = answering(answer);
      const { code, detail, retryAfter } = await refusalOf(custom.verify("key_1", ""));
      expect([code, retryAfter], String(expected)).to.deep.equal(["auth_unavailable", 1_000]);
      expect(detail).to.match(expected);
      expect(failures, String(expected)).to.have.lengthOf(1);
    }
  });

  it("never has its token in a refusal or a log line, whatever it throws", async () => {
    const token = "key/1+2=";
    for (const text of [token, `GET /keys/${encodeURIComponent(token)} failed`])
      for (const error of [new Error(text), new TokenRefusedError("token_invalid", text)]) {
        const { custom, failures } = rigOf(() => Promise.reject(error));
        const { code, detail, message } = await refusalOf(custom.verify(token, ""));
        expect(code).to.equal(
          error instanceof TokenRefusedError ? "token_invalid" : "auth_unavailable",
        );
        for (const said of [detail, message, ...failures]) {
          expect(said).to.include("quotes the token");
          expect(said).to.not.include("key/1").and.not.include("key%2F1");
        }
      }
  });

  it("gets 10 s, and hears by its signal that they are over", async () => {
    let signal: AbortSignal | undefined;
    const { custom, clock, failures } = rigOf((_token, context) => {
      signal = context.signal;
      return new Promise(() => {});
    });
    const refusal = refusalOf(custom.verify("key_1", ""));
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(9_999);
    expect(signal?.aborted).to.equal(false);
    clock.advance(1);
    expect((await refusal).code).to.equal("auth_unavailable");
    expect([signal?.aborted, failures, clock.pending]).to.deep.equal([
      true,
      ["custom: verify has not settled within 10 s"],
      0,
    ]);
  });

  it("that is slow holds 256 tokens, of which a peer gets 64; the next ones come again later", async () => {
    let calls = 0;
    const { custom, clock } = rigOf(() => {
      calls++;
      return new Promise(() => {});
    });
    const pending = Array.from({ length: 100 }, () => refusalOf(custom.verify("key_1", "one")));
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls).to.equal(64);
    for (let peer = 0; peer < 10; peer++)
      for (let time = 0; time < 30; time++)
        pending.push(refusalOf(custom.verify("key_1", `peer-${peer}`)));
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls).to.equal(256);
    clock.advance(10_000);
    for (const { code } of await Promise.all(pending)) expect(code).to.equal("auth_unavailable");
    const again = refusalOf(custom.verify("key_1", "one"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls, "no place is lost").to.equal(257);
    clock.advance(10_000);
    await again;
  });

  it("sees no token that is too long, or has white space, control or other characters", async () => {
    let calls = 0;
    const verify = () => {
      calls++;
      return session;
    };
    const { custom } = rigOf(verify, { maxTokenLength: 8 });
    for (const token of ["123456789", "", "a b", "a\u0000b", "kéy", "a\tb"])
      expect((await refusalOf(custom.verify(token, ""))).code, JSON.stringify(token)).to.equal(
        "token_invalid",
      );
    expect(calls).to.equal(0);
    expect(await custom.verify("12345678", "")).to.include({ subject: "ada" });
  });

  it("is refused at the start when its options can't be used", () => {
    for (const [options, expected] of [
      [{ verify: "no" }, /auth\.verify must be a function/],
      [{ verify: () => null, issuer: "" }, /auth\.issuer must be/],
      [{ verify: () => null, maxTokenLength: 0 }, /auth\.maxTokenLength must be/],
      [{ verify: () => null, audience: "test" }, /there is no "audience"/],
    ] as const)
      expect(() => new CustomVerifier(options as never, { clock: clock() })).to.throw(
        TypeError,
        expected,
      );
  });
});

describe("A verify beside issuers", () => {
  const keys = createTestKeys();
  const listed = { issuer: "https://id.test", audience: "test", publicKey: keys.publicJwk };
  const jwt = (claims = {}) => signToken(keys, { iat: Math.floor(start / 1_000), ...claims });

  function verifierOf(answers: Readonly<Record<string, unknown>>, more = {}) {
    const asked: string[] = [];
    const time = clock();
    const custom = new CustomVerifier(
      {
        verify: (token) => {
          asked.push(token);
          return (answers[token] ?? null) as never;
        },
      },
      { clock: time },
    );
    const ports = { clock: time, fetchDocument: noFetch, custom: [custom], ...more };
    return { asked, verifier: createVerifier([listed], ports) };
  }

  it("is asked for every token but those of the issuers, good or bad", async () => {
    const foreign = jwt({ iss: "https://other.test" });
    const { asked, verifier } = verifierOf({ key_1: session, [foreign]: session });
    expect(await verifier.verify("Bearer key_1\n")).to.include({ issuer: "custom" });
    expect(await verifier.verify(foreign)).to.include({ issuer: "custom" });
    expect(await verifier.verify(jwt())).to.include({ issuer: "https://id.test" });
    expect((await refusalOf(verifier.verify(jwt({ aud: "other" })))).code).to.equal(
      "token_invalid",
    );
    expect((await refusalOf(verifier.verify("key_2"))).detail).to.equal(
      "auth.verify does not accept the token",
    );
    expect(asked).to.deep.equal(["key_1", foreign, "key_2"]);
  });

  it("is not mixed up with a looked-up issuer: the name of a verify is nobody's iss", async () => {
    const looked: string[] = [];
    const { verifier } = verifierOf(
      {},
      {
        lookup: (issuer: string) => {
          looked.push(issuer);
          return { ...listed, issuer };
        },
      },
    );
    expect(await verifier.verify(jwt({ iss: "https://tenant.test" }))).to.include({
      issuer: "https://tenant.test",
    });
    expect((await refusalOf(verifier.verify(jwt({ iss: "custom" })))).code).to.equal(
      "token_invalid",
    );
    expect(looked).to.deep.equal(["https://tenant.test"]);
  });

  it("needs a name of its own", () => {
    const time = clock();
    const custom = [1, 2].map(() => new CustomVerifier({ verify: () => null }, { clock: time }));
    const ports = { clock: time, fetchDocument: noFetch };
    expect(() => createVerifier([], { ...ports, custom })).to.throw(
      TypeError,
      /two issuers have the name custom/,
    );
    const named = new CustomVerifier({ verify: () => null, issuer: listed.issuer }, ports);
    expect(() => createVerifier([listed], { ...ports, custom: [named] })).to.throw(TypeError);
    expect(() => createVerifier([listed], { ...ports, custom: custom.slice(1) })).to.not.throw();
  });
});
