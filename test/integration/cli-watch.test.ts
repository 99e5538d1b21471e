import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { mainFile, RunningCli, runCli } from "../helpers/cli/command-line.js";
import { startPrices } from "../helpers/cli/prices-app.js";
import { eventually } from "../helpers/eventually.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { TcpProxy } from "../helpers/network/tcp-proxy.js";
import { withFolder } from "../helpers/temporary-folder.js";

type Prices = Awaited<ReturnType<typeof startPrices>>;

const startTime = 20_000; // ms that a process may take on a busy machine
const c3 = '{"sku":"C3"}';
const eventsOf = (text: string) =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { n: number });
const numbersOf = (text: string) => eventsOf(text).map(({ n }) => n);
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

/** A watch that has subscribed. */
async function watching(
  prices: Prices,
  {
    url = prices.url,
    args = ["prices.watch", c3],
    token = prices.token(),
  }: { url?: string; args?: readonly string[]; token?: string } = {},
): Promise<RunningCli> {
  const before = prices.state.subscribed;
  const cli = new RunningCli(["watch", url, ...args], { env: { JOTWIRE_TOKEN: token } });
  await eventually(() => expect(prices.state.subscribed).to.be.above(before), startTime);
  return cli;
}

describe("jotwire watch", function () {
  this.timeout(60_000); // many processes

  it("prints each event as a line, and ends with 0 at SIGINT and SIGTERM, telling where to go on", async () => {
    await using prices = await startPrices();
    for (const [index, signal] of (["SIGINT", "SIGTERM"] as const).entries()) {
      await using cli = await watching(prices);
      const [first, last] = [2 * index + 1, 2 * index + 2];
      await prices.publish(first, last);
      await cli.printed(new RegExp(`"n":${last}`));
      expect(numbersOf(cli.stdout)).to.deep.equal([first, last]);
      cli.signal(signal);
      expect(await cli.exited, cli.stderr).to.equal(0);
      expect(cli.stderr).to.match(
        new RegExp(`^to go on after the last event: --since \\S+:${last}\\n$`),
      );
    }
    await eventually(() => expect(prices.server.connections).to.equal(0));
  });

  it("goes on after a lost connection, with each event once", async () => {
    await using prices = await startPrices();
    await using proxy = await TcpProxy.listen();
    proxy.leadTo(Number(new URL(prices.url).port));
    await using cli = await watching(prices, { url: `ws://127.0.0.1:${proxy.port}/rpc` });
    await prices.publish(1, 3);
    await cli.printed(/"n":3/);
    proxy.down();
    await cli.printed(/connection lost \(\w+\); trying again/);
    await prices.publish(4, 6);
    proxy.restore();
    await cli.printed(/subscribed again/);
    await prices.publish(7);
    await cli.printed(/"n":7/);
    expect(numbersOf(cli.stdout)).to.deep.equal(upTo(7));
    expect(cli.stderr).to.not.include("events were lost");
  });

  it("tells a gap where the topic keeps no history", async () => {
    await using prices = await startPrices();
    await using proxy = await TcpProxy.listen();
    proxy.leadTo(Number(new URL(prices.url).port));
    await using cli = await watching(prices, {
      url: `ws://127.0.0.1:${proxy.port}/rpc`,
      args: ["prices.ticks", c3, "--offsets"],
    });
    await prices.publish(1, 1, undefined, "ticks");
    await cli.printed(/"n":1/);
    proxy.cut();
    await cli.printed(/events were lost here/);
    await prices.publish(2, 2, undefined, "ticks");
    await cli.printed(/"n":2/);
    expect(eventsOf(cli.stdout)).to.deep.equal([
      { data: { n: 1 } },
      { gap: true },
      { data: { n: 2 } },
    ]);
  });

  it("begins with --since after an event, with its places by --offsets", async () => {
    await using prices = await startPrices();
    await prices.publish(1, 40);
    await using first = await watching(prices, { args: ["prices.watch", c3, "--offsets"] });
    await prices.publish(41);
    const epoch = await first.printed(/"epoch":"([^"]+)"/);
    const since = ["prices.watch", c3, "--offsets", "--since", `${epoch}:10`];
    await using second = await watching(prices, { args: since });
    await second.printed(/"n":41/);
    const lines = eventsOf(second.stdout) as unknown[];
    expect(lines).to.have.lengthOf(31);
    expect(lines[0]).to.deep.equal({ epoch, offset: 11, data: { n: 11 } });
    expect(second.stderr).to.equal("");
  });

  it("tells that --since can't be kept, when the history is another one", async () => {
    await using prices = await startPrices();
    await prices.publish(1, 5);
    const since = ["prices.watch", c3, "--offsets", "--since", "another-epoch:2"];
    await using cli = await watching(prices, { args: since });
    await cli.printed(/events were lost here/);
    await prices.publish(6);
    await cli.printed(/"n":6/);
    expect(eventsOf(cli.stdout)).to.deep.include({ gap: true }).and.have.lengthOf(2);
  });

  it("ends with 0 when whoever reads its lines has gone", async () => {
    await using prices = await startPrices();
    const command = ["bash", "-c", 'set -o pipefail; "$@" | head -n 1', "-", process.execPath];
    const before = prices.state.subscribed;
    await using cli = new RunningCli(["watch", prices.url, "prices.watch", c3], {
      env: { JOTWIRE_TOKEN: prices.token() },
      command: [...command, mainFile],
    });
    await eventually(() => expect(prices.state.subscribed).to.be.above(before), startTime);
    await prices.publish(1);
    await cli.printed(/"n":1/);
    await eventually(async () => {
      await prices.publish(2); // it notices with the next line
      expect(prices.server.connections).to.equal(0);
    });
    expect(await cli.exited).to.equal(0);
    expect(cli.stderr).to.match(/^to go on after the last event: --since \S+\n$/);
  });

  it("keeps its place while nobody reads its lines, and then prints each event once", async () => {
    await using prices = await startPrices();
    const child: ChildProcess = spawn(
      process.execPath,
      [mainFile, "watch", prices.url, "prices.watch", c3],
      { env: { ...process.env, JOTWIRE_TOKEN: prices.token() }, stdio: ["ignore", "pipe", "pipe"] },
    );
    const exited = once(child, "close");
    await eventually(() => expect(prices.state.subscribed).to.equal(1), startTime);
    await prices.publish(1, 400, "x".repeat(20_000)); // 8 MB
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    await eventually(() => expect(text).to.include('"n":400'), startTime);
    child.kill("SIGTERM");
    await exited;
    expect(numbersOf(text)).to.deep.equal(upTo(400));
  });

  it("takes the next token from its file in time, on the same connection", () =>
    withFolder(async (folder) => {
      await using prices = await startPrices();
      const file = join(folder, "token.jwt");
      await writeFile(file, prices.token(600, { jti: "t1" }));
      await using cli = await watching(prices, {
        token: "",
        args: ["prices.watch", c3, "--token-file", file],
      });
      const [before] = (await prices.server.sessions()).sessions;
      await writeFile(file, `${prices.token(3_000, { jti: "t2" })}\n`);
      await prices.server.revoke({ jti: "t1" }, { margin: 60 }); // asks for another one
      await eventually(async () => {
        const [now] = (await prices.server.sessions()).sessions;
        expect(now).to.include({ id: before?.id });
        expect(now?.expiresIn).to.be.above(1_000);
      });
      await prices.publish(1);
      await cli.printed(/"n":1/);
      expect(cli.stderr).to.equal("");
    }));

  it("ends with 5 when its only token has expired, or is revoked", async () => {
    const clock = new ManualClock();
    const limits = { pingInterval: Number.POSITIVE_INFINITY };
    await using prices = await startPrices({ clock, limits });
    await using expiring = await watching(prices);
    clock.advance(600_000);
    await eventually(async () => {
      const [session] = (await prices.server.sessions()).sessions;
      expect(session?.state).to.equal("expired");
    });
    clock.advance(30_000);
    expect(await expiring.exited).to.equal(5);
    expect(expiring.stderr).to.match(/^jotwire: the token was refused \(4401 token_expired\)/);
    await using revoked = await watching(prices, { token: prices.token(600, { jti: "t1" }) });
    await prices.server.revoke({ jti: "t1" });
    expect(await revoked.exited).to.equal(5);
    expect(revoked.stderr).to.match(/\(4401 token_revoked\): log in again\n$/);
  });

  it("ends as the subscription does: 0 when it is complete, 6 when it failed or is refused", async () => {
    await using prices = await startPrices();
    const watch = (args: readonly string[], token = prices.token()) =>
      runCli(["watch", prices.url, ...args], { env: { JOTWIRE_TOKEN: token } });
    const complete = await watch(["prices.count", '{"to":3}']);
    expect(complete).to.deep.include({ code: 0, stderr: "" });
    expect(numbersOf(complete.stdout)).to.deep.equal([1, 2, 3]);
    const cases = [
      [6, ["prices.count", '{"to":-1}'], /the subscription has ended \(error -32603\)/],
      [6, ["nothing.there"], /-32601 Method not found/],
      [
        2,
        ["prices.add", '{"first":1,"second":2}'],
        /is a method, not a subscription.*jotwire call/,
      ],
      [2, ["prices.watch", '["C3"]', "--since", "a:1"], /params by name/],
      [2, ["prices.watch", c3, "--since", "12"], /an epoch and an offset/],
    ] as const;
    for (const [code, args, says] of cases) {
      const finished = await watch(args);
      expect(finished.code, args.join(" ")).to.equal(code);
      expect(finished.stderr)
        .to.match(says)
        .and.match(/^jotwire: [^\n]+\n$/);
      expect(finished.stdout).to.equal("");
    }
    const poor = await watch(["prices.watch", c3], prices.token(600, { scope: "" }));
    expect([poor.code, poor.stderr.includes("-32003")]).to.deep.equal([6, true]);
    expect((await watch(["prices.watch", c3], "")).code).to.equal(5);
    const call = await runCli(["call", prices.url, "prices.watch", c3], {
      env: { JOTWIRE_TOKEN: prices.token() },
    });
    expect(call).to.deep.include({ code: 2, stdout: "" });
    expect(call.stderr).to.include("prices.watch is a subscription: use jotwire watch");
  });

  it("ends with 4 when it is kicked, and says so", async () => {
    await using prices = await startPrices();
    await using cli = await watching(prices);
    await prices.server.kick({ subject: "user-1" });
    expect(await cli.exited).to.equal(4);
    expect(cli.stderr).to.match(/^jotwire: [^\n]*4403 kicked[^\n]*\n$/);
  });
});
