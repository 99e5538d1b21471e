import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { WebSocket } from "ws";
import { createClient } from "../../client/node.js";
import { defaultLimits } from "../../src/server/limits.js";
import { eventually } from "../helpers/eventually.js";
import {
  exampleOf,
  makeCertificate,
  type ProxyName,
  ReverseProxy,
} from "../helpers/network/reverse-proxy.js";
import { requires, runs } from "../helpers/requirement.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { sampleApp, startServer, type TestServer } from "../helpers/server/test-server.js";

// where the client comes from, as far as loopback goes; the proxy comes to the server from
// 127.0.0.1
const visitor = "127.0.0.9";
const claimed = "203.0.113.7"; // where it says it comes from

const proxies = [
  {
    name: "nginx",
    isThere: () => runs("nginx", "-v"),
    idle: /proxy_(?:read|send)_timeout (\d+)s;/g,
    mustHoldOverReload: true,
  },
  {
    name: "haproxy",
    isThere: () => runs("haproxy", "-v"),
    idle: /timeout tunnel (\d+)s/g,
    mustHoldOverReload: true,
  },
  {
    name: "caddy",
    isThere: () => runs("caddy", "version"),
    idle: undefined,
    mustHoldOverReload: false,
  }, // some versions do
] as const satisfies readonly { readonly name: ProxyName; readonly [more: string]: unknown }[];

async function addressesOf({ server }: TestServer): Promise<readonly string[]> {
  return (await server.sessions()).sessions.map(({ address }) => address);
}

for (const { name, isThere, idle, mustHoldOverReload } of proxies) {
  describe(`Behind ${name}, as examples/proxies configures it`, function () {
    this.timeout(30_000);
    let folder: string;
    let ca: string;
    let first: TestServer;
    let second: TestServer;
    let proxy: ReverseProxy;

    before(async function () {
      requires(this, name, isThere);
      requires(this, "openssl", () => runs("openssl", "version"));
      folder = await mkdtemp(join(tmpdir(), "jotwire-proxy-"));
      ca = await makeCertificate(folder);
      first = await startServer(sampleApp(), { trustProxy: ["127.0.0.1"] });
      second = await startServer(sampleApp(), { trustProxy: ["127.0.0.1"] });
      proxy = await ReverseProxy.start(name, folder, first.listening.port);
      await eventually(async () => (await connect()).close(), 15_000).catch((error: unknown) => {
        throw new Error(`${name} does not carry a WebSocket: ${String(error)} ${proxy.complaints}`);
      });
    });

    after(async () => {
      await proxy?.[Symbol.asyncDispose]();
      await first?.close();
      await second?.close();
      if (folder !== undefined) await rm(folder, { recursive: true });
    });

    const connect = (headers: Readonly<Record<string, string>> = {}) =>
      RawClient.connect(proxy.url, { ca, headers, localAddress: visitor });

    const logIn = async (server: TestServer, headers: Readonly<Record<string, string>> = {}) => {
      const client = await connect(headers);
      const { error } = await client.authenticate(server.token({ scope: "numbers:add" }));
      if (error === undefined) return client;
      await client.close(); // it was another server
      throw new Error(`authenticate answered ${error.code}`);
    };

    it("a session authenticates, calls, is told things, and sends and gets as much as it may", async () => {
      const client = await logIn(first);
      expect((await client.call("numbers.add", { a: 40, b: 2 })).result).to.equal(42);
      client.send({ jsonrpc: "2.0", id: 1, method: "numbers.add", params: { a: 1 } });
      expect((await client.notification("numbers.changed")).params).to.deep.equal({ sum: 2 });
      const large = "x".repeat(defaultLimits.frameBytes - 100);
      expect((await client.call("ping", { large })).result).to.deep.equal({ large });
      await client.close();
    });

    it("HTTP is served, too", async () => {
      const answer = await eventually(() => getText(proxy.port, "/readyz", ca));
      expect(answer.status).to.equal(200);
    });

    it("the server knows the client's address, whatever the client claims", async () => {
      const honest = await logIn(first);
      expect(await addressesOf(first)).to.deep.equal([visitor]);
      await honest.close();
      for (const header of ["X-Forwarded-For", "x-forwarded-for"]) {
        const liar = await logIn(first, {
          [header]: claimed,
          Forwarded: `for=${claimed}`,
          "X-Real-IP": claimed,
        });
        expect(await addressesOf(first)).to.deep.equal([visitor]);
        await liar.close();
      }
    });

    it("who goes round the proxy is not believed either, and the proxy is not where it was not named", async () => {
      const direct = await RawClient.connect(first.url, {
        headers: { "X-Forwarded-For": claimed },
        localAddress: visitor,
      });
      await direct.authenticate(first.token());
      expect(await addressesOf(first)).to.deep.equal([visitor]);
      await direct.close();
      const fromProxy = await RawClient.connect(first.url, {
        headers: { "X-Forwarded-For": claimed },
      }); // the test, in the proxy's place
      await fromProxy.authenticate(first.token());
      expect(await addressesOf(first)).to.deep.equal([claimed]);
      await fromProxy.close();
    });

    it("pages of the proxy's origin may connect, and others not", async () => {
      await (
        await RawClient.connect(proxy.url, { ca, origin: `https://localhost:${proxy.port}` })
      ).close();
      const refused = await RawClient.connect(proxy.url, {
        ca,
        origin: "https://evil.example",
      }).catch((error: Error) => error.message);
      expect(refused).to.include("403");
    });

    it("a living connection is never cut for silence", async () => {
      if (idle === undefined) return; // it has no such limit
      const limits = [...(await exampleOf(name)).matchAll(idle)].map(
        ([, seconds]) => Number(seconds) * 1000,
      );
      expect(limits).to.not.deep.equal([]);
      for (const limit of limits)
        expect(limit).to.be.greaterThan(
          2 * (defaultLimits.pingInterval + defaultLimits.pongTimeout),
        );
    });

    const whatHappens = mustHoldOverReload
      ? "holds an open socket, and sends new ones"
      : "sends new sockets, and those that are cut for it,";
    it(`a reload ${whatHappens} to the node that is named now`, async () => {
      const held = await logIn(first);
      let asked = 0;
      const options = { ca, localAddress: visitor };
      const client = createClient({
        url: proxy.url,
        WebSocket: class extends WebSocket {
          constructor(url: string, protocols?: string | string[]) {
            super(url, protocols, options);
          }
        } as never,
        token: () => (asked++ < 1 ? first : second).token({ scope: "numbers:add" }),
        backoff: { min: 10, max: 100 },
      });
      expect(await client.call("numbers.add", { a: 1, b: 1 })).to.equal(2);
      await proxy.reload(second.listening.port);
      await eventually(async () => {
        const other = await logIn(second);
        expect(await addressesOf(second)).to.include(visitor);
        await other.close();
      });
      const answered = held
        .call("numbers.add", { a: 40, b: 2 })
        .then(({ result }) => result === 42);
      const isHeld = await Promise.race([answered, held.closed.then(() => false)]);
      if (mustHoldOverReload) expect(isHeld).to.equal(true);
      if (isHeld) {
        await eventually(async () =>
          expect(await addressesOf(first)).to.deep.equal([visitor, visitor]),
        ); // its own, and the SDK's
        expect(asked).to.equal(1);
        await held.close();
      }
      expect(await client.call("numbers.add", { a: 1, b: 2 })).to.equal(3);
      await client.close();
    });
  });
}

async function getText(
  port: number,
  path: string,
  ca: string,
): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const request = get({ host: "localhost", port, path, ca, agent: false });
  const [response] = await once(request, "response");
  return { status: response.statusCode, body: await text(response) };
}
