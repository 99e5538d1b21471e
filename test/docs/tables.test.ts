import { readFileSync } from "node:fs";
import { expect } from "chai";
import { closeTable } from "../../src/protocol/close-codes.js";
import { errorTable, standardErrors } from "../../src/protocol/error-codes.js";
import { defaultLimits } from "../../src/server/limits.js";
import { documents } from "../helpers/documents.js";

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");

/** The rows of all tables whose first cell matches, as cells without back-ticks and links. */
function rows(text: string, first: RegExp): string[][] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1"))
        .map((cell) => cell.trim().replaceAll("`", "")),
    )
    .filter(([cell = "", next]) => first.test(cell) && next !== "default");
}

/** The text of one section, by its heading. */
function section(text: string, heading: string): string {
  const start = text.indexOf(`\n${heading}\n`);
  if (start === -1) throw new Error(`there is no section "${heading}"`);
  const end = text.slice(start + heading.length + 1).search(/\n##+ /);
  return end === -1 ? text.slice(start) : text.slice(start, start + heading.length + 1 + end);
}

describe("the documents", () => {
  for (const [name, text] of [
    ["docs/reference/errors.md", read("docs/reference/errors.md")],
    ["PROTOCOL.md", read("PROTOCOL.md")],
  ] as const) {
    it(`${name} shows every error code of the table with its reason, and no other`, () => {
      const shown = rows(text, /^-32\d{3}$/)
        .filter(([, reason = ""]) => /^[a-z_]+$/.test(reason))
        .map(([code, reason]) => `${code} ${reason}`);
      const known = Object.entries(errorTable).map(([reason, { code }]) => `${code} ${reason}`);
      expect(shown).to.have.members(known);
    });

    it(`${name} shows every close code with its reasons, and no other`, () => {
      const shown = rows(text, /^[14]\d{3}( \/ \d{4})?$/).flatMap(([code, reasons = ""]) =>
        reasons.split(",").map((reason) => `${code} ${reason.trim()}`),
      );
      const known = Object.entries(closeTable).map(([reason, { code }]) => `${code} ${reason}`);
      expect(shown).to.have.members(known);
    });
  }

  it("no page mentions an error code that the code does not have", () => {
    const known = new Set<number>(
      [...Object.values(errorTable), ...Object.values(standardErrors)].map(({ code }) => code),
    );
    const ends = [-32768, -32000]; // of the range that JSON-RPC reserves
    const mentioned = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/-32\d{3}\b/g)].map(([code]) => ({ path, code: Number(code) })),
    );
    expect(mentioned.length).to.be.greaterThan(50);
    const unknown = mentioned.filter(({ code }) => !known.has(code) && !ends.includes(code));
    expect(unknown).to.deep.equal([]);
  });

  it("docs/reference/limits.md shows every limit with the default that it has", () => {
    const shown = Object.fromEntries(
      rows(read("docs/reference/limits.md"), /^[a-z]\w+$/).map(([name = "", value = ""]) => [
        name,
        value.includes("auto") ? "auto" : Number(value.replaceAll("_", "").split(" ")[0]),
      ]),
    );
    expect(shown).to.deep.equal(defaultLimits);
  });

  it("docs/reference shows every option of the server, of `auth`, of the issuer, of a method, of a subscription and of the client", () => {
    for (const [page, heading, file, type] of [
      ["server", "## Server", "src/server/server-options.ts", "ServerOptions"],
      ["server", "## auth", "src/auth/provider-options.ts", "ProviderOptions"],
      ["server", "### verify", "src/auth/custom-verifier.ts", "CustomVerifierOptions"],
      ["server", "## introspection", "src/auth/introspection.ts", "IntrospectionOptions"],
      ["server", "## createTokenVerifier", "src/server/token-verifier.ts", "TokenVerifierOptions"],
      ["server", "## bearerAuth", "src/server/http/bearer-auth.ts", "BearerAuthOptions"],
      ["server", "## Issuer", "src/issuer/issuer-options.ts", "IssuerOptions"],
      ["server", "## redisStore", "src/store/redis/redis-store.ts", "RedisStoreOptions"],
      ["server", "## redisStore", "src/store/redis/connection/redis-connection.ts", "RedisAddress"],
      ["server", "## Methods", "src/rpc/define/create-rpc.ts", "MethodOptions"],
      [
        "server",
        "## Subscriptions",
        "src/rpc/define/declared-subscription.ts",
        "SubscriptionOptions",
      ],
      ["server", "## Subscriptions", "src/rpc/define/declared-subscription.ts", "TopicOptions"],
      ["client", "## createClient", "client/options.ts", "ClientOptions"],
      ["client", "## createSession", "client/login/create-session.ts", "PasswordSessionOptions"],
      ["client", "## createSession", "client/login/create-session.ts", "ProviderSessionOptions"],
      ["client", "### provider", "client/login/provider-login.ts", "ProviderLoginOptions"],
      [
        "client",
        "## clientCredentials",
        "client/login/client-credentials.ts",
        "ClientCredentialsOptions",
      ],
    ] as const) {
      const shown = rows(section(read(`docs/reference/${page}.md`), heading), /^[a-zA-Z]\w*$/).map(
        ([name = ""]) => name,
      );
      const options = membersOf(read(file), type).filter((name) => name !== "testing");
      expect(shown, heading).to.include.members(options);
    }
  });

  it("docs/reference/client.md shows every method, member and error code of a session, and no other", () => {
    const page = read("docs/reference/client.md");
    const [made, told] = ["create-session", "session-state"].map((name) =>
      read(`client/login/${name}.ts`),
    ) as [string, string];
    const shownIn = (heading: string) => [
      ...new Set(rows(section(page, heading), /^[a-zA-Z]\w*$/).map(([name = ""]) => name)),
    ];
    const methods = ["BrowserSession", "PasswordSession", "ProviderSession"].flatMap((type) =>
      membersOf(made, type),
    );
    expect(shownIn("### Methods of a session").filter((name) => name !== "method")).to.have.members(
      [...new Set(methods)],
    );
    expect(shownIn("### State of a session").filter((name) => name !== "member")).to.have.members(
      membersOf(told, "LoginState"),
    );
    const codes = /export type LoginRefusal =([^;]*);/.exec(told)?.[1] ?? "";
    expect(shownIn("### LoginFailure").filter((name) => name !== "code")).to.have.members(
      [...codes.matchAll(/"(\w+)"/g)].map(([, code]) => code),
    );
  });

  it("docs/guides/testing.md shows what `testing` of the client replaces, and the table for its users does not", () => {
    const replaced = membersOf(read("client/options.ts"), "ClientTesting");
    expect(replaced).to.have.members(["clock", "random"]);
    expect(membersOf(read("client/options.ts"), "ClientOptions")).to.include("testing");
    const guide = rows(read("docs/guides/testing.md"), /all five|createClient/);
    expect(guide.map(([, name]) => name)).to.have.members(replaced);
    const reference = rows(read("docs/reference/client.md"), /^[a-zA-Z]\w*$/);
    const shown = reference.map(([name]) => name);
    for (const name of ["testing", ...replaced]) expect(shown).to.not.include(name);
  });

  it("no document speaks of a place outside the project", () => {
    for (const { path, text } of documents)
      expect(text, path).to.not.match(/\/work\/|\/tmp\/|\.\.\/shared/);
  });
});

/** Names of the members of an exported interface, read from its source. */
function membersOf(source: string, type: string): string[] {
  const start = source.search(new RegExp(`export interface ${type}\\b`));
  const body = source.slice(start, source.indexOf("\n}", start));
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(([, name = ""]) => name);
}
