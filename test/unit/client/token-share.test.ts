import { expect } from "chai";
import { describe, it } from "mocha";
import type { ClientOptions } from "../../../client/index.js";
import { errorOf } from "../../../src/protocol/error-codes.js";
import { Pages } from "../../helpers/client/pages.js";
import { granted, scriptedClient, settled } from "../../helpers/client/scripted-client.js";

let count = 0;

/** Something in the shape of a JWT; no two are the same. */
const jwt = (claims: Readonly<Record<string, unknown>> = {}): string => {
  const payload = {
    iss: "https://id.test",
    aud: "orders",
    sub: "ada",
    sid: "s1",
    scope: "orders:read",
    jti: `${++count}`,
    ...claims,
  };
  return `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.c2ln`;
};

/** Pages that are signed in, each with a token of its own from `token`. */
async function signedIn(
  tokens: readonly (() => string | Promise<string>)[],
  options: Partial<ClientOptions> = {},
) {
  const tabs = await Promise.all(
    tokens.map(async (token) => {
      const script = scriptedClient({ ...options, token });
      await settled();
      const socket = await script.signIn();
      const refresh = async (changes?: object) => {
        socket.answer(
          socket.last("refresh"),
          granted(script.clock, { changed: true, gap: false, ...changes }),
        );
        await settled();
      };
      return { ...script, socket, refresh };
    }),
  );
  const [first, second, third] = tabs;
  if (!first || !second) throw new Error("Two pages at least");
  return {
    tabs,
    first,
    second,
    third: third ?? second,
    close: () => Promise.all(tabs.map(({ client }) => client.close())),
  };
}

describe("Pages of one origin with one session", () => {
  it("renew it once: the others present the token that the first one got", async () => {
    using pages = new Pages();
    const { tabs, first, close } = await signedIn([() => jwt(), () => jwt(), () => jwt()]);
    expect(pages.posted).to.deep.equal([]);
    await first.pass(600_000);
    await settled();
    expect(tabs.map(({ asked }) => asked.length)).to.deep.equal([2, 1, 1]);
    const presented = tabs.map(({ socket }) => socket.last("refresh").params?.token);
    expect(new Set(presented).size).to.equal(1);
    for (const tab of tabs) await tab.refresh();
    expect(tabs.map(({ socket }) => socket.count("refresh"))).to.deep.equal([1, 1, 1]);
    expect(pages.posted).to.have.length(1);
    await close();
    expect(pages.channels).to.equal(0);
  });

  it("renew it each for itself where storage is blocked, and nothing else changes", async () => {
    using pages = new Pages({ isStorageBlocked: true });
    const { tabs, close } = await signedIn([() => jwt(), () => jwt()]);
    for (const tab of tabs) {
      await tab.pass(600_000);
      await tab.refresh();
      expect(tab.asked.map(({ reason }) => reason)).to.deep.equal(["connect", "refresh"]);
      expect(tab.socket.count("refresh")).to.equal(1);
      expect(tab.client.state).to.equal("ready");
    }
    await close();
    expect(pages.posted).to.deep.equal([]);
    for (const { clock } of tabs) expect(clock.pending).to.equal(0);
  });

  it("renew it once also when they are due in the same moment", async () => {
    using _pages = new Pages();
    const { tabs, close } = await signedIn([() => jwt(), () => jwt(), () => jwt()]);
    for (const { clock } of tabs) clock.advance(600_000);
    await settled();
    await settled();
    expect(tabs.map(({ asked }) => asked.length).sort()).to.deep.equal([1, 1, 2]);
    expect(new Set(tabs.map(({ socket }) => socket.last("refresh").params?.token)).size).to.equal(
      1,
    );
    await close();
  });

  it("never hand a token to a page whose own differs in any claim that says whose it is, or what for", async () => {
    for (const claims of [
      { sub: "grace" },
      { sid: "s2" },
      { scope: "orders:read orders:write" },
      { aud: "other" },
      { iss: "https://other.test" },
      { org_id: "org-2" },
      { tenant: "t2" },
      { acr: "mfa" },
      { roles: ["admin"] },
      { client_id: "mobile" },
    ]) {
      using _pages = new Pages();
      const { first, second, close } = await signedIn([() => jwt(), () => jwt(claims)]);
      await first.pass(600_000);
      await settled();
      expect(first.socket.count("refresh")).to.equal(1);
      expect(second.socket.count("refresh")).to.equal(0);
      expect(second.asked).to.have.length(1);
      await close();
    }
  });

  it("take none that comes for another user after all", async () => {
    using pages = new Pages();
    const { first, second, close } = await signedIn([() => jwt(), () => jwt()]);
    const { BroadcastChannel } = globalThis;
    await first.pass(600_000);
    await settled();
    const [{ channel } = { channel: "" }] = pages.posted;
    await second.refresh();
    const stranger = new BroadcastChannel(channel);
    for (const data of [jwt({ sub: "grace" }), "not a token", 1, null, { token: jwt() }])
      stranger.postMessage(data);
    stranger.close();
    await settled();
    expect(second.socket.count("refresh")).to.equal(1);
    await close();
  });

  it("keep a token to themselves when the user has changed with it", async () => {
    using pages = new Pages();
    let subject = "ada";
    const { first, second, close } = await signedIn([() => jwt({ sub: subject }), () => jwt()]);
    subject = "grace";
    await first.pass(600_000);
    await settled();
    expect(second.socket.count("refresh")).to.equal(0);
    expect(
      pages.posted.map(({ channel }) => channel).filter((channel) => channel.includes("ada")),
    ).to.deep.equal([]);
    await close();
  });

  it("ask for a token one after the other", async () => {
    using _pages = new Pages();
    const answers: (() => void)[] = [];
    const token = () => new Promise<string>((resolve) => answers.push(() => resolve(jwt())));
    const tabs = [scriptedClient({ token }), scriptedClient({ token })];
    await settled();
    expect(answers).to.have.length(1);
    answers[0]?.();
    await settled();
    expect(answers).to.have.length(2);
    for (const { client } of tabs) await client.close();
  });

  it("aren't held up by one that hangs for more than 5 s", async () => {
    using _pages = new Pages();
    const hung = scriptedClient({ token: () => new Promise<string>(() => {}) });
    await settled();
    const other = scriptedClient({ token: () => jwt() });
    await settled();
    await other.pass(4_999);
    expect(other.asked).to.have.length(0);
    await other.pass(1);
    expect(other.asked).to.have.length(1);
    await other.signIn();
    expect(other.client.state).to.equal("ready");
    await hung.client.close();
    await other.client.close();
    expect([hung.clock.pending, other.clock.pending]).to.deep.equal([0, 0]);
  });

  it("ask themselves when the one that asked failed", async () => {
    using _pages = new Pages();
    let fails = false;
    const token = () => {
      if (fails) throw new Error("offline");
      return jwt();
    };
    const { first, second, close } = await signedIn([token, () => jwt()]);
    fails = true;
    for (const { clock } of [first, second]) clock.advance(600_000);
    await settled();
    await settled();
    expect([first.asked.length, second.asked.length]).to.deep.equal([2, 2]);
    expect(second.socket.count("refresh")).to.equal(1);
    await close();
  });

  it("ask nothing any more once they are closed, though they were waiting to", async () => {
    using _pages = new Pages();
    const hung = scriptedClient({ token: () => new Promise<string>(() => {}) });
    await settled();
    const other = scriptedClient({ token: () => jwt() });
    await settled();
    await other.client.close();
    await hung.client.close();
    await other.pass(60_000);
    expect(other.asked).to.have.length(0);
  });

  it("get one of their own when the server refuses the one that they were handed, and wait when that is the same", async () => {
    for (const isSame of [false, true]) {
      using _pages = new Pages();
      const handed = jwt();
      let given = 0;
      const { first, second, close } = await signedIn([
        () => (given++ === 0 ? jwt() : handed),
        () => (given > 1 && isSame ? handed : jwt()),
      ]);
      await first.pass(600_000);
      await settled();
      expect(second.socket.last("refresh").params).to.deep.equal({ token: handed });
      second.socket.refuse(second.socket.last("refresh"), errorOf("token_revoked"));
      await settled();
      expect(second.asked).to.have.length(1);
      await first.pass(1_000); // it holds the lock so long, until its token has reached everybody
      await settled();
      expect(second.asked).to.have.length(2);
      expect(second.client.state).to.equal("ready");
      expect(second.socket.count("refresh")).to.equal(isSame ? 1 : 2);
      await close();
    }
  });

  it("ask for their own token for a new connection", async () => {
    using _pages = new Pages();
    const { first, second, close } = await signedIn([() => jwt(), () => jwt()]);
    second.socket.drop();
    await settled();
    await first.pass(600_000); // second has no connection to renew
    await second.pass(20_000);
    expect(second.asked.map(({ reason }) => reason)).to.deep.equal(["connect", "connect"]);
    await close();
  });

  for (const [what, options, claims] of [
    ["the option share is false", { share: false }, {}],
    ["the tokens don't say whose they are", {}, { sub: undefined }],
  ] as const) {
    it(`each renew their own when ${what}`, async () => {
      using pages = new Pages();
      const { tabs, close } = await signedIn([() => jwt(claims), () => jwt(claims)], options);
      for (const { clock } of tabs) clock.advance(600_000);
      await settled();
      await settled();
      expect(tabs.map(({ asked }) => asked.length)).to.deep.equal([2, 2]);
      expect(pages.posted).to.deep.equal([]);
      expect(pages.channels).to.equal(0);
      await close();
    });
  }
});
