import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { createFetchDocument, type FetchLimits } from "../../../src/auth/keys/fetch-document.js";
import { isPrivateAddress } from "../../../src/runtime/ip-address.js";

interface Site extends AsyncDisposable {
  readonly port: number;
  readonly requests: string[];
}

async function serve(listener: RequestListener): Promise<Site> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port, requests, [Symbol.asyncDispose]: stop };
}

type Addresses = readonly { readonly address: string; readonly family: number }[];

/** Resolves every name to these addresses. */
function resolvingTo(addresses: Addresses): NonNullable<FetchLimits["lookup"]> {
  const lookup = (
    _name: string,
    _options: unknown,
    callback: (error: Error | null, addresses: Addresses) => void,
  ) => callback(null, addresses);
  return lookup as unknown as NonNullable<FetchLimits["lookup"]>;
}

async function complaint(
  url: string,
  limits: FetchLimits = {},
  allowPrivateHosts = false,
): Promise<string> {
  try {
    await createFetchDocument(limits)(new URL(url), { allowPrivateHosts });
  } catch (error) {
    return error instanceof Error ? error.message : expect.fail("not an Error");
  }
  return "none";
}

describe("fetching a document", () => {
  it("gives the body of a 200 and undefined for a 404", async () => {
    await using site = await serve((request, response) => {
      response.statusCode = request.url === "/set" ? 200 : 404;
      response.end('{"keys":[]}');
    });
    const fetchDocument = createFetchDocument();
    for (const host of ["127.0.0.1", "localhost"]) {
      expect(
        await fetchDocument(new URL(`http://${host}:${site.port}/set`), {
          allowPrivateHosts: false,
        }),
      ).to.equal('{"keys":[]}');
    }
    expect(
      await fetchDocument(new URL(`http://127.0.0.1:${site.port}/`), { allowPrivateHosts: false }),
    ).to.equal(undefined);
  });

  it("follows no redirect and takes no other status", async () => {
    await using site = await serve((request, response) => {
      response.writeHead(Number(request.url?.slice(1)), { location: "/200" }).end("{}");
    });
    for (const status of [301, 302, 303, 307, 308])
      expect(await complaint(`http://127.0.0.1:${site.port}/${status}`)).to.match(/redirect/);
    for (const status of [201, 204, 401, 500, 503])
      expect(await complaint(`http://127.0.0.1:${site.port}/${status}`)).to.equal(
        `answered with HTTP ${status}`,
      );
    expect(site.requests).not.to.include("/200");
    expect(await complaint(`http://127.0.0.1:${site.port}/200`)).to.equal("none");
  });

  it("takes 256 KiB and stops reading a longer body early", async () => {
    const total = 67_108_864; // 64 MiB
    let sent = 0;
    const piece = Buffer.alloc(65_536, " ");
    await using site = await serve((request, response) => {
      if (request.url === "/fits") return void response.end(Buffer.alloc(262_144, " "));
      const pump = () => {
        while (sent < total && !response.destroyed) {
          sent += piece.length;
          if (!response.write(piece)) return void response.once("drain", pump);
        }
        response.end();
      };
      pump();
    });
    expect(await complaint(`http://127.0.0.1:${site.port}/large`)).to.equal(
      "the body is larger than 262144 bytes",
    );
    expect(sent).to.be.below(total / 2); // what the kernel's buffers took
    expect(await complaint(`http://127.0.0.1:${site.port}/fits`)).to.equal("none");
  });

  it("gives up after its time, with a server that is silent and with one that drips", async () => {
    await using site = await serve((request, response) => {
      if (request.url === "/silent") return;
      const drip = setInterval(() => response.write(" "), 20);
      response.once("close", () => clearInterval(drip));
    });
    const started = performance.now();
    for (const path of ["silent", "drip"]) {
      expect(await complaint(`http://127.0.0.1:${site.port}/${path}`, { timeout: 200 })).to.equal(
        "no complete answer within 200 ms",
      );
    }
    expect(performance.now() - started).to.be.below(3_000);
  });

  it("refuses bytes that are not UTF-8", async () => {
    await using site = await serve((_, response) => void response.end(Buffer.of(0x7b, 0xff, 0x7d)));
    expect(await complaint(`http://127.0.0.1:${site.port}/`)).to.match(/encod/i);
  });

  it("refuses plain http to another machine, and other schemes", async () => {
    for (const url of [
      "http://id.test/",
      "http://192.168.0.1/",
      "ftp://127.0.0.1/",
      "file:///etc/passwd",
      "data:application/json,{}",
    ]) {
      expect(await complaint(url, {}), url).to.match(/neither https/);
    }
    for (const url of ["ftp://127.0.0.1/", "file:///etc/passwd", "data:application/json,{}"])
      expect(await complaint(url, {}, true), url).to.match(/neither https/);
  });

  it("with allowPrivateHosts asks in the clear only hosts with private addresses", async () => {
    await using site = await serve((_request, response) => response.end("{}"));
    const at = (address: string) =>
      complaint(
        `http://keycloak.test:${site.port}/`,
        { lookup: resolvingTo([{ address, family: 4 }]) },
        true,
      );
    expect(await at("127.0.0.1")).to.equal("none");
    expect(await at("93.184.215.14")).to.match(/public address: .*use https/);
    expect(await complaint("http://93.184.215.14/", {}, true)).to.match(/public address/);
  });

  it("refuses literal private addresses, however they are written", async () => {
    const hosts = [
      "10.0.0.1",
      "0x0a.1",
      "169.254.169.254",
      "192.168.1.1",
      "0.0.0.0",
      "100.64.0.1",
      "[::]",
      "[fd00::1]",
      "[fe80::1]",
    ];
    for (const host of [...hosts, "[::ffff:10.0.0.1]", "[::ffff:127.0.0.1]", "[64:ff9b::a00:1]"]) {
      expect(await complaint(`https://${host}/`), host).to.match(/private address/);
    }
  });

  it("refuses names that resolve to a private address, even among public ones", async () => {
    const lookup = (...addresses: string[]) =>
      resolvingTo(addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })));
    for (const address of [
      "127.0.0.1",
      "10.1.2.3",
      "169.254.169.254",
      "::1",
      "::ffff:10.0.0.1",
      "fd12::1",
    ]) {
      expect(await complaint("https://id.test/", { lookup: lookup(address) }), address).to.match(
        /private address/,
      );
      expect(
        await complaint("https://id.test/", { lookup: lookup("203.1.113.7", address) }),
        address,
      ).to.match(/private address/);
    }
    expect(await complaint("https://id.test/", { lookup: lookup() })).to.match(/no address/);
  });

  it("connects to the very address that was judged, and looks up once", async () => {
    await using site = await serve((_, response) => void response.end("{}"));
    const answers = ["127.0.0.1", "10.0.0.1"];
    const lookups: string[] = [];
    const rebinding = (name: string, options: unknown, callback: never) => {
      lookups.push(name);
      const address = answers.shift() ?? "10.0.0.1";
      resolvingTo([{ address, family: 4 }])(name, options as never, callback);
    };
    const lookup = rebinding as unknown as NonNullable<FetchLimits["lookup"]>;
    expect(await complaint(`http://localhost:${site.port}/`, { lookup })).to.equal("none");
    expect(lookups).to.deep.equal(["localhost"]);
    expect(await complaint(`http://localhost:${site.port}/`, { lookup })).to.match(
      /the name is this machine's/,
    );
  });

  it("reaches a private host when that is allowed", async () => {
    await using site = await serve((_, response) => void response.end("{}"));
    const lookup = resolvingTo([{ address: "127.0.0.1", family: 4 }]);
    const url = `https://id.test:${site.port}/`;
    expect(await complaint(url, { lookup })).to.match(/private address/);
    // it connects: TLS fails against plain http
    expect(await complaint(url, { lookup }, true)).not.to.match(/private address/);
    expect(await complaint(url, { lookup }, true)).not.to.equal("none");
  });
});

describe("a private address", () => {
  it("is any that is not on the public internet", () => {
    const isPrivate =
      "0.0.0.0 10.0.0.1 100.127.255.255 127.0.0.1 169.254.1.1 172.31.0.1 192.168.0.1 198.19.0.1 224.0.0.1 255.255.255.255".split(
        " ",
      );
    const isPrivate6 =
      ":: ::1 ::ffff:8.8.8.8 ::7f00:1 fc00::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 2002:7f00:1:: 2001:db8::1 64:ff9b::1".split(
        " ",
      );
    for (const address of [...isPrivate, ...isPrivate6])
      expect(isPrivateAddress(address), address).to.equal(true);
    const isPublic =
      "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 192.167.0.1 223.255.255.255 2606:4700::1111 2a00::1".split(
        " ",
      );
    for (const address of isPublic) expect(isPrivateAddress(address), address).to.equal(false);
  });
});
