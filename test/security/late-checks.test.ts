import { expect } from "chai";
import { z } from "zod";
import { createRpc } from "../../src/index.js";
import { memoryStore } from "../../src/issuer/index.js";
import type { Bus } from "../../src/pubsub/bus.js";
import { LocalBus } from "../../src/pubsub/local-bus.js";
import { expectError } from "../helpers/server/expected.js";
import {
  ask,
  exchange,
  type Frame,
  leftovers,
  notification,
  request,
  resultOf,
} from "../helpers/server/frames.js";
import { startTimed } from "../helpers/server/timed-server.js";

/** Holds up whoever waits, until it is opened. */
class Gate {
  readonly #waiting: (() => void)[] = [];
  arrived = 0;
  isOpen = true;

  async pass(): Promise<void> {
    this.arrived++;
    if (!this.isOpen) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.isOpen = false;
  }

  open(): void {
    this.isOpen = true;
    for (const go of this.#waiting.splice(0)) go();
  }
}

/** A server whose params are checked, and whose topics are read, as slowly as the test says. */
async function start() {
  const [params, bus] = [new Gate(), new Gate()];
  const ran: string[] = [];
  const rpc = createRpc({ scopes: ["read"] });
  const gated = z.object({}).refine(async () => {
    await params.pass();
    return true;
  });
  const history = { size: 8, ttl: Number.POSITIVE_INFINITY };
  const app = rpc.router({
    call: rpc.method({ params: gated, handler: () => void ran.push("call") }),
    checked: rpc.topic({ scope: "read", params: gated, key: () => "checked" }),
    far: rpc.topic({ key: () => "far", history }),
    truthy: rpc.topic({ authorize: () => "yes" as never, key: () => "truthy" }),
    failing: rpc.topic({
      authorize: () => {
        throw new Error("a rule that fails");
      },
      key: () => "failing",
    }),
  });
  const local = new LocalBus("e", () => 0);
  const farBus: Bus = {
    publish: (...event) => local.publish(...event),
    send: (message) => local.send(message),
    subscribe: (listener) => local.subscribe(listener),
    async read(...place) {
      await bus.pass();
      return local.read(...place);
    },
  };
  const server = await startTimed(app, { store: Object.assign(memoryStore(), { bus: farBus }) });
  const subscriptions = async () =>
    (await server.server.sessions()).sessions.map((session) => session.subscriptions);
  return { ...server, app, params, bus, ran, subscriptions };
}

describe("While the params of a call are checked, or its topic is read,", () => {
  it("a call that is cancelled runs no handler any more; one that is not does", async () => {
    await using server = await start();
    const client = await server.login();
    server.params.close();
    expect(await exchange(client, request(1, "call", {}), request(2, "call", {}))).to.deep.equal(
      [],
    );
    const [cancelled] = await exchange(client, notification("$/cancelRequest", { id: 1 }));
    expectError(cancelled, "cancelled");
    server.params.open();
    expect(await client.next<Frame>()).to.include({ id: 2 });
    expect(server.ran).to.deep.equal(["call"]);
    expect(server.log.filter(({ level }) => level === "error")).to.deep.equal([]);
  });

  it("a scope that is lost is lost for the subscription, too; one that is kept is not", async () => {
    for (const scope of ["read", ""]) {
      await using server = await start();
      const client = await server.login({ scope: "read" });
      server.params.close();
      expect(await exchange(client, request(1, "checked", {}))).to.deep.equal([]);
      server.clock.advance(1_000);
      await resultOf(client, "refresh", { token: server.token({ scope }) });
      server.params.open();
      const answer = await client.next<Frame>();
      if (scope === "") expectError(answer, "forbidden");
      else
        expect(answer).to.deep.include({
          id: 1,
          result: { subscription: "checked", $subscription: true },
        });
      expect(await server.subscriptions()).to.deep.equal([scope === "" ? 0 : 1]);
    }
  });

  it("a subscription goes on for the call that has joined it when the one that began it is cancelled, and ends with the last", async () => {
    for (const ids of [[1], [2], [1, 2]]) {
      await using server = await start();
      const client = await server.login();
      server.bus.close();
      expect(await exchange(client, request(1, "far"), request(2, "far"))).to.deep.equal([]);
      for (const id of ids) {
        const [cancelled] = await exchange(client, notification("$/cancelRequest", { id }));
        expectError(cancelled, "cancelled");
      }
      server.bus.open();
      const answered = (await leftovers(client)).map(({ id, result }) => [
        id,
        result?.subscription,
      ]);
      await server.server.publish(server.app.routes.far, undefined, "news");
      const heard = (await leftovers(client)).map(({ params }) => params?.data);
      const left = [1, 2].filter((id) => !ids.includes(id));
      expect(answered, `${ids}`).to.deep.equal(left.map((id) => [id, "far"]));
      expect(heard, `${ids}`).to.deep.equal(left.map(() => "news"));
      expect(await server.subscriptions(), `${ids}`).to.deep.equal([left.length]);
    }
  });

  it("a subscription that is unsubscribed is told to come again to who has joined it", async () => {
    await using server = await start();
    const client = await server.login();
    server.bus.close();
    await exchange(client, request(1, "far"), request(2, "far"));
    expect(await resultOf(client, "unsubscribe", { subscription: "far" })).to.deep.equal({
      ok: true,
    });
    server.bus.open();
    const answers = await leftovers(client);
    expectError(
      answers.find(({ id }) => id === 2),
      "overloaded",
      { retryAfter: 1 },
    );
    expect(await server.subscriptions()).to.deep.equal([0]);
  });

  it("a rule that gives anything but true, or throws, is a no", async () => {
    await using server = await start();
    const client = await server.login();
    for (const method of ["truthy", "failing"]) expectError(await ask(client, method), "forbidden");
    expect(await server.subscriptions()).to.deep.equal([0]);
  });
});
