/**
 * The pages of identity providers: each with a token in the provider's shape, verified with the
 * options that the page shows, and beside it those that must be refused with the sentence that the
 * page quotes.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect } from "chai";
import type { FetchDocument } from "../../src/auth/keys/key-fetching.js";
import { createVerifier } from "../../src/auth/verifier.js";
import {
  type AuthOption,
  type CustomVerifierOptions,
  createRpc,
  type IssuerLookup,
  type ProviderOptions,
} from "../../src/index.js";
import type { AuthenticateResult } from "../../src/protocol/messages.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { startServer } from "../helpers/server/test-server.js";
import {
  googleClient,
  type ProviderFixture,
  providerFixtures,
} from "../helpers/tokens/provider-tokens.js";
import { createTestKeys, signText } from "../helpers/tokens/tokens.js";
import { refusalOf } from "../helpers/tokens/verification.js";

type Sample = ProviderFixture["refused"][number];

const pages = fileURLToPath(new URL("../../docs/guides/providers/", import.meta.url));
const folder = fileURLToPath(new URL(".provider-pages/", import.meta.url));

const textOf = (page: string) => readFile(`${pages}${page}.md`, "utf8");

/** The code of a file that a page shows. */
async function codeOf(page: string, file: string): Promise<string> {
  const blocks = [...(await textOf(page)).matchAll(/^```ts (\S+)\n([\s\S]*?)^```$/gm)];
  const [, , code] = blocks.find(([, name]) => name === file) ?? [];
  return code ?? expect.fail(`${page}.md shows no ${file}`);
}

/** What a file of a page exports, as the page shows it. */
async function exportsOf(page: string, file: string): Promise<{ readonly auth: unknown }> {
  await mkdir(`${folder}${page}`, { recursive: true });
  const path = `${folder}${page}/${file}`;
  await writeFile(path, await codeOf(page, file));
  return (await import(pathToFileURL(path).href)) as { auth: unknown };
}

/** The sentences that a page quotes. */
async function quotedIn(page: string): Promise<readonly string[]> {
  const blocks = (await textOf(page)).matchAll(/^```text\n([\s\S]*?)\n```$/gm);
  return [...blocks].map(([, sentence = ""]) => sentence);
}

/** Serves an issuer's metadata and its key set, and nothing else. */
function serving({ keySet }: ProviderFixture, issuer: string, keys: readonly unknown[]) {
  const metadata = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const fetchDocument: FetchDocument = async ({ href }) => {
    if (href === metadata) return JSON.stringify({ issuer, jwks_uri: keySet });
    return href === keySet ? JSON.stringify({ keys }) : undefined;
  };
  return fetchDocument;
}

async function verifierOf(fixture: ProviderFixture) {
  const { auth } = (await exportsOf(fixture.page, fixture.file)) as {
    auth: ProviderOptions | IssuerLookup;
  };
  const keys = createTestKeys(fixture.algorithm, "test-key");
  const issuer = String(fixture.accepted.claims.iss);
  const ports = {
    clock: new ManualClock(),
    fetchDocument: serving(fixture, issuer, [keys.publicJwk]),
  };
  return {
    verify(sample: Sample) {
      const mistake = "mistake" in sample ? sample.mistake : {};
      const verifier =
        typeof auth === "function"
          ? createVerifier([], { ...ports, lookup: auth })
          : createVerifier([{ ...auth, ...mistake }], ports);
      if ("text" in sample) return verifier.verify(sample.text);
      const { header, claims } = sample;
      return verifier.verify(signText(keys, JSON.stringify(header), JSON.stringify(claims)));
    },
  };
}

describe("The page of an identity provider", () => {
  after(() => rm(folder, { recursive: true, force: true }));

  for (const fixture of providerFixtures) {
    const { page, accepted, expected, refused } = fixture;

    it(`accepts by its options: ${page}, ${accepted.what}`, async () => {
      const { verify } = await verifierOf(fixture);
      const { subject, scopes, sessionId } = await verify(accepted);
      expect({ subject, scopes, sessionId }).to.deep.equal(expected);
    });

    it(`refuses, and quotes why: ${page}, ${refused.map(({ what }) => what).join("; ")}`, async () => {
      const { verify } = await verifierOf(fixture);
      const answers = [];
      for (const sample of refused) {
        const { code, detail } = await refusalOf(verify(sample));
        expect(code, sample.what).to.equal("token_invalid");
        answers.push(detail);
      }
      expect(await quotedIn(page)).to.have.members(answers);
    });
  }
});

/** Answers in the place of `fetch`, as a provider's endpoint does, and notes what was sent. */
async function withEndpoint(
  url: string,
  answer: () => Response,
  use: (requests: readonly Request[]) => Promise<unknown>,
): Promise<void> {
  const { fetch } = globalThis;
  const requests: Request[] = [];
  globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    if (request.url !== url) throw new Error(`asked ${request.url}`);
    requests.push(request);
    return answer();
  };
  try {
    await use(requests);
  } finally {
    globalThis.fetch = fetch;
  }
}

/** What a server answers to `authenticate`: the session, or the code of the error. */
async function sessionBy(auth: AuthOption, token: string) {
  const rpc = createRpc();
  await using server = await startServer(rpc.router({}), { auth });
  const { result, error } = await (await server.connect()).authenticate(token);
  return error === undefined
    ? (({ subject, scopes }) => ({ subject, scopes }))(result as unknown as AuthenticateResult)
    : error.code;
}

describe("The page of a provider with opaque access tokens", () => {
  after(() => rm(folder, { recursive: true, force: true }));

  const cases = [
    {
      page: "google",
      file: "access-token.ts",
      url: "https://oauth2.googleapis.com/tokeninfo",
      token: "ya29.a0AfB_byExampleExampleExampleExampleExample",
      refusal: 400,
      right: {
        azp: googleClient,
        aud: googleClient,
        sub: "110169484474386276334",
        scope: "openid https://www.googleapis.com/auth/userinfo.email",
        exp: String(Math.floor(Date.now() / 1_000) + 3_599),
        expires_in: "3599",
        access_type: "online",
      },
      session: {
        subject: "110169484474386276334",
        scopes: ["openid", "https://www.googleapis.com/auth/userinfo.email"],
      },
      wrong: [{ aud: "other.apps.googleusercontent.com" }, { sub: undefined }],
      tokenIn: async (request: Request) =>
        new URLSearchParams(await request.text()).get("access_token"),
    },
    {
      page: "gitlab",
      file: "auth.ts",
      url: "https://gitlab.com/oauth/token/info",
      token: "de6780bc506a0446309bd9362820ba8aed28aa506c71eedbe1c5c4f9dd350e54",
      refusal: 401,
      right: {
        resource_owner_id: 1,
        scope: ["read_user", "openid"],
        expires_in: 7_200,
        application: { uid: "b0a1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b1" },
        created_at: 1_700_000_000,
      },
      session: { subject: "1", scopes: ["read_user", "openid"] },
      wrong: [
        { application: { uid: "other" } },
        { application: null },
        { resource_owner_id: null },
      ],
      tokenIn: async (request: Request) => request.headers.get("authorization")?.slice(7),
    },
  ] as const;

  for (const { page, file, url, token, refusal, right, session, wrong, tokenIn } of cases) {
    it(`asks about a token, and accepts it: ${page}`, async () => {
      const { auth } = (await exportsOf(page, file)) as { auth: CustomVerifierOptions };
      await withEndpoint(
        url,
        () => Response.json(right),
        async (requests) => {
          expect(await sessionBy(auth, token)).to.deep.equal(session);
          expect(requests).to.have.lengthOf(1);
          expect(await tokenIn(requests[0] as Request)).to.equal(token);
        },
      );
    });

    it(`refuses a token of another application or of nobody: ${page}`, async () => {
      const { auth } = (await exportsOf(page, file)) as { auth: CustomVerifierOptions };
      for (const change of wrong)
        await withEndpoint(
          url,
          () => Response.json({ ...right, ...change }),
          async () => expect(await sessionBy(auth, token)).to.equal(-32004),
        );
      await withEndpoint(
        url,
        () => Response.json({ error: "invalid_token" }, { status: refusal }),
        async () => expect(await sessionBy(auth, token)).to.equal(-32004),
      );
    });

    it(`takes an outage of the provider for no verdict: ${page}`, async () => {
      const { auth } = (await exportsOf(page, file)) as { auth: CustomVerifierOptions };
      await withEndpoint(
        url,
        () => new Response("", { status: 503 }),
        async () => expect(await sessionBy(auth, token)).to.equal(-32007),
      );
    });
  }
});

describe("The pages of identity providers", () => {
  it("are each tested", async () => {
    const names = (await readdir(pages)).map((name) => name.replace(/\.md$/, ""));
    expect(providerFixtures.map(({ page }) => page)).to.have.members(names);
  });
});

describe("The guide to identity providers", () => {
  it("lists every mark by which a token is known to be no access token, and no other", async () => {
    const root = new URL("../../", import.meta.url);
    const guide = await readFile(new URL("docs/guides/identity-provider.md", root), "utf8");
    const source = await readFile(new URL("src/auth/claims.ts", root), "utf8");
    const [, list = ""] = guide.split("## What is no access token");
    const rows = (list.split("\n## ")[0] ?? "").split("\n").filter((line) => line.startsWith("|"));
    const shown = rows.flatMap((row) => row.split(/[|;]/)).map((part) => part.trim());
    const named = (pattern: RegExp) =>
      shown
        .filter((part) => pattern.test(part))
        .flatMap((part) => [...part.replace(pattern, "").matchAll(/`([\w-]+)`/g)])
        .map(([, name = ""]) => name.toLowerCase());
    const constant = (name: string) => {
      const [, body = ""] = new RegExp(`const ${name} = \\[([^\\]]*)\\]`).exec(source) ?? [];
      return [...body.matchAll(/"([\w-]+)"/g)].map(([, value]) => value);
    };
    expect(constant("foreignClaims")).to.include("at_hash").and.include("events");
    expect(named(/^the claim (?!`typ`)(?=`)/)).to.have.members([
      ...constant("foreignClaims"),
      "cnf",
    ]);
    expect(named(/^the claim `typ` is /)).to.have.members(constant("foreignTypes"));
  });
});
