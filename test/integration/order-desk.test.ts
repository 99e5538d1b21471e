import { appendFile, readFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { type Client, createClient, RpcError } from "jotwire/client";
import type { App } from "../../examples/order-desk/app.js";
import {
  type DevServer,
  projectFolder,
  RunningCli,
  runCli,
  shownPassword,
  startDev,
} from "../helpers/cli/command-line.js";
import { withFolder } from "../helpers/temporary-folder.js";

const module = join(projectFolder, "examples/order-desk/app.ts");

const start = (state: string): Promise<DevServer> => startDev(state, { module, typescript: true });

async function signIn(server: DevServer, username: string, password: string): Promise<Client<App>> {
  const body = JSON.stringify({ username, password });
  const answer = await fetch(`${server.base}/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
  });
  const { access_token: token } = (await answer.json()) as { access_token: string };
  const client = createClient<App>({ url: server.url, token: () => token });
  await client.ready();
  return client;
}

/** Bob may order, but is no admin. */
async function signInBob(server: DevServer, state: string): Promise<Client<App>> {
  const password = "bob's own password";
  const scopes = ["--scope", "orders:read", "--scope", "orders:write"];
  await runCli(["user", "add", "bob", ...scopes, "--state", state], { input: password });
  return signIn(server, "bob", password);
}

async function failure(call: Promise<unknown>): Promise<RpcError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).to.be.instanceOf(RpcError);
  return error as RpcError;
}

describe("the order desk", function () {
  this.timeout(60_000);

  it("takes orders while there is stock, and tells the caller's connection", () =>
    withFolder(async (state) => {
      await using server = await start(state);
      await using ada = await signIn(server, "ada", shownPassword(server));
      const created: unknown[] = [];
      ada.on("order.created", (order) => created.push(order));
      const order = await ada.api.orders.create({ sku: "C3", qty: 2 });
      expect(order).to.include({
        id: "o1",
        customer: "ada",
        sku: "C3",
        qty: 2,
        total: 62_000,
        status: "placed",
      });
      expect(created).to.deep.equal([order]);
      expect(await failure(ada.api.orders.create({ sku: "C3", qty: 2 }))).to.deep.include({
        code: "OUT_OF_STOCK",
        rpcCode: 1001,
        data: { left: 1 },
      });
      expect(await failure(ada.api.orders.create({ sku: "Z9" }))).to.include({
        code: "NO_SUCH_ITEM",
        rpcCode: 1002,
      });
      expect(await failure(ada.call("orders.create", { sku: "C3", qty: 0 }))).to.include({
        code: "invalid_params",
        rpcCode: -32602,
      });
      expect((await ada.api.stock.list()).find(({ sku }) => sku === "C3")).to.include({ left: 1 });
    }));

  it("sells the last one once, however many ask for it together", () =>
    withFolder(async (state) => {
      await using server = await start(state);
      await using ada = await signIn(server, "ada", shownPassword(server));
      const outcomes = await Promise.allSettled(
        Array.from({ length: 8 }, () => ada.api.orders.create({ sku: "C3" })),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled")).to.have.lengthOf(3);
      expect((await ada.api.stock.list()).find(({ sku }) => sku === "C3")).to.include({ left: 0 });
    }));

  it("takes a repeated call with the same key for one order", () =>
    withFolder(async (state) => {
      await using server = await start(state);
      await using ada = await signIn(server, "ada", shownPassword(server));
      const [first, second] = await Promise.all([
        ada.api.orders.create({ sku: "A1", key: "k1" }),
        ada.api.orders.create({ sku: "A1", key: "k1" }),
      ]);
      expect(second).to.deep.equal(first);
      expect(await failure(ada.api.orders.create({ sku: "A1", qty: 2, key: "k1" }))).to.include({
        code: "KEY_TAKEN",
        rpcCode: 1003,
      });
      expect((await ada.api.orders.list()).orders).to.have.lengthOf(1);
    }));

  it("shows a user only what is theirs, and an admin everything", () =>
    withFolder(async (state) => {
      await using server = await start(state);
      await using ada = await signIn(server, "ada", shownPassword(server));
      await using bob = await signInBob(server, state);
      const { id: adas } = await ada.api.orders.create({ sku: "A1" });
      const { id: bobs } = await bob.api.orders.create({ sku: "A1" });
      expect((await bob.api.orders.list()).orders.map(({ id }) => id)).to.deep.equal([bobs]);
      expect((await ada.api.orders.list()).orders.map(({ id }) => id)).to.deep.equal([bobs, adas]);
      expect(await bob.api.orders.get({ id: bobs })).to.include({ customer: "bob" });
      for (const call of [
        bob.api.orders.get({ id: adas }),
        bob.api.orders.cancel({ id: adas }),
        bob.api.orders.get({ id: "o99" }),
      ]) {
        expect(await failure(call)).to.include({ code: "NOT_FOUND", rpcCode: 1004 });
      }
      expect(await ada.api.orders.cancel({ id: bobs })).to.include({ status: "cancelled" });
    }));

  it("keeps what is for admins from others", () =>
    withFolder(async (state) => {
      await using server = await start(state);
      await using ada = await signIn(server, "ada", shownPassword(server));
      await using bob = await signInBob(server, state);
      expect(await failure(bob.api.admin.restock({ sku: "C3", qty: 5 }))).to.include({
        code: "forbidden",
        rpcCode: -32003,
      });
      expect(await failure(bob.api.admin.ship({ id: "o1" }))).to.include({
        code: "forbidden",
        rpcCode: -32003,
      });
      expect(await ada.api.admin.restock({ sku: "C3", qty: 5 })).to.include({ left: 8 });
      await using nobody = createClient<App>({ url: server.url });
      expect(await nobody.api.stock.list()).to.have.lengthOf(3);
      expect(await failure(nobody.api.orders.list())).to.include({
        code: "unauthenticated",
        rpcCode: -32001,
      });
    }));

  it("cancels what has not been shipped, and puts it back on the shelf", () =>
    withFolder(async (state) => {
      await using server = await start(state);
      await using ada = await signIn(server, "ada", shownPassword(server));
      const updated: string[] = [];
      ada.on("order.updated", ({ id, status }) => updated.push(`${id} ${status}`));
      const [one, two] = [
        await ada.api.orders.create({ sku: "C3" }),
        await ada.api.orders.create({ sku: "C3" }),
      ];
      await ada.api.admin.ship({ id: one.id });
      expect(await failure(ada.api.orders.cancel({ id: one.id }))).to.include({
        code: "ALREADY_SHIPPED",
        rpcCode: 1005,
      });
      await ada.api.orders.cancel({ id: two.id });
      expect(await failure(ada.api.orders.cancel({ id: two.id }))).to.include({
        code: "ALREADY_CANCELLED",
        rpcCode: 1006,
      });
      expect(updated).to.deep.equal(["o1 shipped", "o2 cancelled"]);
      expect((await ada.api.stock.list()).find(({ sku }) => sku === "C3")).to.include({ left: 2 });
    }));

  it("lists page by page, without a gap or a repetition while orders come in", () =>
    withFolder(async (state) => {
      await using server = await start(state);
      await using ada = await signIn(server, "ada", shownPassword(server));
      for (let i = 0; i < 5; i++) await ada.api.orders.create({ sku: "B2" });
      const first = await ada.api.orders.list({ limit: 2 });
      await ada.api.orders.create({ sku: "B2" });
      const second = await ada.api.orders.list({ limit: 2, cursor: first.next ?? "" });
      const third = await ada.api.orders.list({ limit: 2, cursor: second.next ?? "" });
      const ids = [first, second, third].map(({ orders }) => orders.map(({ id }) => id));
      expect(ids).to.deep.equal([["o5", "o4"], ["o3", "o2"], ["o1"]]);
      expect(third.next).to.equal(null);
    }));

  it("keeps every acknowledged order over a SIGKILL, and cuts off a line that was not", () =>
    withFolder(async (state) => {
      const first = await start(state);
      const password = shownPassword(first);
      const ada = await signIn(first, "ada", password);
      const acknowledged = await Promise.all(
        Array.from({ length: 10 }, (_, i) => ada.api.orders.create({ sku: "B2", key: `k${i}` })),
      );
      await ada.api.orders.cancel({ id: "o3" });
      await first[Symbol.asyncDispose](); // SIGKILL
      await ada.close();
      await appendFile(join(state, "orders.jsonl"), '{"what":"placed","order":{"id":"o11"');

      await using second = await start(state);
      await using again = await signIn(second, "ada", password);
      const { orders } = await again.api.orders.list();
      const expected = acknowledged
        .map((order) => (order.id === "o3" ? { ...order, status: "cancelled" } : order))
        .reverse();
      expect(orders).to.deep.equal(expected);
      expect((await again.api.stock.list()).find(({ sku }) => sku === "B2")).to.include({
        left: 31,
      });
      expect(await again.api.orders.create({ sku: "B2", key: "k0" })).to.include({ id: "o1" });
      expect(await again.api.orders.create({ sku: "B2" })).to.include({ id: "o11" });
      for (const line of (await readFile(join(state, "orders.jsonl"), "utf8")).trim().split("\n"))
        JSON.parse(line);
    }));

  it("does not start on a damaged journal, and says which line", () =>
    withFolder(async (state) => {
      await appendFile(join(state, "orders.jsonl"), "no JSON\n");
      const { code, stderr } = await runCli(["dev", module, "--port", "0", "--state", state], {
        typescript: true,
      });
      expect(code).to.equal(3);
      expect(stderr).to.include("orders.jsonl:1 is damaged");
    }));

  it("writes reports with progress, and stops at a cancelled one", () =>
    withFolder(async (state) => {
      await using server = await start(state);
      await using ada = await signIn(server, "ada", shownPassword(server));
      await ada.api.orders.create({ sku: "A1", qty: 2 });
      const { id } = await ada.api.orders.create({ sku: "B2" });
      await ada.api.orders.cancel({ id });
      expect(await ada.api.reports.sales()).to.deep.equal({
        orders: 2,
        cancelled: 1,
        revenue: 7_800,
        bySku: { A1: 2 },
      });

      const controller = new AbortController();
      ada.on("report.progress", ({ done }) => done === 3 && controller.abort());
      const error = await ada.api.reports
        .sales(undefined, { signal: controller.signal })
        .catch((thrown: { type: string }) => thrown);
      expect(error).to.include({ code: "aborted" });
      expect(await server.cli.printed(/report given up .*done=(\d+)/)).to.match(/^[345]$/);
    }));

  it("shows its notifications to jotwire call --on", () =>
    withFolder(async (state) => {
      await using server = await start(state);
      const args = [
        "call",
        server.url,
        "orders.create",
        '{"sku":"A1"}',
        "--user",
        "ada",
        "--on",
        "order.created",
        "--listen",
        "0",
      ];
      const { code, stdout } = await runCli(args, { input: shownPassword(server) });
      expect(code).to.equal(0);
      const [notification, order] = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(notification).to.deep.equal({ method: "order.created", params: order });
      expect(order).to.include({ id: "o1", customer: "ada" });
    }));

  it("has a client that runs to its end, and tells in one line why it can't", () =>
    withFolder(async (state) => {
      await using server = await start(state);
      const client = join(projectFolder, "examples/order-desk/client.ts");
      const command = [process.execPath, "--import", import.meta.resolve("tsx"), client];
      const env = { JOTWIRE_PASSWORD: shownPassword(server) };
      await using shopper = new RunningCli([server.base, "ada"], { command, env });
      expect(await shopper.exited, shopper.stderr).to.equal(0);
      expect(shopper.stdout)
        .to.include("ordered:")
        .and.include("out of stock, left: 3")
        .and.include("report: aborted");
      expect(shopper.stdout).to.include("notification: order o1 cancelled");

      const failures = [
        [server.base, { JOTWIRE_PASSWORD: "wrong" }, /^\/login answered 400: [^\n{]+\n$/],
        [server.base, {}, /^put the password [^\n]+\n$/],
        [
          await unusedBase(),
          env,
          /^nothing listens at http:\/\/127\.0\.0\.1:\d+: is the server running\? [^\n]+\n$/,
        ],
      ] as const;
      for (const [base, environment, words] of failures) {
        await using failing = new RunningCli([base, "ada"], { command, env: environment });
        expect(await failing.exited).to.equal(1);
        expect(failing.stderr).to.match(words);
      }
    }));
});

/** Where nothing listens: a port that was free a moment ago. */
async function unusedBase(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}
