import { expect } from "chai";
import { memoryStore, type Store } from "../../../src/issuer/index.js";
import { sampleApp, startServer } from "../../helpers/server/test-server.js";

/** A store whose revocations are current only while `state` says so. */
function fickleStore(state: { answer: () => Promise<void> }): Store {
  const store = memoryStore();
  const { revocations } = store;
  return Object.assign(store, {
    revocations: {
      add: revocations.add.bind(revocations),
      list: revocations.list.bind(revocations),
      subscribe: revocations.subscribe.bind(revocations),
      whenCurrent: () => state.answer(),
    },
  });
}

describe("/readyz", () => {
  it("is 503 while the store fails or hangs, with the reason, within a little more than a second, and 200 when it is back", async () => {
    const state = { answer: () => Promise.resolve() };
    await using server = await startServer(sampleApp(), { store: fickleStore(state) });
    const url = `http://127.0.0.1:${server.listening.port}/readyz`;
    const ask = async () => {
      const answer = await fetch(url);
      return [answer.status, await answer.json()];
    };
    expect(await ask()).to.deep.equal([200, { status: "ready" }]);
    const away = [503, { status: "not_ready", reason: "the store can't be reached" }];
    state.answer = () => Promise.reject(new Error("gone"));
    expect(await ask()).to.deep.equal(away);
    state.answer = () => new Promise(() => {});
    expect(await ask()).to.deep.equal(away);
    state.answer = () => Promise.resolve();
    expect(await ask()).to.deep.equal([200, { status: "ready" }]);
  });

  it("is 503 as long as the keys of an issuer can't be had, while /livez is 200", async () => {
    const auth = { issuer: "https://id.test", audience: "test", jwks: "http://127.0.0.1:1/keys" };
    await using server = await startServer(sampleApp(), { auth });
    const base = `http://127.0.0.1:${server.listening.port}`;
    const answer = await fetch(`${base}/readyz`);
    expect([answer.status, await answer.json()]).to.deep.equal([
      503,
      { status: "not_ready", reason: "no keys to verify tokens with" },
    ]);
    expect((await fetch(`${base}/livez`)).status).to.equal(200);
  });
});
