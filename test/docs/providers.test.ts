/**
 * The pages of identity providers: each with a token in the provider's shape, verified with the
 * options that the page shows, and beside it those that must be refused with the sentence that the
 * page quotes.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect } from "chai";
import type { FetchDocument } from "../../src/auth/keys/key-fetching.js";
import { createVerifier } from "../../src/auth/verifier.js";
import type { ProviderOptions } from "../../src/index.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { type ProviderFixture, providerFixtures } from "../helpers/tokens/provider-tokens.js";
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
  const { auth } = (await exportsOf(fixture.page, fixture.file)) as { auth: ProviderOptions };
  const keys = createTestKeys(fixture.algorithm, "test-key");
  const fetchDocument = serving(fixture, auth.issuer, [keys.publicJwk]);
  return {
    verify(sample: Sample) {
      const mistake = "mistake" in sample ? sample.mistake : {};
      const clock = new ManualClock();
      const verifier = createVerifier([{ ...auth, ...mistake }], { clock, fetchDocument });
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
