import { expect } from "chai";
import { ApiCatalog } from "../../../src/cli/repl/api-catalog.js";
import { mayHoldSecret } from "../../../src/cli/repl/history-file.js";

const param = (name: string, type: string, required = true) => ({
  name,
  required,
  schema: { type },
});
const catalog = new ApiCatalog({
  methods: [
    {
      name: "orders.create",
      summary: "Creates an order",
      params: [param("sku", "string"), param("qty", "integer"), param("note", "string", false)],
    },
    { name: "orders.list", params: [] },
    { name: "orders.watch", params: [param("id", "string")], "x-subscription": {} },
  ],
});

describe("The completion of the REPL", () => {
  for (const [line, hits, partial] of [
    ["ord", ["orders.create ", "orders.list ", "orders.watch "], "ord"],
    ["orders.c", ["orders.create "], "orders.c"],
    ["pi", ["ping "], "pi"],
    [".u", [".unsubscribe "], ".u"],
    [".help orders.l", ["orders.list"], "orders.l"],
    [".subscribe o", ["orders.watch "], "o"],
    [".subscribe orders.watch ", ['{"id":""}'], ""],
    ["orders.create ", ['{"sku":"","qty":0}'], ""],
    ["orders.list ", [], ""],
    ['orders.create {"s', ['"sku":'], '"s'],
    ["orders.create {q", ['"qty":'], "q"],
    ['orders.create {"sku":"A1",', ['"qty":', '"note":'], ""],
    ['orders.create {"sku":"A1","no', ['"note":'], '"no'],
    ["nothing {", [], ""],
  ] as const) {
    it(`of ${JSON.stringify(line)} offers ${hits.join("or ") || "nothing"}`, () => {
      expect(catalog.complete(line)).to.deep.equal([hits, partial]);
    });
  }

  it("makes do with any document, or none", () => {
    for (const document of [
      undefined,
      null,
      7,
      { methods: 7 },
      { methods: [7, null, { name: 7 }, { name: "a", params: [7, { name: 7 }] }] },
    ])
      expect(new ApiCatalog(document).complete("ping")[0]).to.deep.equal(["ping "]);
  });
});

describe("The history of the REPL", () => {
  const jwt = `eyJhbGciOiJSUzI1NiJ9.${"a".repeat(30)}.${"b".repeat(30)}`;
  for (const line of [
    `a {"x":"${jwt}"}`,
    'a {"password":"hunter2"}',
    'a {"apiKey" : "x"}',
    'a {"newPassword":"x"}',
    'a {"refresh_token":"x"}',
    `a {"x":"${"Ab3_".repeat(10)}"}`,
    'authenticate {"x":1}',
    "logout",
    " ping",
  ])
    it(`does not keep ${line.slice(0, 40)}`, () => expect(mayHoldSecret(line)).to.equal(true));

  for (const line of [
    "ping",
    'orders.create {"sku":"A1","qty":2}',
    'orders.get {"id":"0199a8c2-7f1e-7000-8000-0123456789ab"}',
    "refreshments.list",
    ".refresh",
  ])
    it(`keeps ${line}`, () => expect(mayHoldSecret(line)).to.equal(false));
});
