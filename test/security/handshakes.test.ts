import { once } from "node:events";
import { connect } from "node:net";
import { expect } from "chai";
import { eventually } from "../helpers/eventually.js";
import { Dice, mutate } from "../helpers/models/mutator.js";
import { Bystander, ServerProcess } from "../helpers/server/server-process.js";
import { sampleApp, startServer } from "../helpers/server/test-server.js";

const valid = [
  "GET /rpc HTTP/1.1",
  "Host: 127.0.0.1",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
];

const without = (name: string) => valid.filter((line) => !line.startsWith(name));
const instead = (name: string, line: string) =>
  valid.map((known) => (known.startsWith(name) ? line : known));
const text = (lines: readonly string[], body = "") => `${lines.join("\r\n")}\r\n\r\n${body}`;
const manyHeaders = Array.from({ length: 5_000 }, (_, index) => `X-${index}: 1`);

/**
 * What comes back begins with one of these; nothing at all is an answer too where the socket is
 * simply cut.
 */
const hostile: readonly (readonly [name: string, request: string, answers: RegExp])[] = [
  ["5,000 headers", text([...valid, ...manyHeaders]), /^HTTP\/1\.1 431/],
  ["a header of 100 KiB", text([...valid, `X: ${"x".repeat(102_400)}`]), /^HTTP\/1\.1 431/],
  [
    "version 12",
    text(instead("Sec-WebSocket-Version", "Sec-WebSocket-Version: 12")),
    /^HTTP\/1\.1 4\d\d/,
  ],
  [
    "version NaN",
    text(instead("Sec-WebSocket-Version", "Sec-WebSocket-Version: 1e9")),
    /^HTTP\/1\.1 4\d\d/,
  ],
  ["no version", text(without("Sec-WebSocket-Version")), /^HTTP\/1\.1 4\d\d/],
  ["no key", text(without("Sec-WebSocket-Key")), /^HTTP\/1\.1 400/],
  ["a short key", text(instead("Sec-WebSocket-Key", "Sec-WebSocket-Key: AA==")), /^HTTP\/1\.1 400/],
  ["two keys", text([...valid, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]), /^HTTP\/1\.1 400/],
  ["another protocol", text(instead("Upgrade", "Upgrade: h2c")), /^HTTP\/1\.1 4\d\d/],
  ["POST", text(instead("GET", "POST /rpc HTTP/1.1")), /^HTTP\/1\.1 405/],
  ["no host", text(without("Host")), /^HTTP\/1\.1 (101|400)/],
  ["HTTP/0.9", "GET /rpc\r\n\r\n", /^HTTP\/1\.1 4\d\d/],
  [
    "a path that is none",
    text(instead("GET", "GET //[::1/%zz?%zz#%zz HTTP/1.1")),
    /^HTTP\/1\.1 404/,
  ],
  [
    "a query that is not URL-encoded",
    text(instead("GET", "GET /rpc?%E0%A4%A=%&&&=;= HTTP/1.1")),
    /^HTTP\/1\.1 101/,
  ],
  ["an origin that is none", text([...valid, "Origin: ://%%%"]), /^HTTP\/1\.1 403/],
  [
    "subprotocols without end",
    text([...valid, `Sec-WebSocket-Protocol: ${"a,".repeat(2_000)}a`]),
    /^HTTP\/1\.1 400/,
  ],
  [
    "a subprotocol that is no token",
    text([...valid, "Sec-WebSocket-Protocol: jotwire.v1,,(é)"]),
    /^HTTP\/1\.1 400/,
  ],
  [
    "an extension that is none",
    text([...valid, 'Sec-WebSocket-Extensions: ;;="permessage-deflate']),
    /^HTTP\/1\.1 (101|400)/,
  ],
  ["a body", text([...valid, "Content-Length: 5"], "hello"), /^HTTP\/1\.1 (101|4\d\d)|^$/],
  [
    "a chunked body",
    text([...valid, "Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
    /^HTTP\/1\.1 (101|4\d\d)|^$/,
  ],
  [
    "two lengths",
    text([...valid, "Content-Length: 5", "Content-Length: 6"], "hello!"),
    /^HTTP\/1\.1 400/,
  ],
  [
    "frames that are none, at once",
    text(valid, "\u0000\u0001\u0002\u0003".repeat(99)),
    /^HTTP\/1\.1 101/,
  ],
  ["a client that can't wait", text(valid, text(valid)), /^HTTP\/1\.1 101/],
  ["half a request", "GET /rpc HTTP/1.1\r\nHost: 127", /^HTTP\/1\.1 400|^$/],
];

/**
 * Sends bytes, and gives what the server says first; "" when it hangs up, or says nothing for a
 * while.
 */
async function send(url: string, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  const timeoutMs = setTimeout(() => socket.destroy(), 500);
  socket.on("error", () => {}); // it may be cut while it is written to
  socket.end(bytes);
  const answer = await Promise.race([once(socket, "data"), once(socket, "close").then(() => [""])]);
  clearTimeout(timeoutMs);
  socket.destroy();
  return String(answer[0]);
}

describe("A server that is sent hostile handshakes", () => {
  let server: ServerProcess;
  let bystander: Bystander;

  before(async () => {
    server = await ServerProcess.start({
      unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY,
      acceptsPerSecond: Number.POSITIVE_INFINITY,
    });
    bystander = new Bystander(await server.login());
  });

  afterEach(async () => {
    expect(server.isUp).to.equal(true);
    expect(server.complaints).to.deep.equal([]);
    await (await server.login()).close();
  });

  after(async () => {
    await bystander.stop();
    expect(bystander.answered).to.equal(bystander.asked);
    await server[Symbol.asyncDispose]();
  });

  for (const [name, request, answers] of hostile) {
    it(`answers ${name} as it deserves`, async () => {
      expect(await send(server.url, request)).to.match(answers);
    });
  }

  it("says what to do in JSON, which no browser takes for a page", async () => {
    const refused = [
      [without("Sec-WebSocket-Key"), 400, "Sec-WebSocket-Key"],
      [instead("Sec-WebSocket-Version", "Sec-WebSocket-Version: 12"), 400, "Sec-WebSocket-Version"],
      [instead("GET", "POST /rpc HTTP/1.1"), 405, "use GET"],
      [[...valid, "Origin: https://evil.example"], 403, "origins"],
    ] as const;
    for (const [lines, status, advice] of refused) {
      const answer = await send(server.url, text(lines));
      expect(answer)
        .to.match(new RegExp(`^HTTP/1\\.1 ${status} `))
        .and.match(/^X-Content-Type-Options: nosniff\r$/m);
      expect(JSON.parse(answer.split("\r\n\r\n")[1] ?? "").error_description).to.include(advice);
    }
  });

  it("answers the valid one", async () => {
    expect(await send(server.url, text(valid))).to.match(/^HTTP\/1\.1 101/);
  });

  it("survives 2,000 mutated handshakes", async () => {
    const dice = new Dice(3);
    const corpus = [
      text(valid),
      ...hostile.map(([, request]) => request).filter((request) => request.length < 5_000),
    ];
    await inTurns(2_000, () => send(server.url, mutate(corpus, dice)));
  }).timeout(60_000);

  it("survives 2,000 times random bytes, before the handshake and after it", async () => {
    const dice = new Dice(4);
    await inTurns(1_000, () => send(server.url, dice.bytes(dice.roll(500))));
    await inTurns(1_000, () =>
      send(server.url, Buffer.concat([Buffer.from(text(valid)), dice.bytes(dice.roll(500))])),
    );
  }).timeout(60_000);
});

describe("A peer that opens connections and says nothing", () => {
  it("keeps nobody else out, neither from HTTP nor from a session", async () => {
    const limits = {
      httpPerAddress: 10,
      unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY,
    };
    await using server = await startServer(sampleApp(), {
      limits,
      metrics: { registry: { registerMetric() {} } },
    });
    const { port } = server.listening;
    // which do not count
    const sessions = await Promise.all(Array.from({ length: 20 }, () => server.login()));
    const silent = Array.from({ length: 50 }, (_, n) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.9" });
      socket.on("error", () => {}).resume();
      return socket.on("connect", () => n % 2 === 0 && socket.write("POST /login HTTP/1.1\r\nX: "));
    });
    const hits = () =>
      Number(/limit="httpPerAddress"} (\d+)/.exec(server.server.metricsText())?.[1]);
    await eventually(() => expect(hits()).to.equal(40));
    for (let n = 0; n < 20; n++)
      expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).to.equal(200);
    for (const session of [...sessions, await server.login()])
      expect(await session.call("ping")).to.have.property("result", "pong");
    expect(
      server.log.filter(({ fields }) => fields.limit === "httpPerAddress")[0]?.fields,
    ).to.include({ address: "127.0.0.9" });
    for (const socket of silent) socket.destroy();
  });
});

/** A few at a time. */
async function inTurns(count: number, work: () => Promise<unknown>): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: 20 }, worker));
}
