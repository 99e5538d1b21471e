import { expect } from "chai";
import { describe, it } from "mocha";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import type { Untyped } from "../../../client/browser.js";
import { createHooks, RpcProvider, useLive } from "../../../client/react/index.js";
import { createStores } from "../../../client/stores/index.js";
import { LiveStore } from "../../../client/stores/live-store.js";
import { errorOf } from "../../../src/protocol/error-codes.js";
import {
  type ScriptedSocket,
  scriptedClient,
  settled,
} from "../../helpers/client/scripted-client.js";
import { connected, ended, event, reconnected } from "../../helpers/client/subscribed-client.js";

const append = (state: unknown, one: unknown) => [...(state as unknown[]), one];

/** Answers the subscription and the call for its snapshot. */
const join = async (socket: ScriptedSocket, snapshot: unknown) => {
  await settled();
  for (const frame of socket.frames.filter(({ method }) => method === "board").slice(-2))
    socket.answer(frame, {
      subscription: "b",
      $subscription: true,
      ...(frame.params?.$snapshot ? { snapshot } : {}),
    });
  await settled();
};

const shown = async () => {
  const script = await connected();
  const store = new LiveStore(script.client, "board", { board: "b1" });
  store.reduceBy(append);
  const views: unknown[] = [];
  const leave = store.subscribe((view) => views.push(view));
  expect(store.view()).to.include({ status: "loading", state: undefined, resets: 0 });
  await join(script.socket, ["one"]);
  return { ...script, store, views, leave };
};

describe("A component's live state", () => {
  it("is loading, then the snapshot with each event, drawn each time", async () => {
    const { client, socket, store, views } = await shown();
    event(socket, "b", "two");
    await settled();
    expect(store.view()).to.deep.equal({
      status: "live",
      state: ["one", "two"],
      resets: 1,
      error: undefined,
    });
    expect(views.map((view) => (view as { state: unknown }).state)).to.deep.equal([
      undefined,
      ["one"],
      ["one", "two"],
    ]);
    await client.close();
  });

  it("is reset after a gap, and applies events by the newest reduce", async () => {
    const { client, socket, store } = await shown();
    event(socket, "b", "five", { gap: true });
    await settled();
    expect(store.view()).to.include({ status: "live", resets: 1 });
    store.reduceBy((state, one) => [...(state as unknown[]), `new ${one}`]);
    await join(socket, ["all"]);
    event(socket, "b", "six");
    await settled();
    expect(store.view()).to.deep.include({ state: ["all", "new five", "new six"], resets: 2 });
    await client.close();
  });

  it("is waiting while there is no connection, and keeps the state", async () => {
    const script = await shown();
    const { client, store } = script;
    script.socket.drop();
    await settled();
    expect(store.view()).to.deep.include({ status: "waiting", state: ["one"], resets: 1 });
    const socket = await reconnected(script);
    await join(socket, ["all"]); // after its answer a snapshot is asked for
    await join(socket, ["all"]);
    event(socket, "b", "two");
    await settled();
    expect(store.view()).to.deep.include({ status: "live", state: ["all", "two"], resets: 2 });
    await client.close();
  });

  it("is made by its route, and asks for nothing while nobody listens", async () => {
    const { client, socket } = await connected();
    const store = createStores<Untyped>(client).live((api) => api.board as never, {}, append);
    await settled();
    expect(socket.count("board")).to.equal(0);
    const leave = store.subscribe(() => {});
    await join(socket, ["one"]);
    expect(store.view()).to.deep.include({ status: "live", state: ["one"] });
    leave();
    await client.close();
  });

  it("costs one subscription where React mounts the component twice at once", async () => {
    const { client, socket, store, leave } = await shown();
    leave();
    const leaveAgain = store.subscribe(() => {});
    await settled();
    expect([socket.count("board"), socket.count("unsubscribe")]).to.deep.equal([2, 0]);
    leaveAgain();
    await settled();
    expect(socket.count("unsubscribe")).to.equal(1);
    await client.close();
  });

  it("begins anew for another user, with nothing of the old one's", async () => {
    const script = await shown();
    const socket = await reconnected(script, { subject: "grace" });
    await settled();
    expect(script.store.view()).to.include({ status: "loading", state: undefined });
    await join(socket, ["grace's"]);
    expect(script.store.view()).to.deep.include({ status: "live", state: ["grace's"], resets: 1 });
    await script.client.close();
  });

  it("keeps the last state when the subscription ends or is refused, and says why", async () => {
    const { client, socket, store } = await shown();
    ended(socket, "b", "forbidden");
    await settled();
    expect(store.view())
      .to.deep.include({ status: "failed", state: ["one"] })
      .and.to.have.nested.property("error.reason", "forbidden");
    await client.close();

    const other = await connected();
    const refused = new LiveStore(other.client, "board", undefined);
    refused.subscribe(() => {});
    await settled();
    for (const frame of other.socket.frames.filter(({ method }) => method === "board"))
      other.socket.refuse(frame, errorOf("forbidden"));
    await settled();
    expect(refused.view()).to.include({ status: "failed", state: undefined });
    expect(refused.view().error).to.include({ code: "forbidden" });
    await other.client.close();
  });

  it("is loading on a server, which connects nothing", async () => {
    const { client, sockets } = scriptedClient<Untyped>({ connect: undefined });
    const hooks = createHooks<Untyped>();
    const Board = (options: { readonly enabled?: boolean }) =>
      createElement(
        "p",
        null,
        useLive("board", {}, append, options).status,
        hooks.useLive((api) => api.board as never, {}, append, options).status,
      );
    const draw = (options = {}) =>
      renderToString(
        createElement(RpcProvider<Untyped>, { client }, createElement(Board, options)),
      ).replaceAll("<!-- -->", " ");
    expect(draw()).to.equal("<p>loading loading</p>");
    expect(draw({ enabled: false })).to.equal("<p>off off</p>");
    expect(() => draw({ enabeld: false })).to.throw(TypeError, "option enabeld: not one of");
    expect(() => renderToString(createElement(Board))).to.throw(Error, "RpcProvider");
    await settled();
    expect(sockets).to.deep.equal([]);
    await client.close();
  });
});
