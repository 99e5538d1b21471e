import { expect } from "chai";
import { describe, it } from "mocha";
import { Pages } from "../../helpers/client/pages.js";
import { granted, scriptedClient, settled } from "../../helpers/client/scripted-client.js";

describe("client.resume()", () => {
  it("connects at once instead of after the back-off, without a page too", async () => {
    const { client, clock, sockets, signIn } = scriptedClient();
    (await signIn()).drop();
    await settled();
    expect(client.state).to.equal("waiting");
    client.resume();
    client.resume();
    await settled();
    expect(sockets).to.have.length(2);
    await signIn();
    expect(client.state).to.equal("ready");
    await client.close();
    expect(clock.pending).to.equal(0);
  });

  it("asks for a token at once where token() has failed", async () => {
    let isOffline = true;
    const { client, asked, signIn } = scriptedClient({
      token: () => (isOffline ? Promise.reject(new TypeError("fetch failed")) : "token"),
    });
    await settled();
    isOffline = false;
    client.resume();
    await signIn();
    expect(asked).to.have.length(2);
    await client.close();
  });

  it("waits on where the server has said when to come back", async () => {
    const { client, sockets, signIn } = scriptedClient();
    (await signIn()).drop(4429, "too_many_requests");
    client.resume();
    await settled();
    expect(client.state).to.equal("waiting");
    expect(sockets).to.have.length(1);
    await client.close();
  });

  it("pings a connection that may be dead, and reconnects without an answer within 5 s", async () => {
    const { client, states, sockets, signIn, pass } = scriptedClient();
    const socket = await signIn();
    client.resume();
    client.resume();
    expect(socket.count("ping")).to.equal(1);
    await pass(4_999);
    expect(client.state).to.equal("ready");
    await pass(1);
    expect(states.at(-1)).to.include({ to: "waiting", reason: "no_answer" });
    client.resume();
    await settled();
    expect(sockets).to.have.length(2);
    await client.close();
  });

  it("keeps a connection on which anything comes within 5 s of the ping", async () => {
    const { client, signIn, pass } = scriptedClient();
    const socket = await signIn();
    client.resume();
    await pass(4_999);
    socket.tell("news", {});
    await pass(60_000);
    expect(client.state).to.equal("ready");
    await client.close();
  });

  it("renews a session that came due while the clock stood still, and pings, too", async () => {
    const { client, clock, asked, signIn } = scriptedClient();
    const socket = await signIn({ refreshIn: 600 });
    client.resume();
    socket.answer(socket.last("ping"), "pong");
    await settled();
    expect(asked).to.have.length(1);
    clock.stepWall(700_000);
    client.resume();
    await settled();
    expect(asked[1]).to.include({ reason: "refresh" });
    expect(socket.count("ping")).to.equal(2);
    socket.answer(socket.last("refresh"), granted(clock));
    expect(client.state).to.equal("ready");
    await client.close();
  });

  it("makes sure of a connection without a session", async () => {
    const { client, socket, states, pass } = scriptedClient({ token: null });
    const opened = await socket();
    opened.open();
    client.resume();
    expect(opened.count("ping")).to.equal(1);
    await pass(5_000);
    expect(states.at(-1)).to.include({ to: "waiting", reason: "no_answer" });
    await client.close();
  });

  it("does nothing before the first use, while the client connects, and after the end", async () => {
    const { client, clock, sockets, asked, socket, signIn } = scriptedClient({ connect: "lazy" });
    client.resume();
    await settled();
    expect([client.state, asked.length]).to.deep.equal(["idle", 0]);
    const ready = client.ready();
    const opened = await socket();
    client.resume();
    opened.open();
    client.resume();
    expect(opened.frames.map(({ method }) => method)).to.deep.equal(["authenticate"]);
    await signIn();
    await ready;
    await client.close();
    client.resume();
    await settled();
    expect([client.state, sockets.length]).to.deep.equal(["closed", 1]);
    expect(clock.pending).to.equal(0);
  });

  it("does what the page's own events do, which may come as well", async () => {
    using pages = new Pages();
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    pages.window.dispatchEvent(new Event("online"));
    client.resume();
    pages.show(true);
    expect(socket.count("ping")).to.equal(1);
    await client.close();
  });
});
