/** Key sets behind a corporate proxy, which alone resolves the issuer's name. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { EnvHttpProxyAgent, fetch as fetchBy } from "undici";
import { createFetchDocument } from "../../src/auth/keys/fetch-document.js";
import { createVerifier } from "../../src/auth/verifier.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { makeCertificate } from "../helpers/network/reverse-proxy.js";
import { program } from "../helpers/package/runtimes.js";
import { requires, runs } from "../helpers/requirement.js";
import { withFolder } from "../helpers/temporary-folder.js";
import { createTestKeys, signToken } from "../helpers/tokens/tokens.js";
import { startOfTime as iat, refusalOf } from "../helpers/tokens/verification.js";

const run = promisify(execFile);
const name = "id.invalid"; // which no resolver knows (RFC 6761 §6.4)
const keys = createTestKeys();
const options = { issuer: `https://${name}`, audience: "test", jwks: `https://${name}/keys` };

interface Place {
  /** URL of the proxy. */
  readonly proxy: string;
  /** Where it was asked to connect. */
  readonly connected: readonly string[];
  readonly certificate: string;
  readonly folder: string;
}

const built = new URL("../../dist/src/auth/keys/fetch-document.js", import.meta.url).href;
const portOf = (server: Server) => (server.address() as AddressInfo).port;

async function listen<T extends Server>(server: T): Promise<T> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** An issuer's key set by TLS, and a proxy that connects every name to it (RFC 9110 §9.3.6). */
async function withProxy(use: (place: Place) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const certificate = await makeCertificate(folder, 1, name);
    const key = await readFile(join(folder, "key.pem"), "utf8");
    const issuer = await listen(
      createTlsServer({ cert: certificate, key }, (_request, response) =>
        response.end(JSON.stringify({ keys: [keys.publicJwk] })),
      ),
    );
    const connected: string[] = [];
    const proxy = await listen(createServer());
    proxy.on("connect", ({ url }, near, head) => {
      connected.push(String(url));
      const far = connect(portOf(issuer), "127.0.0.1", () => {
        near.write("HTTP/1.1 200 Connection Established\r\n\r\n");
        far.write(head);
        far.pipe(near).pipe(far);
      });
      far.on("error", () => near.destroy());
      near.on("error", () => far.destroy());
    });
    try {
      await use({ proxy: `http://localhost:${portOf(proxy)}`, connected, certificate, folder });
    } finally {
      for (const server of [issuer, proxy]) {
        server.close();
        server.closeAllConnections();
      }
    }
  });
}

/** With this variable in the environment of this process. */
async function withVariable(variable: string, value: string, use: () => Promise<void>) {
  const before = process.env[variable];
  process.env[variable] = value;
  try {
    await use();
  } finally {
    if (before === undefined) delete process.env[variable];
    else process.env[variable] = before;
  }
}

describe("The keys of an issuer behind a proxy", function () {
  this.timeout(30_000);
  before(function () {
    requires(this, "openssl", () => runs("openssl", "version"));
  });

  const verifierWith = (fetch: typeof globalThis.fetch | undefined) =>
    createVerifier([fetch === undefined ? options : { ...options, fetch }], {
      clock: new ManualClock(),
      fetchDocument: createFetchDocument(),
    });
  const token = signToken(keys, { iss: options.issuer, iat });

  it("come through it by the option fetch and undici", () =>
    withProxy(({ proxy, connected, certificate }) =>
      withVariable("HTTPS_PROXY", proxy, async () => {
        const dispatcher = new EnvHttpProxyAgent({ requestTls: { ca: certificate } });
        const fetch = ((url: URL, init: object) =>
          fetchBy(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
        expect(await verifierWith(fetch).verify(token)).to.include({ subject: "user-1" });
        expect(connected).to.deep.equal([`${name}:443`]);
        await dispatcher.close();
      }),
    ));

  it("are not fetched through it without being told, and the failure says how to", () =>
    withProxy(({ proxy, connected }) =>
      withVariable("HTTPS_PROXY", proxy, async () => {
        const { code, detail } = await refusalOf(verifierWith(undefined).verify(token));
        expect(code).to.equal("auth_unavailable");
        expect(detail).to.match(
          /(ENOTFOUND|EAI_AGAIN).*; HTTPS_PROXY is set and was not used: .*NODE_USE_ENV_PROXY=1/,
        );
        expect(connected).to.deep.equal([]);
      }),
    ));

  it("are no riddle without a proxy in the environment: the failure says nothing of one", () =>
    withVariable("HTTPS_PROXY", "", async () => {
      const { detail } = await refusalOf(verifierWith(undefined).verify(token));
      expect(detail)
        .to.match(/ENOTFOUND|EAI_AGAIN/)
        .and.not.match(/proxy/i);
    }));

  /** What another Node gets by the server's own requests, with these variables. */
  async function fetchedBy(
    node: string,
    url: string,
    env: Readonly<Record<string, string>>,
    resolver = "{}",
  ) {
    const code = `
      import { createFetchDocument } from ${JSON.stringify(built)};
      const options = { allowPrivateHosts: false };
      await createFetchDocument(${resolver})(new URL(${JSON.stringify(url)}), options).then(
        (text) => console.log(text),
        ({ message }) => console.log(message),
      );`;
    const { stdout } = await run(node, ["--input-type=module", "--eval", code], { env });
    return stdout.trim();
  }

  for (const version of ["22", "24"] as const) {
    it(`come through it on Node ${version} where NODE_USE_ENV_PROXY asks for that, and keep private hosts out`, async function () {
      const node = program(this, `Node ${version}`);
      await withProxy(async ({ proxy, connected, folder }) => {
        const env = {
          NODE_EXTRA_CA_CERTS: join(folder, "certificate.pem"),
          HTTPS_PROXY: proxy,
          NO_PROXY: "inside.invalid",
        };
        const told = { ...env, NODE_USE_ENV_PROXY: "1" };
        expect(await fetchedBy(node, options.jwks, told)).to.equal(
          JSON.stringify({ keys: [keys.publicJwk] }),
        );
        expect(connected).to.deep.equal([`${name}:443`]);
        expect(await fetchedBy(node, options.jwks, env)).to.match(/HTTPS_PROXY is set and was not/);
        for (const literal of ["https://10.0.0.1/keys", "https://[fd00::1]/keys"])
          expect(await fetchedBy(node, literal, told)).to.match(/private address/);
        const toPrivate = `{ lookup: (_name, _options, callback) =>
          callback(null, [{ address: "10.0.0.1", family: 4 }]) }`;
        const direct = "https://inside.invalid/keys";
        expect(await fetchedBy(node, direct, told, toPrivate)).to.match(/private address/);
        expect(connected).to.have.lengthOf(1);
      });
    });
  }
});
