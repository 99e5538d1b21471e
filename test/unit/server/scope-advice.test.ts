import { expect } from "chai";
import type { ProviderOptions, VerifiedToken } from "../../../src/auth/provider-options.js";
import { createRpc } from "../../../src/index.js";
import { createIssuer, memoryStore } from "../../../src/issuer/index.js";
import { ScopeAdvice } from "../../../src/server/scope-advice.js";
import { recordingLogger, startServer } from "../../helpers/server/test-server.js";
import { CheapHasher } from "../../helpers/tokens/cheap-hasher.js";
import { createTestKeys, signToken } from "../../helpers/tokens/tokens.js";

type Members = Readonly<Record<string, unknown>>;

const keys = createTestKeys();
const password = "correct horse battery";

function appWith(scopes: readonly string[] | null) {
  const rpc = createRpc(scopes === null ? {} : { scopes });
  return rpc.router({ hello: rpc.method({ handler: () => "hello" }) });
}

/** The lines about scopes that these tokens cause, each on a connection of its own. */
async function linesOf(
  tokens: readonly Members[],
  options: Partial<ProviderOptions> = {},
  scopes: readonly string[] | null = ["orders:read", "orders:write"],
): Promise<readonly Members[]> {
  const { logger, lines } = recordingLogger();
  const of = (issuer: string) => ({
    ...{ issuer, audience: "test", publicKey: keys.publicJwk },
    ...options,
  });
  const auth = [of("https://id.test"), of("https://b.test")];
  await using server = await startServer(appWith(scopes), { auth, logger });
  for (const claims of tokens) {
    const client = await server.connect();
    const answer = await client.authenticate(signToken(keys, { scope: undefined, ...claims }));
    expect(answer.error).to.equal(undefined);
  }
  return lines
    .filter(({ fields, level }) => fields.event === "scopes.unknown" && level === "warn")
    .map(({ fields }) => fields);
}

const realm_access = { roles: ["offline_access", "orders:read"] };

describe("A token that grants no scope of the application", () => {
  it("is logged with the claims that were read, those that came, the scopes, and what to set", async () => {
    const [line, ...others] = await linesOf([{ scope: "openid email", realm_access }]);
    expect(others).to.deep.equal([]);
    expect(line).to.deep.equal({
      event: "scopes.unknown",
      issuer: "https://id.test",
      read: ["scope", "scp", "permissions"],
      present: [
        ...["iss", "aud", "sub", "iat", "exp", "jti", "client_id", "scope", "realm_access"],
      ],
      expected: ["orders:read", "orders:write"],
      detail:
        "scope, scp, permissions of the token hold no scope that the application knows, and realm_access.roles does; name it: auth.scopesClaim, jotwire serve --scopes-claim",
    });
  });

  it("is logged once for each issuer", async () => {
    const tokens = [{}, {}, { iss: "https://b.test" }, { iss: "https://b.test" }, {}];
    expect((await linesOf(tokens)).map(({ issuer }) => issuer)).to.deep.equal([
      "https://id.test",
      "https://b.test",
    ]);
  });

  it("is not logged where an issuer's first token has a known scope, nor where the application knows none", async () => {
    expect(await linesOf([{ scope: "orders:read" }, {}])).to.deep.equal([]);
    expect(await linesOf([{ realm_access }], { scopesClaim: "realm_access.roles" }))
      .to //
      .deep.equal([]);
    expect(await linesOf([{}], {}, [])).to.deep.equal([]);
    expect(await linesOf([{}], {}, null)).to.deep.equal([]);
  });

  it("is told from the claims that were named, and from a function that returned none", async () => {
    const [named] = await linesOf([{ roles: ["x"] }], { scopesClaim: "roles" });
    expect(named).to.deep.include({ read: ["roles"] });
    expect(named?.detail).to.match(/^roles of the token holds no scope .* --scopes-claim$/);
    const [byFunction] = await linesOf([{}], { scopes: () => ["x"] });
    expect(byFunction?.read).to.equal(undefined);
    expect(byFunction?.detail).to.match(/^the function in auth\.scopes returned no scope/);
  });

  it("shows no value of a claim, proposes none that users write, and is short", async () => {
    const names = Array.from({ length: 500 }, (_, n) => [`claim-${n}-${"x".repeat(120)}`, "v"]);
    const [line] = await linesOf([
      {
        secret: "canary-7f3a",
        user_metadata: { roles: ["orders:read"] },
        unsafeMetadata: { roles: ["orders:read"] },
        ...Object.fromEntries(names.slice(0, 60)),
      },
    ]);
    const text = JSON.stringify(line);
    expect(text).to.not.include("canary").and.not.include("user_metadata.roles");
    expect(text).to.not.include("unsafeMetadata.roles");
    expect(text.length).to.be.below(5_000);
  });

  it("of the embedded issuer is not logged: its scopes are where they belong", async () => {
    const { logger, lines } = recordingLogger();
    const issuer = await createIssuer({
      ...{ issuer: "https://id.test", audience: "test", store: memoryStore(), logger },
      testing: { passwordHasher: new CheapHasher() },
    });
    await issuer.users.add("ada", password);
    await using server = await startServer(appWith(["orders:read"]), { auth: issuer, logger });
    const client = await server.connect();
    const { token } = await issuer.login("ada", password);
    expect((await client.authenticate(token)).error).to.equal(undefined);
    expect(lines.filter(({ fields }) => fields.event === "scopes.unknown")).to.deep.equal([]);
  });

  it("is noticed of a thousand issuers, and of no more, however many there are", () => {
    const reports: string[] = [];
    const advice = new ScopeAdvice(["orders:read"], ["https://own.test"], ({ issuer }) =>
      reports.push(issuer),
    );
    const accept = (issuer: string) =>
      advice.accepted({ issuer, scopes: [], claims: {} } as unknown as VerifiedToken, {
        scopeClaims: ["scope"],
      });
    accept("https://own.test");
    for (let n = 0; n < 1_100; n++) accept(`https://${n}.test`);
    expect(reports).to.have.lengthOf(999); // and the embedded one
    expect(reports[0]).to.equal("https://0.test");
  });
});
