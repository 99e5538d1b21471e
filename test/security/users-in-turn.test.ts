import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect } from "chai";
import { z } from "zod";
import { type ConnectionHandle, createRpc } from "../../src/index.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { ConnectionHarness } from "../helpers/server/connection-harness.js";
import { exchange, leftovers, notification, request, resultOf } from "../helpers/server/frames.js";
import type { RawClient } from "../helpers/server/raw-client.js";
import { startTimed } from "../helpers/server/timed-server.js";

describe("Frames that come in one go, while the user of a connection changes,", () => {
  const start = async () => {
    const rig = new ConnectionHarness(new ManualClock());
    const now = Math.floor(rig.clock.now() / 1000);
    for (const [name, subject] of [
      ["ada 1", "ada"],
      ["ada 2", "ada"],
      ["bob 1", "bob"],
    ] as const)
      rig.issue({
        name,
        subject,
        issuedAt: now,
        expiresAt: now + 900,
        mayWrite: false,
        kind: "genuine",
      });
    const call = (id: string, method: string, params: readonly unknown[] = []) =>
      rig.send({ id, method, params });
    const read = (number: number) =>
      rig.send({ id: `read ${number}`, method: "read", params: { number } });
    call("in", "authenticate", ["ada 1"]);
    rig.finishVerification();
    await rig.settle();
    rig.received();
    return { rig, call, read };
  };
  const verifyAll = async (rig: ConnectionHarness) => {
    while (rig.verifying > 0) {
      rig.finishVerification();
      await rig.settle();
    }
  };

  it("a call behind a logout and an authenticate runs for the next user, though a slow refresh is before them all", async () => {
    const { rig, call, read } = await start();
    call("refresh", "refresh", ["ada 2"]);
    read(1);
    call("logout", "logout");
    call("authenticate", "authenticate", ["bob 1"]);
    read(2);
    await rig.settle();
    expect(rig.runs, "while the refresh is pending").to.deep.equal([[1, "ada"]]);
    await verifyAll(rig);
    expect(rig.runs).to.deep.equal([
      [1, "ada"],
      [2, "bob"],
    ]);
    expect(rig.received().map(({ id }) => id)).to.deep.equal([
      "read 1",
      "refresh",
      "logout",
      "authenticate",
      "read 2",
    ]);
    rig.dispose();
  });

  it("a call behind a logout alone is refused, as nobody's", async () => {
    const { rig, call, read } = await start();
    call("refresh", "refresh", ["ada 2"]);
    call("logout", "logout");
    read(1);
    await verifyAll(rig);
    expect(rig.runs).to.deep.equal([]);
    expect(rig.received().map(({ id, error }) => [id, error?.code])).to.deep.equal([
      ["refresh", undefined],
      ["logout", undefined],
      ["read 1", -32001],
    ]);
    rig.dispose();
  });

  it("a call behind an authenticate that is refused runs for the user who stays", async () => {
    const { rig, call, read } = await start();
    call("authenticate", "authenticate", ["bob 1"]);
    read(1);
    await rig.settle();
    expect(rig.runs, "while the authenticate is pending").to.deep.equal([]);
    await verifyAll(rig);
    expect(rig.runs).to.deep.equal([[1, "ada"]]);
    expect(rig.received().map(({ id, error }) => [id, error?.code])).to.deep.equal([
      ["authenticate", -32006],
      ["read 1", undefined],
    ]);
    rig.dispose();
  });

  it("a call behind refreshes alone waits for none of them", async () => {
    const { rig, call, read } = await start();
    call("refresh 1", "refresh", ["ada 2"]);
    call("refresh 2", "refresh", ["ada 2"]);
    read(1);
    await rig.settle();
    expect(rig.runs).to.deep.equal([[1, "ada"]]);
    expect(rig.verifying).to.equal(1);
    rig.dispose();
  });
});

describe("Code of the application that still runs when the user of its connection has changed", () => {
  interface Seen {
    readonly subject: string | undefined;
    readonly scopes: readonly string[] | undefined;
    readonly isLive: boolean;
  }

  /**
   * A server whose long calls and generators stay as long as the test wants, and can be asked for
   * whom they run.
   */
  const start = async () => {
    const running: (() => Seen)[] = [];
    const handles: ConnectionHandle[] = [];
    const notes: (() => void)[] = [];
    const look = (context: { readonly auth: Seen | null; assertLive(): void }) => () => {
      const { subject, scopes } = context.auth ?? { subject: undefined, scopes: undefined };
      try {
        context.assertLive();
        return { subject, scopes, isLive: true };
      } catch {
        return { subject, scopes, isLive: false };
      }
    };
    const rpc = createRpc({ notifications: { note: z.object({ text: z.string() }) } });
    const long = (
      context: Parameters<typeof look>[0] & { readonly connection: ConnectionHandle<never> },
    ) => {
      running.push(look(context));
      handles.push(context.connection as never);
      notes.push(() =>
        (context.connection as unknown as ConnectionHandle).notify("note", { text: "for whom?" }),
      );
      return new Promise<never>(() => {});
    };
    const app = rpc.router({
      long: rpc.method({
        timeout: Number.POSITIVE_INFINITY,
        handler: (context) => long(context as never),
      }),
      open: rpc.method({
        public: true,
        timeout: Number.POSITIVE_INFINITY,
        handler: (context) => long(context as never),
      }),
      /** Heeds neither its signal nor the `return` that ends it. */
      stubborn: rpc.subscription({
        async *handler(context) {
          yield await long(context as never);
        },
      }),
    });
    const server = await startTimed(app);
    return { ...server, running, handles, notes };
  };
  const changeTo = async (client: RawClient, token: string) => {
    await resultOf(client, "logout");
    await resultOf(client, "authenticate", { token });
  };

  for (const method of ["long", "stubborn"]) {
    it(`keeps its own user, is told that the session is over, and reaches nobody else: ${method}`, async () => {
      await using server = await start();
      const client = await server.login({ sub: "ada", scope: "a" });
      await exchange(client, request(1, method));
      const [seen] = server.running;
      expect(seen?.()).to.deep.equal({ subject: "ada", scopes: ["a"], isLive: true });

      await resultOf(client, "logout");
      expect(seen?.(), "nobody is there").to.deep.equal({
        subject: "ada",
        scopes: ["a"],
        isLive: false,
      });
      await resultOf(client, "authenticate", { token: server.token({ sub: "bob", scope: "b" }) });
      expect(seen?.(), "bob is there").to.deep.equal({
        subject: "ada",
        scopes: ["a"],
        isLive: false,
      });
      server.notes[0]?.();
      server.handles[0]?.kick();
      expect(await leftovers(client)).to.deep.equal([]);
      expect(await resultOf(client, "whoami")).to.include({ state: "active", subject: "bob" });

      await changeTo(client, server.token({ sub: "ada", scope: "a" }));
      expect(seen?.(), "ada is there again, in another session").to.deep.equal({
        subject: "ada",
        scopes: ["a"],
        isLive: false,
      });
    });

    it(`goes on through a refresh, an expiry and a refresh after it: ${method}`, async () => {
      await using server = await start();
      const client = await server.login({ sub: "ada", scope: "a", exp: server.seconds() + 60 });
      await exchange(client, request(1, method));
      const [seen] = server.running;
      // a call's user is as it was when the call came
      const later = method === "stubborn" ? ["a", "more"] : ["a"];
      server.clock.advance(30_000);
      await resultOf(client, "refresh", {
        token: server.token({ sub: "ada", scope: "a more", exp: server.seconds() + 60 }),
      });
      expect(seen?.()).to.deep.equal({ subject: "ada", scopes: later, isLive: true });
      server.clock.advance(60_000);
      expect(seen?.(), "expired").to.deep.equal({ subject: "ada", scopes: later, isLive: false });
      await resultOf(client, "refresh", {
        token: server.token({ sub: "ada", scope: "a", exp: server.seconds() + 60 }),
      });
      expect(seen?.()).to.deep.equal({ subject: "ada", scopes: ["a"], isLive: true });
      server.notes[0]?.();
      const told = (await leftovers(client)).filter(({ method: name }) => name === "note");
      expect(told).to.have.length(1);
    });
  }

  it("is nobody's, and stays it, when nobody had authenticated", async () => {
    await using server = await start();
    const client = await server.connect();
    await exchange(client, request(1, "open"));
    await resultOf(client, "authenticate", { token: server.token({ sub: "ada" }) });
    expect(server.running[0]?.()).to.deep.equal({
      subject: undefined,
      scopes: undefined,
      isLive: false,
    });
  });

  it("frees the subscription's id for the next user, whose own goes on", async () => {
    await using server = await start();
    const client = await server.login({ sub: "ada" });
    await exchange(client, request(1, "stubborn"));
    await changeTo(client, server.token({ sub: "bob" }));
    expect(await leftovers(client)).to.deep.equal([]);
    const [answer] = await exchange(client, request(2, "stubborn"));
    expect(answer).to.have.nested.property("result.subscription");
    expect(server.running[1]?.()).to.include({ subject: "bob", isLive: true });
    expect(
      (await server.server.sessions()).sessions.map(({ subject, subscriptions }) => [
        subject,
        subscriptions,
      ]),
    ).to.deep.equal([["bob", 1]]);
  });
});

it("Diagnostics of a logout name the user who has logged out", async () => {
  const told: unknown[] = [];
  const listener = (message: unknown) => {
    const { method, outcome, subject } = message as Record<string, unknown>;
    told.push([method, outcome, subject]);
  };
  subscribe("jotwire:auth", listener);
  try {
    await using server = await startTimed(createRpc().router({}));
    const client = await server.login({ sub: "ada" });
    await exchange(client, notification("logout"));
    await exchange(client, notification("logout"));
    expect(told).to.deep.equal([
      ["authenticate", "ok", "ada"],
      ["logout", "ok", "ada"],
      ["logout", "unauthenticated", undefined],
    ]);
  } finally {
    unsubscribe("jotwire:auth", listener);
  }
});
