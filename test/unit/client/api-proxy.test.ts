import { expect } from "chai";
import { describe, it } from "mocha";
import { createApi } from "../../../client/calls/api-proxy.js";
import type { ClientApi, Untyped } from "../../../client/client-api.js";

const recorded = () => {
  const calls: unknown[][] = [];
  const api = createApi((...call) => {
    calls.push(call);
    return Promise.resolve(calls.length);
  }) as ClientApi<Untyped>;
  return { api, calls };
};

describe("createApi", () => {
  it("calls by the path that was walked, with params and options", async () => {
    const { api, calls } = recorded();
    expect(await api.orders?.create?.({ sku: "A1" }, { timeout: 5 })).to.equal(1);
    expect(calls).to.deep.equal([["orders.create", { sku: "A1" }, { timeout: 5 }]]);
  });

  it("is no promise and no iterable, at any depth, so that awaiting or printing it calls nothing", async () => {
    const { api, calls } = recorded();
    expect(await (api as unknown as Promise<unknown>)).to.equal(api);
    expect(await (api.orders as unknown as Promise<unknown>)).to.equal(api.orders);
    expect(JSON.stringify({ api })).to.equal("{}");
    expect(Reflect.get(api, Symbol.iterator)).to.equal(undefined);
    expect(calls).to.deep.equal([]);
  });

  it("is text where text is wanted, compares, and is bound, at any depth, and calls nothing by it", async () => {
    const { api, calls } = recorded();
    for (const node of [api, api.orders, api.orders?.create] as unknown[]) {
      expect(`${node}`).to.be.a("string");
      expect(String(node) + (node as string)).to.be.a("string");
      expect((node as { valueOf(): unknown }).valueOf()).to.equal(node);
      expect((node as { toString(): unknown }).toString()).to.be.a("string");
      // biome-ignore lint/suspicious/noDoubleEquals: what is tested
      expect(node == 1).to.equal(false);
    }
    const create = api.orders?.create?.bind(null) as unknown as (
      params: unknown,
    ) => Promise<unknown>;
    await new Promise((resolve) => void setImmediate(resolve));
    expect(calls).to.deep.equal([]);
    await create({ sku: "A1" });
    expect(calls).to.deep.equal([["orders.create", { sku: "A1" }, undefined]]);
  });

  it("makes each method once", () => {
    const { api } = recorded();
    expect(api.orders?.create).to.equal(api.orders?.create);
    expect(api.orders?.create).to.not.equal(api.orders?.cancel);
  });

  it("reaches methods that are named like a function's own members, or an object's", async () => {
    const { api, calls } = recorded();
    await api.orders?.call?.({});
    await api.name?.();
    await api.constructor?.prototype?.();
    expect(calls.map(([name]) => name)).to.deep.equal([
      "orders.call",
      "name",
      "constructor.prototype",
    ]);
  });
});
