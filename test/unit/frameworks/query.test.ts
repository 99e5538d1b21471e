import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { expect } from "chai";
import { createQueries } from "../../../client/query/index.js";
import { ofOrders } from "../../helpers/client/orders-app.js";
import { settled } from "../../helpers/client/scripted-client.js";
import { connected, ended, event, reconnected } from "../../helpers/client/subscribed-client.js";

const start = async () => {
  const script = await connected();
  const cache = new QueryClient();
  return { ...script, cache, queries: createQueries(ofOrders(script.client)) };
};

describe("The adapter for TanStack Query", () => {
  it("calls a method under a key of its name and params, and aborts it when nobody waits", async () => {
    const { client, socket, cache, queries } = await start();
    const options = queries.query((api) => api.orders.list, { limit: 2 });
    expect(options.queryKey).to.deep.equal(["jotwire", "orders.list", { limit: 2 }]);
    expect(queries.key((api) => api.orders.list)).to.deep.equal(["jotwire", "orders.list"]);
    const got = cache.fetchQuery(options);
    await settled();
    expect(socket.last("orders.list").params).to.deep.equal({ limit: 2 });
    socket.answer(socket.last("orders.list"), ["o1"]);
    expect(await got).to.deep.equal(["o1"]);
    const observer = new QueryObserver(
      cache,
      queries.query((api) => api.orders.list, { limit: 3 }),
    );
    const stop = observer.subscribe(() => {});
    await settled();
    stop();
    await settled();
    expect(socket.frames.map(({ method }) => method)).to.include("$/cancelRequest");
    await client.close();
  });

  it("does not repeat a call that has failed: the client has done that", async () => {
    const { client, socket, cache, queries } = await start();
    const got = cache.fetchQuery(queries.query((api) => api.orders.list)).catch((e: unknown) => e);
    await settled();
    socket.refuse(socket.last("orders.list"), { code: 1, message: "CLOSED" });
    expect(await got).to.include({ code: "CLOSED" });
    expect(socket.count("orders.list")).to.equal(1);
    await client.close();
  });

  it("shows a mutation at once, keeps it when it succeeds, and puts the old back when it fails", async () => {
    for (const isGood of [true, false]) {
      const { client, socket, cache, queries } = await start();
      const key = queries.key((api) => api.orders.list);
      cache.setQueryData(key, ["o1"]);
      const options = queries.optimistic((api) => api.orders.create, {
        cache,
        key,
        update: (list: readonly string[], { id }) => [...list, id],
      });
      const mutation = cache.getMutationCache().build(cache, options);
      const outcome = mutation.execute({ id: "o2" }).catch((error: unknown) => error);
      await settled();
      expect(cache.getQueryData(key)).to.deep.equal(["o1", "o2"]);
      const frame = socket.last("orders.create");
      if (isGood) socket.answer(frame, "o2");
      else socket.refuse(frame, { code: 1, message: "CLOSED" });
      await outcome;
      expect(cache.getQueryData(key)).to.deep.equal(isGood ? ["o1", "o2"] : ["o1"]);
      expect(cache.getQueryState(key)?.isInvalidated).to.equal(true);
      await client.close();
    }
  });

  it("has results read anew at each event of a topic that counts, and after a gap", async () => {
    const { client, socket, cache, queries } = await start();
    const key = queries.key((api) => api.orders.list);
    const stop = queries.invalidateBy(cache, [key], (api) => api.orders.changed, undefined, {
      when: (one) => one !== "other",
    });
    await settled();
    socket.answer(socket.last("orders.changed"), { subscription: "s1" });
    const isStale = async (data: unknown, more?: object) => {
      cache.setQueryData(key, ["o1"]);
      event(socket, "s1", data, more);
      await settled();
      return cache.getQueryState(key)?.isInvalidated;
    };
    expect(await isStale("mine")).to.equal(true);
    expect(await isStale("other")).to.equal(false);
    expect(await isStale("other", { gap: true })).to.equal(true);
    stop();
    await settled();
    expect(socket.count("unsubscribe")).to.equal(1);
    ended(socket, "s1", "completed");
    await client.close();
  });

  it("clears the cache for another user, and not for the same one", async () => {
    for (const subject of ["ada", "grace"]) {
      const script = await start();
      const { cache, queries } = script;
      cache.setQueryData(
        queries.key((api) => api.orders.list),
        ["ada's"],
      );
      cache.setQueryData(["other"], 1);
      queries.clearForOthers(cache);
      await reconnected(script, { subject });
      expect(cache.getQueryData(queries.key((api) => api.orders.list))).to.deep.equal(
        subject === "ada" ? ["ada's"] : undefined,
      );
      expect(cache.getQueryData(["other"]), "not ours").to.equal(1);
      await script.client.close();
    }
  });
});
