import { expect } from "chai";
import { describe, it } from "mocha";
import { z } from "zod";
import { createRpc } from "../../src/index.js";
import { ask, exchange, notification, request } from "../helpers/server/frames.js";
import { startServer } from "../helpers/server/test-server.js";

const secret = "a secret of the implementation";

class Hostile extends Error {
  override get message(): string {
    throw new Error(secret);
  }
}

const circular: { self?: unknown } = {};
circular.self = circular;

const hostileProxy = new Proxy(new Error(secret), {
  get() {
    throw new Error(secret);
  },
  getPrototypeOf() {
    throw new Error(secret);
  },
});

/** What handlers throw. */
const thrown: readonly (readonly [string, unknown])[] = [
  ["an Error", new Error(secret)],
  [
    "an Error with a code and data",
    Object.assign(new Error(secret), { code: 1001, data: { secret } }),
  ],
  [
    "an object like a JSON-RPC error",
    { code: -32001, message: secret, data: { reason: "unauthenticated" } },
  ],
  ["a string", secret],
  ["undefined", undefined],
  ["null", null],
  ["a number", 42],
  ["a symbol", Symbol(secret)],
  ["a function", () => secret],
  ["an Error with a message of 2 MiB", new Error(secret.repeat(70_000))],
  ["an Error whose message throws", new Hostile()],
  ["a Proxy whose every trap throws", hostileProxy],
  ["something circular", circular],
  ["an object without a prototype", Object.create(null)],
];

/** What handlers return that is no JSON. */
const unsendable: readonly (readonly [string, () => unknown])[] = [
  ["something circular", () => circular],
  ["a BigInt", () => 1n],
  [
    "a toJSON that throws",
    () => ({
      toJSON: () => {
        throw new Error(secret);
      },
    }),
  ],
  [
    "a getter that throws",
    () => ({
      get a() {
        throw new Error(secret);
      },
    }),
  ],
  [
    "a Proxy whose every getter throws",
    () =>
      new Proxy(
        {},
        {
          get() {
            throw new Error(secret);
          },
        },
      ),
  ],
];

function failingApp() {
  const rpc = createRpc();
  const throwing = thrown.flatMap(([, what], index) => [
    [
      `throw${index}`,
      rpc.method({
        handler: () => {
          throw what;
        },
      }),
    ] as const,
    [`reject${index}`, rpc.method({ handler: () => Promise.reject(what) })] as const,
  ]);
  const returning = unsendable.flatMap(([, what], index) => [
    [`return${index}`, rpc.method({ handler: () => what() })] as const,
    [`resolve${index}`, rpc.method({ handler: async () => what() })] as const,
  ]);
  const silent = [
    ["nothing", undefined],
    ["symbol", Symbol("a")],
    ["fn", () => 1],
  ] as const;
  return rpc.router({
    ...Object.fromEntries([...throwing, ...returning]),
    ...Object.fromEntries(
      silent.flatMap(([name, value]) => [
        [name, rpc.method({ handler: () => value })] as const,
        [`${name}Later`, rpc.method({ handler: async () => value })] as const,
      ]),
    ),
    holes: rpc.method({
      handler: () => ({ a: undefined, b: [undefined, Number.NaN], c: new Date(0) }),
    }),
    declared: rpc.method({
      errors: {
        SOLD_OUT: { code: 1001, message: "nothing left", data: z.object({ left: z.number() }) },
        LOW: { code: -1 },
      },
      params: z.object({ name: z.enum(["SOLD_OUT", "LOW"]) }),
      handler: ({ params, error }) => {
        throw params.name === "LOW" ? error.LOW() : error.SOLD_OUT({ left: 3 });
      },
    }),
    wrongResult: rpc.method({
      result: z.object({ a: z.number() }),
      handler: () => JSON.parse(`{"a":"${secret}"}`),
    }),
    schemaThrows: rpc.method({
      params: z.unknown().transform(() => {
        throw new Error(secret);
      }),
      handler: () => 1,
    }),
    ok: rpc.method({ handler: () => "ok" }),
  });
}

async function startFailing() {
  const server = await startServer(failingApp());
  return { ...server, client: await server.login() };
}

describe("Protocol §4.2, what a handler does wrong", () => {
  for (const [index, [name]] of thrown.entries()) {
    it(`${name} that is thrown is -32603 with data.errorId only, and the connection lives on`, async () => {
      await using server = await startFailing();
      for (const method of [`throw${index}`, `reject${index}`]) {
        const answers = await exchange(server.client, request(1, method));
        expect(answers, method).to.have.length(1);
        const { error } = answers[0] ?? {};
        expect(error).to.deep.equal({
          code: -32603,
          message: "Internal error",
          data: { errorId: error?.data?.errorId },
        });
        expect(error?.data?.errorId).to.be.a("string").and.not.equal("");
        expect(await exchange(server.client, notification(method))).to.deep.equal([]);
      }
      expect((await ask(server.client, "ok")).result).to.equal("ok");
    });
  }

  for (const [index, [name]] of unsendable.entries()) {
    it(`${name} as a result is -32603 with data.errorId only, alone and in a batch, and the connection lives on`, async () => {
      await using server = await startFailing();
      for (const method of [`return${index}`, `resolve${index}`]) {
        const { error } = await ask(server.client, method);
        expect(error).to.deep.equal({
          code: -32603,
          message: "Internal error",
          data: { errorId: error?.data?.errorId },
        });
        server.client.send([request(1, method), request(2, "ok")]);
        const batch = await server.client.next<{ id: number; error?: { code: number } }[]>();
        expect(batch.map(({ id, error }) => [id, error?.code])).to.deep.equal([
          [1, -32603],
          [2, undefined],
        ]);
        expect(await exchange(server.client, notification(method))).to.deep.equal([]);
      }
      expect((await ask(server.client, "ok")).result).to.equal("ok");
    });
  }

  it("the message and the stack go to the log under the error id, and never to the wire", async () => {
    await using server = await startFailing();
    for (const method of ["throw0", "reject0"]) {
      const answer = await ask(server.client, method);
      expect(JSON.stringify(answer)).to.not.include(secret);
      const line = server.log.find(({ fields }) => fields.errorId === answer.error?.data?.errorId);
      expect(line?.level).to.equal("error");
      expect(line?.fields.err).to.have.property("message", secret);
      expect(line?.fields.err).to.have.property("stack").that.includes("json-rpc-failures.test");
    }
  });

  it("a result that does not fit its schema is -32603, and what it held stays here", async () => {
    await using server = await startFailing();
    const answer = await ask(server.client, "wrongResult");
    expect(answer.error?.code).to.equal(-32603);
    expect(JSON.stringify(answer)).to.not.include(secret);
  });

  it("a params schema that throws is an error without its message, and the connection lives on", async () => {
    await using server = await startFailing();
    const answer = await ask(server.client, "schemaThrows", { a: 1 });
    expect(answer.error?.code).to.equal(-32603);
    expect(JSON.stringify(answer)).to.not.include(secret);
    expect((await ask(server.client, "ok")).result).to.equal("ok");
  });

  it("an undefined result is sent as null, and so is what JSON has no word for", async () => {
    await using server = await startFailing();
    for (const method of ["nothing", "nothingLater", "symbol", "symbolLater", "fn", "fnLater"]) {
      expect(await exchange(server.client, request(1, method)), method).to.deep.equal([
        { jsonrpc: "2.0", id: 1, result: null },
      ]);
    }
    expect((await ask(server.client, "holes")).result).to.deep.equal({
      b: [null, null],
      c: "1970-01-01T00:00:00.000Z",
    });
  });

  it("a declared error carries the application's own code, message and data", async () => {
    await using server = await startFailing();
    const soldOut = await ask(server.client, "declared", { name: "SOLD_OUT" });
    expect(soldOut.error).to.deep.equal({
      code: 1001,
      message: "SOLD_OUT: nothing left",
      data: { left: 3 },
    });
    expect((await ask(server.client, "declared", { name: "LOW" })).error).to.deep.equal({
      code: -1,
      message: "LOW",
    });
  });

  it("a declared code inside -32768…-32000, or no integer, is an error at start-up", async () => {
    const rpc = createRpc();
    const appOf = (code: number) =>
      rpc.router({ a: rpc.method({ errors: { BAD: { code } }, handler: () => 1 }) });
    for (const code of [
      -32768,
      -32000,
      -32603,
      -32001,
      1.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ]) {
      const refusal = await startServer(appOf(code)).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(refusal, String(code)).to.be.an.instanceOf(TypeError);
    }
    for (const code of [-32769, -31999, 0, 1, -1]) await (await startServer(appOf(code))).close();
  });

  it("an error that another method declared is an internal error", async () => {
    const rpc = createRpc();
    let stolen: unknown;
    const app = rpc.router({
      owner: rpc.method({
        errors: { MINE: { code: 1 } },
        handler: ({ error }) => {
          stolen = error.MINE();
          throw stolen;
        },
      }),
      thief: rpc.method({
        handler: () => {
          throw stolen;
        },
      }),
    });
    await using server = await startServer(app);
    const client = await server.login();
    expect((await ask(client, "owner")).error?.code).to.equal(1);
    expect((await ask(client, "thief")).error?.code).to.equal(-32603);
  });
});
