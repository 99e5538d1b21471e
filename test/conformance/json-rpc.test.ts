import { expect } from "chai";
import { describe, it } from "mocha";
import { exchange, type Frame, notification, request } from "../helpers/server/frames.js";
import type { RawClient } from "../helpers/server/raw-client.js";
import { specApp } from "../helpers/server/spec-app.js";
import { startServer } from "../helpers/server/test-server.js";

async function startSpec() {
  const { app, done } = specApp();
  const server = await startServer(app, {
    limits: { openFramesPerSecond: Number.POSITIVE_INFINITY },
  });
  return { ...server, done };
}

/**
 * An answer as the specification prints it: without `error.data`, and with any message for the
 * codes that have one.
 */
function plain(answer: unknown): unknown {
  if (Array.isArray(answer)) return answer.map(plain);
  const { error, ...rest } = answer as Frame;
  if (error === undefined) return rest;
  expect(error).to.have.all.keys(
    error.data === undefined ? ["code", "message"] : ["code", "message", "data"],
  );
  return { ...rest, error: { code: error.code, message: error.message } };
}

async function answersTo(client: RawClient, ...frames: readonly unknown[]): Promise<unknown[]> {
  return (await exchange(client, ...frames)).map(plain);
}

const parseError = { code: -32700, message: "Parse error" };
const invalidRequest = { code: -32600, message: "Invalid Request" };
const notFound = { code: -32601, message: "Method not found" };
const invalid = (id: unknown = null) => ({ jsonrpc: "2.0", error: invalidRequest, id });
const result = (id: unknown, value: unknown) => ({ jsonrpc: "2.0", result: value, id });

/** Name, what is sent, what comes back (nothing: undefined). */
const examples: readonly (readonly [string, string, unknown])[] = [
  [
    "positional parameters",
    '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
    result(1, 19),
  ],
  [
    "positional parameters the other way round",
    '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
    result(2, -19),
  ],
  [
    "named parameters",
    '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
    result(3, 19),
  ],
  [
    "named parameters the other way round",
    '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
    result(4, 19),
  ],
  ["a notification", '{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', undefined],
  ["a notification of no method", '{"jsonrpc": "2.0", "method": "foobar"}', undefined],
  [
    "a non-existent method",
    '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
    { jsonrpc: "2.0", error: notFound, id: "1" },
  ],
  [
    "invalid JSON",
    '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
    { jsonrpc: "2.0", error: parseError, id: null },
  ],
  ["an invalid request object", '{"jsonrpc": "2.0", "method": 1, "params": "bar"}', invalid()],
  [
    "a batch of invalid JSON",
    '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]',
    { jsonrpc: "2.0", error: parseError, id: null },
  ],
  ["an empty array", "[]", invalid()],
  ["an invalid batch that is not empty", "[1]", [invalid()]],
  ["an invalid batch", "[1,2,3]", [invalid(), invalid(), invalid()]],
  [
    "a batch",
    `[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
      {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"}, {"foo": "boo"},
      {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"}, {"jsonrpc": "2.0", "method": "get_data", "id": "9"}]`,
    [
      result("1", 7),
      result("2", 19),
      invalid(),
      { jsonrpc: "2.0", error: notFound, id: "5" },
      result("9", ["hello", 5]),
    ],
  ],
  [
    "a batch of notifications",
    '[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]',
    undefined,
  ],
];

describe("JSON-RPC 2.0 §7, the examples of the specification", () => {
  for (const [name, sent, expected] of examples) {
    it(`answers as printed: ${name}`, async () => {
      await using server = await startSpec();
      const client = await server.login();
      expect(await answersTo(client, sent)).to.deep.equal(expected === undefined ? [] : [expected]);
    });
  }

  it("runs the notifications among them", async () => {
    await using server = await startSpec();
    await exchange(await server.login(), ...examples.map(([, sent]) => sent));
    expect(server.done).to.have.members(["update", "notify_hello", "notify_sum", "notify_hello"]);
  });

  it("answers those that are no request alike before authentication, and reveals no method", async () => {
    await using server = await startSpec();
    for (const [name, sent, expected] of examples) {
      const client = await server.connect();
      const [answer, ...more] = await answersTo(client, sent);
      expect(more, name).to.deep.equal([]);
      const { error } = (expected ?? {}) as Frame;
      const elements = JSON.stringify(expected ?? null);
      if (expected === undefined) expect(answer, name).to.equal(undefined);
      else if (Array.isArray(expected) && expected.length > 2)
        expect(answer, name).to.deep.equal(invalid()); // more than 2 in OPEN
      else if (Array.isArray(expected) || (error !== undefined && !elements.includes("-32601")))
        expect(answer, name).to.deep.equal(expected);
      else expect(answer, name).to.have.nested.property("error.code", -32001);
      await client.close();
    }
    expect(server.done).to.deep.equal([]);
  });
});

describe("JSON-RPC 2.0, what is no request", () => {
  /** Sent, and the answer. */
  const traps: readonly (readonly [string, unknown])[] = [
    ["null", invalid()],
    ["0", invalid()],
    ['"x"', invalid()],
    ["true", invalid()],
    ["{}", invalid()],
    ["[null]", [invalid()]],
    ["[[]]", [invalid()]],
    ["[[[]]]", [invalid()]],
    ["[{}]", [invalid()]],
    ['[[{"jsonrpc":"2.0","id":1,"method":"ping"}]]', [invalid()]],
    ['{"jsonrpc":"2.0","id":1,"result":1}', invalid(1)],
    ['{"id":1,"method":"ping"}', invalid(1)],
    ['{"jsonrpc":"1.0","id":1,"method":"ping"}', invalid(1)],
    ['{"jsonrpc":2.0,"id":1,"method":"ping"}', invalid(1)],
    ['{"jsonrpc":null,"id":"a","method":"ping"}', invalid("a")],
    ['{"method":"ping"}', invalid()],
    ['{"jsonrpc":"2.0","id":1}', invalid(1)],
    ...["1", "null", "true", "{}", "[]", '["ping"]'].map(
      (method) => [`{"jsonrpc":"2.0","id":1,"method":${method}}`, invalid(1)] as const,
    ),
    ...['"x"', "1", "0", "true", "false", '""'].map(
      (params) =>
        [`{"jsonrpc":"2.0","id":7,"method":"ping","params":${params}}`, invalid(7)] as const,
    ),
    ['{"jsonrpc":"2.0","method":"ping","params":"x"}', invalid()],
    ...["{}", "[]", "true", "false", "[1]", '{"a":1}', "1e999", "-1e999"].map(
      (id) => [`{"jsonrpc":"2.0","id":${id},"method":"ping"}`, invalid()] as const,
    ),
  ];

  for (const isAuthenticated of [true, false]) {
    it(`is -32600 with the request's own id when it is readable, else null${isAuthenticated ? "" : ", also before authentication"}`, async () => {
      await using server = await startSpec();
      const client = isAuthenticated ? await server.login() : await server.connect();
      for (const [sent, expected] of traps)
        expect(await answersTo(client, sent), sent).to.deep.equal([expected]);
    });
  }

  it("is told with a hint that says what is wrong", async () => {
    await using server = await startSpec();
    const client = await server.login();
    for (const [sent] of traps) {
      const [answer] = (await exchange(client, sent)).flat() as Frame[];
      expect(answer?.error?.data?.hint, sent).to.be.a("string").and.not.equal("");
    }
  });

  it("is told what JSON is that people forget", async () => {
    await using server = await startSpec();
    const client = await server.login();
    for (const text of ['{jsonrpc:"2.0"}', '{"jsonrpc":"2.0","id":1,"method":"pi\nng"}']) {
      client.send(text);
      const { error } = (await client.next()) as {
        readonly error: { readonly code: number; readonly data?: { readonly hint?: string } };
      };
      expect(error.code).to.equal(-32700);
      expect(error.data?.hint).to.match(/double quotes, no line break within a string$/);
    }
  });

  it("is -32700 with id null when it is no JSON", async () => {
    await using server = await startSpec();
    const client = await server.login();
    const texts = [
      "",
      " ",
      "{",
      "[",
      "undefined",
      "NaN",
      "{'a':1}",
      '{"a":1,}',
      "[1,]",
      '"\u0001"',
      "{]",
      '"\\x"',
      "\ufeff{}",
      "// a",
      "01",
      "}{",
    ];
    for (const text of texts)
      expect(await answersTo(client, text), text).to.deep.equal([
        { jsonrpc: "2.0", error: parseError, id: null },
      ]);
  });

  it("answers a frame of 64 KiB of [1,1,…] with one error under 400 bytes", async () => {
    await using server = await startSpec();
    const client = await server.login();
    client.send(`[${"1,".repeat(32_766)}1]`);
    const text = await client.nextText();
    expect(text.length).to.be.below(400);
    expect(plain(JSON.parse(text))).to.deep.equal(invalid());
  });

  it("takes JSON that is 64 deep, and answers deeper with -32600", async () => {
    await using server = await startSpec();
    const client = await server.login();
    const deep = (levels: number, open = "[", close = "]") =>
      `${open.repeat(levels)}${close.repeat(levels)}`;
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const) {
      const call = (levels: number) =>
        `{"jsonrpc":"2.0","id":1,"method":"echo","params":[${open.repeat(levels - 2)}${open === "[" ? "" : 1}${close.repeat(levels - 2)}]}`;
      expect(await answersTo(client, call(64))).to.have.nested.property("[0].result");
      expect(await answersTo(client, call(65)), open).to.deep.equal([invalid()]);
    }
    expect(await answersTo(client, deep(32_000))).to.deep.equal([invalid()]);
    expect(await answersTo(client, "[".repeat(65_000)))
      .to.have.nested.property("[0].error.code")
      .that.is.oneOf([-32600, -32700]);
    const brackets = "[{".repeat(1_000);
    expect(await answersTo(client, request(2, "echo", [brackets, `"${brackets}\\`]))).to.deep.equal(
      [result(2, [brackets, `"${brackets}\\`])],
    );
  });
});

describe("JSON-RPC 2.0, requests and their ids", () => {
  it("id 0, an empty string and null are ids, and are answered", async () => {
    await using server = await startSpec();
    const client = await server.login();
    for (const method of ["echo", "laterEcho", "ping", "whoami"]) {
      for (const id of [0, "", null]) {
        const answers = await exchange(client, request(id, method));
        expect(answers, `${method} ${id}`).to.have.length(1);
        expect(answers[0]?.id).to.equal(id);
        expect(answers[0]).to.have.property("result");
      }
    }
  });

  it("the response's id is type-identical to the request's", async () => {
    await using server = await startSpec();
    const client = await server.login();
    for (const id of [
      1,
      "1",
      -1,
      1.5,
      1e21,
      9_007_199_254_740_991,
      "ü",
      "\u0000",
      "a b",
      "null",
      "0",
      "__proto__",
      "constructor",
    ]) {
      for (const method of ["echo", "laterEcho", "ping", "no.such.method"]) {
        const [answer] = await exchange(client, request(id, method));
        expect(answer?.id, method).to.equal(id);
      }
      expect((await exchange(client, { jsonrpc: "2.0", id, method: 1 }))[0]?.id).to.equal(id);
    }
  });

  it("an id that would come back as another number is refused at once, in words, and runs nothing; so two of them are never taken for one", async () => {
    await using server = await startSpec();
    const client = await server.login();
    for (const id of [
      "9007199254740993",
      "18446744073709551615",
      "-9223372036854775807",
      "0.12345678901234567890",
      "1e400",
    ]) {
      for (const text of [
        `{"jsonrpc":"2.0","id":${id},"method":"echo"}`,
        `{"jsonrpc":"2.0","method":"authenticate","id":${id},"params":["x"]}`,
      ]) {
        const [answer] = await exchange(client, text);
        expect(answer, text)
          .to.include({ id: null })
          .and.have.nested.property("error.code", -32600);
        if (id !== "1e400") expect(answer?.error?.data?.hint).to.match(/send it as a string/);
      }
      const [batch] = await exchange(
        client,
        `[{"jsonrpc":"2.0","id":1,"method":"echo"},{"jsonrpc":"2.0","id":${id},"method":"echo"}]`,
      );
      expect(
        (batch as unknown as Frame[]).map(({ id: answered, error }) => [answered, error?.code]),
      ).to.deep.equal([
        [1, undefined],
        [null, -32600],
      ]);
    }
    for (const id of ["9007199254740991", "9007199254740992", "1.5", "1e21", "1.0"]) {
      const [answer] = await exchange(client, `{"jsonrpc":"2.0","id":${id},"method":"echo"}`);
      expect(answer, id)
        .to.include({ id: Number(id) })
        .and.have.property("result");
    }
  });

  it("params that are null are none, for every kind of method", async () => {
    await using server = await startSpec();
    const client = await server.login();
    const withNull = async (method: string) =>
      (await exchange(client, `{"jsonrpc":"2.0","id":1,"method":"${method}","params":null}`))[0];
    const without = async (method: string) =>
      (await exchange(client, `{"jsonrpc":"2.0","id":1,"method":"${method}"}`))[0];
    for (const method of ["echo", "laterEcho", "ping", "subtract", "no.such.method"]) {
      const { error, ...rest } = (await withNull(method)) ?? {};
      const { error: expected, ...others } = (await without(method)) ?? {};
      expect([rest, error?.code], method).to.deep.equal([others, expected?.code]);
    }
    expect((await withNull("ping"))?.result).to.equal("pong");
    expect((await withNull("unsubscribe"))?.error?.code).to.equal(-32602);
    expect((await withNull("authenticate"))?.error?.code).to.equal(-32602);
    expect((await withNull("logout"))?.result).to.deep.equal({ ok: true });
  });

  it("answers an id or a parameter with a lone surrogate as it came", async () => {
    await using server = await startSpec();
    const client = await server.login();
    client.send('{"jsonrpc":"2.0","id":"\\ud800","method":"echo","params":["\\udfff","a\\ud83d"]}');
    expect(await client.next()).to.deep.equal(result("\ud800", ["\udfff", "a\ud83d"]));
    expect(
      (await exchange(client, '{"jsonrpc":"2.0","id":1,"method":"\\ud800"}'))[0]?.error?.code,
    ).to.equal(-32601);
  });

  it("a number that is too big for a double is a parameter like any other", async () => {
    await using server = await startSpec();
    const client = await server.login();
    const [answer] = await exchange(
      client,
      `{"jsonrpc":"2.0","id":1,"method":"echo","params":[1e999,-1e999,1e-999,${"9".repeat(400)}]}`,
    );
    expect(answer).to.deep.equal(result(1, [null, null, 0, null]));
  });

  it("duplicate keys neither crash nor give two answers", async () => {
    await using server = await startSpec();
    const client = await server.login();
    const answers = await exchange(
      client,
      '{"jsonrpc":"2.0","id":1,"id":2,"method":"no.such","method":"echo","params":[1],"params":[2],"jsonrpc":"2.0"}',
    );
    expect(answers).to.deep.equal([result(2, [2])]);
  });

  it("members named __proto__, constructor and prototype pollute nothing", async () => {
    await using server = await startSpec();
    const client = await server.login();
    const snapshot = () =>
      [Object.prototype, Array.prototype, Function.prototype].map((each) => Reflect.ownKeys(each));
    const before = snapshot();
    const members = [
      '{"__proto__":{"polluted":1}}',
      '{"constructor":{"prototype":{"polluted":1}}}',
      '{"\\u005f_proto__":{"polluted":1}}',
    ];
    const inner = [
      ...members,
      '{"a":[{"__proto__":{"polluted":1}}]}',
      '{"prototype":{"polluted":1}}',
      '{"\\u0063onstructor":{"prototype":{"polluted":1}}}',
    ];
    for (const member of inner) {
      for (const method of ["echo", "ping", "subtract", "authenticate", "refresh"]) {
        const [answer] = await exchange(
          client,
          `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${member}}`,
        );
        expect(answer?.id, method).to.equal(1);
        expect(Object(answer?.result)).to.not.have.property("polluted");
      }
    }
    await exchange(
      client,
      '{"__proto__":{"jsonrpc":"2.0","id":1,"method":"echo"}}',
      '{"jsonrpc":"2.0","id":1,"method":"echo","__proto__":{"params":[1]}}',
    );
    expect(
      await answersTo(client, '{"__proto__":{"jsonrpc":"2.0","id":1,"method":"echo"}}'),
    ).to.deep.equal([invalid()]);
    for (const method of [
      "__proto__",
      "constructor",
      "toString",
      "hasOwnProperty",
      "valueOf",
      "prototype",
    ]) {
      expect((await exchange(client, request(1, method)))[0]?.error?.code, method).to.equal(-32601);
    }
    expect(snapshot()).to.deep.equal(before);
    expect(Object({})).to.not.have.property("polluted");
  });

  it("members that the specification does not know are ignored", async () => {
    await using server = await startSpec();
    const client = await server.login();
    expect(
      await answersTo(client, { ...request(1, "subtract", [3, 1]), meta: {}, result: 1 }),
    ).to.deep.equal([result(1, 2)]);
  });

  it("a batch is answered by an array, even when it has one member; a batch of notifications by nothing", async () => {
    await using server = await startSpec();
    const client = await server.login();
    for (const method of ["echo", "laterEcho", "ping"]) {
      client.send([request(1, method, [1])]);
      expect(await client.next()).to.deep.equal([result(1, [1])]);
      expect(
        await answersTo(
          client,
          [notification(method, [1])],
          [notification(method), notification("no.such.method")],
        ),
      ).to.deep.equal([]);
    }
  });
});
