import { expect } from "chai";
import { createVerifier } from "../../../src/auth/verifier.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { createTestKeys, signToken } from "../../helpers/tokens/tokens.js";
import { refusalOf } from "../../helpers/tokens/verification.js";

const keys = createTestKeys("ES256", "k1");
const keySet = { keys: [keys.publicJwk] };

/**
 * A verifier of one issuer and the web it lives in: documents by address; what is not there is a
 * 404.
 */
function discover(
  issuer: string,
  web: Readonly<Record<string, unknown>>,
  options: { allowPrivateHosts?: boolean } = {},
) {
  const asked: string[] = [];
  const clock = new ManualClock();
  const fetchDocument = async (url: URL) => {
    asked.push(url.href);
    const document = web[url.href];
    return document === undefined ? undefined : JSON.stringify(document);
  };
  const verifier = createVerifier([{ issuer, audience: "test", ...options }], {
    clock,
    fetchDocument,
  });
  const verify = (header = {}) =>
    verifier.verify(signToken(keys, { iat: clock.now() / 1_000 - 1, iss: issuer }, header));
  return { asked, clock, verify };
}

describe("discovery", () => {
  it("finds the key set through openid-configuration", async () => {
    const issuer = "https://id.test/tenant";
    const { asked, verify } = discover(issuer, {
      "https://id.test/tenant/.well-known/openid-configuration": {
        issuer,
        jwks_uri: "https://keys.test/set",
      },
      "https://keys.test/set": keySet,
    });
    expect(await verify()).to.include({ issuer });
    expect(asked).to.deep.equal([
      "https://id.test/tenant/.well-known/openid-configuration",
      "https://keys.test/set",
    ]);
  });

  it("finds it through oauth-authorization-server when there is none", async () => {
    const issuer = "https://id.test/tenant/";
    const { verify } = discover(issuer, {
      "https://id.test/.well-known/oauth-authorization-server/tenant": {
        issuer,
        jwks_uri: "https://id.test/set",
      },
      "https://id.test/set": keySet,
    });
    expect(await verify()).to.include({ issuer });
  });

  it("refuses metadata of another issuer, however similar", async () => {
    for (const issuer of [
      "https://id.test/",
      "HTTPS://ID.TEST",
      "https://evil.test",
      undefined,
      null,
      ["https://id.test"],
    ]) {
      const { asked, verify } = discover("https://id.test", {
        "https://id.test/.well-known/openid-configuration": {
          issuer,
          jwks_uri: "https://id.test/set",
        },
        "https://id.test/set": keySet,
      });
      const refusal = await refusalOf(verify());
      expect(refusal.code).to.equal("auth_unavailable");
      expect(refusal.detail).to.match(/another issuer/);
      expect(asked).to.have.length(1);
    }
  });

  it("refuses a jwks_uri that is no https URL, or leads to this machine", async () => {
    const detailOf = async (jwks_uri: unknown, issuer = "https://id.test", options = {}) => {
      const { verify } = discover(
        issuer,
        { [`${issuer}/.well-known/openid-configuration`]: { issuer, jwks_uri } },
        options,
      );
      return (await refusalOf(verify())).detail;
    };
    for (const missing of [undefined, null, 5, "", "set"])
      expect(await detailOf(missing)).to.match(/no jwks_uri/);
    expect(await detailOf("http://id.test/set")).to.match(/neither https/);
    expect(await detailOf("file:///etc/passwd")).to.match(/neither https/);
    expect(await detailOf("http://127.0.0.1:6379/")).to.match(/points to this machine/);
    expect(await detailOf("https://localhost/set")).to.match(/points to this machine/);
    expect(
      await detailOf("http://127.0.0.1/set", "https://id.test", { allowPrivateHosts: true }),
    ).to.match(/not found/);
    expect(await detailOf("http://localhost:2/set", "http://localhost:1")).to.match(/not found/);
  });

  it("says so when there is no metadata or no set", async () => {
    expect((await refusalOf(discover("https://id.test", {}).verify())).detail).to.match(
      /neither openid-configuration nor/,
    );
    const issuer = "https://id.test";
    const { verify } = discover(issuer, {
      [`${issuer}/.well-known/openid-configuration`]: { issuer, jwks_uri: `${issuer}/set` },
    });
    expect((await refusalOf(verify())).detail).to.match(/key set is not found/);
  });

  it("fetches the set alone for an unknown kid, and the metadata again with the next refresh", async () => {
    const issuer = "https://id.test";
    const metadata = `${issuer}/.well-known/openid-configuration`;
    const { asked, clock, verify } = discover(issuer, {
      [metadata]: { issuer, jwks_uri: `${issuer}/set` },
      [`${issuer}/set`]: keySet,
    });
    await verify();
    await refusalOf(verify({ kid: "unknown" }));
    expect(asked).to.deep.equal([metadata, `${issuer}/set`, `${issuer}/set`]);
    clock.advance(600_001);
    await verify();
    expect(asked.slice(3)).to.deep.equal([metadata, `${issuer}/set`]);
  });

  it("asks for the metadata again when the set is no longer where it was", async () => {
    const issuer = "https://id.test";
    const metadata = `${issuer}/.well-known/openid-configuration`;
    const web: Record<string, unknown> = {
      [metadata]: { issuer, jwks_uri: `${issuer}/old` },
      [`${issuer}/old`]: keySet,
    };
    const { asked, clock, verify } = discover(issuer, web);
    await verify();
    Object.assign(web, {
      [metadata]: { issuer, jwks_uri: `${issuer}/new` },
      [`${issuer}/old`]: undefined,
      [`${issuer}/new`]: keySet,
    });
    clock.advance(300_000);
    expect((await refusalOf(verify({ kid: "unknown" }))).code).to.equal("auth_unavailable");
    clock.advance(1_000);
    expect((await refusalOf(verify({ kid: "unknown" }))).code).to.equal("token_invalid");
    expect(asked.slice(2)).to.deep.equal([`${issuer}/old`, metadata, `${issuer}/new`]);
  });
});
