import { expect } from "chai";
import { describe, it } from "mocha";
import {
  AuthStopError,
  type ClientOptions,
  DisconnectedError,
  RpcError,
  type TokenRequest,
} from "../../../client/browser.js";
import { errorOf } from "../../../src/protocol/error-codes.js";
import {
  granted,
  outcomeOf,
  type ScriptedSocket,
  scriptedClient,
  settled,
} from "../../helpers/client/scripted-client.js";
import { event } from "../../helpers/client/subscribed-client.js";
import { consume } from "../../helpers/consumer.js";

const strong = { acrValues: ["urn:mfa"], maxAge: 300 };

/** Refuses the last call of `method`, as a server that wants a stronger or newer login. */
const refuse = (socket: ScriptedSocket, method: string, needs: object = strong) =>
  socket.refuse(socket.last(method), errorOf("step_up_required", { ...needs }));

/**
 * A client whose user is asked for a second factor until `questions` says how that went. Other
 * tokens come at once.
 */
async function signedIn(options: Partial<ClientOptions> = {}) {
  const questions: {
    readonly request: TokenRequest;
    readonly give: (token: string | null) => void;
    readonly fail: (error: Error) => void;
  }[] = [];
  let count = 0;
  const script = scriptedClient({
    token: (request) =>
      request.reason === "step_up"
        ? new Promise((give, fail) => {
            questions.push({ request, give, fail });
          })
        : `token-${++count}`,
    ...options,
  });
  const socket = await script.signIn();
  return {
    ...script,
    socket,
    questions,
    /** The user does it, and the server takes the token. */
    async answer(which = -1, token = "strong") {
      await settled(); // the client has asked
      questions.at(which)?.give(token);
      await settled();
      const open = await script.socket();
      open.answer(open.last("refresh"), granted(script.clock));
      await settled();
    },
  };
}

describe("A call that needs a stronger or newer login", () => {
  it("is repeated once the session has that, and meanwhile everything else goes on", async () => {
    const { client, socket, states, questions, answer } = await signedIn();
    const events = consume(client.subscribe("orders.watch"));
    socket.answer(socket.last("orders.watch"), { subscription: "7" });
    const told = states.length;
    const pay = outcomeOf(client.call("pay", { sum: 5 }));
    refuse(socket, "pay");
    await settled();
    expect(questions[0]?.request).to.include({
      reason: "step_up",
      force: true,
      attempt: 1,
      previous: "token-1",
      maxAge: 300,
    });
    expect(questions[0]?.request.acrValues).to.deep.equal(["urn:mfa"]);
    const list = client.call("orders.list");
    socket.answer(socket.last("orders.list"), ["o1"]);
    expect(await list).to.deep.equal(["o1"]);
    event(socket, "7", "shipped");
    await settled();
    expect(events.events).to.deep.equal(["shipped"]);
    expect(client.session?.subject).to.equal("ada");
    expect([socket.count("pay"), socket.count("refresh"), states.length]).to.deep.equal([
      1,
      0,
      told,
    ]);
    await answer();
    expect(socket.last("refresh").params).to.deep.equal({ token: "strong" });
    expect([socket.count("pay"), states.length]).to.deep.equal([2, told]);
    expect(socket.last("pay").params).to.deep.equal({ sum: 5 });
    socket.answer(socket.last("pay"), "paid");
    await settled();
    expect(pay).to.deep.equal({ value: "paid", count: 1 });
    await client.close();
  });

  it("rejects when it is refused again; another call may ask again", async () => {
    const { client, socket, questions, answer } = await signedIn();
    const pay = outcomeOf(client.call("pay"));
    refuse(socket, "pay");
    await answer();
    refuse(socket, "pay");
    await settled();
    expect(pay.error).to.be.instanceOf(RpcError);
    expect(pay.error).to.deep.include({ code: "step_up_required", rpcCode: -32012, sent: "no" });
    expect([socket.count("pay"), questions.length, client.state]).to.deep.equal([2, 1, "ready"]);
    const next = outcomeOf(client.call("pay"));
    refuse(socket, "pay");
    await answer();
    expect(questions[1]?.request).to.include({ attempt: 1, previous: "strong" });
    socket.answer(socket.last("pay"), "paid");
    await settled();
    expect(next.value).to.equal("paid");
    await client.close();
  });

  const failures: readonly (readonly [
    string,
    (one: Awaited<ReturnType<typeof signedIn>>) => void,
    unknown,
  ])[] = [
    ["gives null", ({ questions }) => questions[0]?.give(null), undefined],
    ["throws", ({ questions }) => questions[0]?.fail(new Error("closed")), "closed"],
    ["throws AuthStopError", ({ questions }) => questions[0]?.fail(new AuthStopError("no")), "no"],
    ["gives no string", ({ questions }) => questions[0]?.give(7 as never), "token() gave number"],
  ];
  for (const [what, fail, message] of failures) {
    it(`rejects with the refusal when token() ${what}, and the session stays as it was`, async () => {
      const all = await signedIn();
      const { client, socket, questions, states } = all;
      const told = states.length;
      const pay = outcomeOf(client.call("pay"));
      refuse(socket, "pay");
      await settled();
      fail(all);
      await settled();
      expect(pay.error).to.be.instanceOf(RpcError);
      expect(pay.error).to.include({ code: "step_up_required", sent: "no" });
      expect(((pay.error as Error).cause as Error | undefined)?.message).to.equal(message);
      expect([client.state, states.length, socket.count("refresh"), socket.count("pay")])
        .to.deep //
        .equal(["ready", told, 0, 1]);
      const list = client.call("orders.list");
      socket.answer(socket.last("orders.list"), []);
      expect(await list).to.deep.equal([]);
      expect(questions).to.have.length(1);
      await client.close();
    });
  }

  it("rejects when the server refuses the token, which ends nothing", async () => {
    const { client, clock, socket, questions, asked, pass } = await signedIn();
    for (const error of [errorOf("token_invalid"), errorOf("subject_mismatch", { claim: "sub" })]) {
      const pay = outcomeOf(client.call("pay"));
      refuse(socket, "pay");
      await settled();
      questions.at(-1)?.give(`other-${questions.length}`);
      await settled();
      socket.refuse(socket.last("refresh"), error);
      await settled();
      expect(pay.error).to.include({ code: "step_up_required" });
      expect((pay.error as Error).cause).to.include({ rpcCode: error.code });
      expect([client.state, client.session?.subject]).to.deep.equal(["ready", "ada"]);
      await pass(60_000);
    }
    expect(asked).to.have.length(3);
    await pass(600_000); // the renewal that is due comes as ever, with a token of its own
    expect(socket.last("refresh").params).to.deep.equal({ token: "token-2" });
    socket.answer(socket.last("refresh"), granted(clock));
    await client.close();
  });

  it("shares one question with others that need the same, and asks for another one after it", async () => {
    const { client, socket, questions, answer } = await signedIn();
    const calls = ["pay", "refund"].map((name) => outcomeOf(client.call(name)));
    const close = outcomeOf(client.call("close"));
    const look = outcomeOf(client.call("look"));
    for (const name of ["pay", "refund"]) refuse(socket, name);
    for (const name of ["close", "look"]) refuse(socket, name, { maxAge: 1 });
    await settled();
    expect(questions).to.have.length(1);
    await answer();
    for (const name of ["pay", "refund"]) socket.answer(socket.last(name), name);
    socket.answer(socket.last("look"), "look"); // the login was new enough for it
    refuse(socket, "close", { maxAge: 1 });
    await settled();
    expect(calls.map(({ value }) => value)).to.deep.equal(["pay", "refund"]);
    expect([look.value, close.count, questions.length]).to.deep.equal(["look", 0, 2]);
    expect(questions[1]?.request).to.include({ maxAge: 1 }).and.to.not.have.property("acrValues");
    await answer(1, "newest");
    socket.answer(socket.last("close"), "closed");
    await settled();
    expect([close.value, socket.count("close"), socket.count("pay")]).to.deep.equal([
      "closed",
      3,
      2,
    ]);
    await client.close();
  });

  it("waits with no more others than the queue may have", async () => {
    const { client, socket, questions, answer } = await signedIn({ queue: 2 });
    const pays = [1, 2, 3].map((amount) => {
      const pay = outcomeOf(client.call("pay", { amount }));
      refuse(socket, "pay");
      return pay;
    });
    await settled();
    expect(pays.map(({ error }) => (error as RpcError | undefined)?.code)).to.deep.equal([
      ...[undefined, undefined, "step_up_required"],
    ]);
    await answer();
    expect([socket.count("pay"), questions.length]).to.deep.equal([5, 1]);
    for (let turn = 0; turn < 3; turn++) {
      const controller = new AbortController();
      const again = outcomeOf(client.call("pay", undefined, { signal: controller.signal }));
      refuse(socket, "pay");
      await settled();
      expect(again.error, "there is room again").to.equal(undefined);
      controller.abort();
    }
    await client.close();
  });

  it("of other needs is not rejected with those that were refused", async () => {
    const { client, socket, questions, answer } = await signedIn();
    const [pay, close] = [outcomeOf(client.call("pay")), outcomeOf(client.call("close"))];
    refuse(socket, "pay");
    refuse(socket, "close", {});
    await settled();
    questions[0]?.give(null);
    await settled();
    expect(pay.error).to.include({ code: "step_up_required" });
    refuse(socket, "close", {});
    await answer();
    socket.answer(socket.last("close"), "closed");
    await settled();
    expect([close.value, questions.length]).to.deep.equal(["closed", 2]);
    await client.close();
  });

  it("settles once when it is late or aborted meanwhile, and a late answer harms nothing", async () => {
    const { client, socket, questions, pass, answer } = await signedIn({
      tokenTimeout: Number.POSITIVE_INFINITY,
    });
    const controller = new AbortController();
    const late = outcomeOf(client.call("pay", {}, { timeout: 20_000 }));
    refuse(socket, "pay");
    const aborted = outcomeOf(client.call("refund", {}, { signal: controller.signal }));
    refuse(socket, "refund");
    const held = outcomeOf(client.call("close", {}, { timeout: Number.POSITIVE_INFINITY }));
    refuse(socket, "close");
    controller.abort("enough");
    await pass(20_000);
    expect(aborted.error).to.include({ code: "aborted", sent: "no", cause: "enough" });
    expect(late.error).to.include({ code: "timeout", sent: "no" });
    expect((late.error as Error).cause).to.include({ code: "step_up_required" });
    await pass(300_000);
    expect([questions.length, held.count]).to.deep.equal([1, 0]);
    await answer();
    socket.answer(socket.last("close"), "closed");
    await settled();
    expect([late.count, aborted.count, held.value]).to.deep.equal([1, 1, "closed"]);
    expect(["pay", "refund", "close"].map((name) => socket.count(name))).to.deep.equal([1, 1, 2]);
    await client.close();
  });

  it("rejects after tokenTimeout, and a late answer is of no use to the next one", async () => {
    const { client, socket, questions, pass, answer } = await signedIn({ tokenTimeout: 1_000 });
    const first = outcomeOf(client.call("pay"));
    refuse(socket, "pay");
    await settled();
    await pass(1_000);
    expect(questions[0]?.request.signal.aborted).to.equal(true);
    expect(first.error).to.include({ code: "step_up_required" });
    expect((first.error as Error).cause).to.include({ code: "timeout" });
    const next = outcomeOf(client.call("close"));
    refuse(socket, "close", { maxAge: 1 });
    await settled();
    questions[0]?.give("late");
    await settled();
    expect([questions.length, socket.count("refresh")]).to.deep.equal([2, 0]);
    await answer(1, "newest");
    expect(socket.last("refresh").params).to.deep.equal({ token: "newest" });
    socket.answer(socket.last("close"), "closed");
    await settled();
    expect([first.count, next.value]).to.deep.equal([1, "closed"]);
    await client.close();
  });

  it("waits for a server that can't verify the token for the moment", async () => {
    const { client, clock, socket, questions, pass } = await signedIn();
    const pay = outcomeOf(client.call("pay"));
    refuse(socket, "pay");
    await settled();
    questions[0]?.give("strong");
    await settled();
    socket.refuse(socket.last("refresh"), errorOf("auth_unavailable", { retryAfter: 2 }));
    await pass(2_000);
    expect(socket.count("refresh")).to.equal(2);
    socket.answer(socket.last("refresh"), granted(clock));
    await settled();
    socket.answer(socket.last("pay"), "paid");
    await settled();
    expect([pay.value, questions.length]).to.deep.equal(["paid", 1]);
    await client.close();
  });

  it("waits in a lost connection, and goes out when the next one has the token", async () => {
    const { client, clock, socket, questions, pass, signIn } = await signedIn();
    const pay = outcomeOf(client.call("pay", {}, { timeout: 120_000 }));
    refuse(socket, "pay");
    await settled();
    socket.drop();
    await settled();
    questions[0]?.give("strong");
    await settled();
    await pass(20_000);
    const next = await signIn();
    expect(next.last("refresh").params).to.deep.equal({ token: "strong" });
    expect(next.count("pay")).to.equal(0);
    next.answer(next.last("refresh"), granted(clock));
    await settled();
    next.answer(next.last("pay"), "paid");
    await settled();
    expect([pay.value, questions.length]).to.deep.equal(["paid", 1]);
    await client.close();
  });

  it("presents its token again when the connection was lost under it", async () => {
    const { client, clock, socket, questions, pass, signIn } = await signedIn();
    const pay = outcomeOf(client.call("pay", {}, { timeout: 120_000 }));
    refuse(socket, "pay");
    await settled();
    questions[0]?.give("strong");
    await settled();
    expect(socket.count("refresh")).to.equal(1);
    socket.drop();
    await pass(20_000);
    const next = await signIn();
    next.answer(next.last("refresh"), granted(clock));
    await settled();
    next.answer(next.last("pay"), "paid");
    await settled();
    expect([pay.value, questions.length]).to.deep.equal(["paid", 1]);
    await client.close();
  });

  for (const [what, end] of [
    ["close()", "close"],
    ["reconnect()", "reconnect"],
  ] as const) {
    it(`is rejected by ${what}, which aborts the question, and a later one asks anew`, async () => {
      const { client, clock, socket, questions, signIn, answer } = await signedIn();
      const pay = outcomeOf(client.call("pay"));
      refuse(socket, "pay");
      await settled();
      void client[end]();
      await settled();
      expect(questions[0]?.request.signal.aborted).to.equal(true);
      questions[0]?.fail(new Error("the window is closed"));
      expect(pay.count).to.equal(1);
      if (end === "close") {
        expect(pay.error).to.be.instanceOf(DisconnectedError);
        void client.reconnect();
      } else expect(pay.error).to.include({ code: "step_up_required", sent: "no" });
      const next = await signIn();
      const again = outcomeOf(client.call("pay"));
      refuse(next, "pay");
      await settled();
      await answer(1, "strong-2");
      expect(next.last("refresh").params).to.deep.equal({ token: "strong-2" });
      next.answer(next.last("pay"), "paid");
      await settled();
      expect(again.value).to.equal("paid");
      await client.close();
      expect(clock.pending).to.equal(0);
    });
  }

  it("lets the session be renewed meanwhile, in either order", async () => {
    for (const isFirst of [true, false]) {
      const { client, clock, socket, questions, asked, pass } = await signedIn({
        tokenTimeout: Number.POSITIVE_INFINITY,
      });
      const pay = outcomeOf(client.call("pay", {}, { timeout: Number.POSITIVE_INFINITY }));
      refuse(socket, "pay");
      if (isFirst) await pass(600_000);
      else await settled();
      questions[0]?.give("strong");
      await settled();
      if (!isFirst) socket.tell("auth.expiring", { expiresIn: 60 });
      await settled();
      expect(asked.map(({ reason }) => reason)).to.deep.equal(["connect", "step_up", "refresh"]);
      const sent = socket.frames.filter(({ method }) => method === "refresh");
      expect(sent.map(({ params }) => params?.token)).to.deep.equal(
        isFirst ? ["token-2", "strong"] : ["strong", "token-2"],
      );
      for (const frame of sent) socket.answer(frame, granted(clock));
      await settled();
      expect(socket.count("pay")).to.equal(2);
      socket.answer(socket.last("pay"), "paid");
      await settled();
      expect([pay.value, client.state]).to.deep.equal(["paid", "ready"]);
      await pass(20_000); // nothing is owed an answer
      expect([client.state, socket.count("refresh")]).to.deep.equal(["ready", 2]);
      await client.close();
      expect(clock.pending).to.equal(0);
    }
  });

  it("whose token is refused holds up no renewal that was due meanwhile", async () => {
    const { client, clock, socket, questions } = await signedIn();
    const pay = outcomeOf(client.call("pay"));
    refuse(socket, "pay");
    await settled();
    questions[0]?.give("strong");
    await settled();
    const strong = socket.last("refresh");
    socket.tell("auth.expired", { closeIn: 30 });
    const refreshed = outcomeOf(client.refresh());
    await settled();
    expect([socket.count("refresh"), client.state]).to.deep.equal([2, "refreshing"]);
    socket.refuse(strong, errorOf("token_invalid"));
    socket.answer(socket.last("refresh"), granted(clock));
    await settled();
    expect(pay.error).to.include({ code: "step_up_required" });
    expect([client.state, refreshed.count, refreshed.error]).to.deep.equal(["ready", 1, undefined]);
    await client.close();
  });

  it("is repeated for an expired token as well, each once", async () => {
    const { client, clock, socket, answer } = await signedIn();
    const pay = outcomeOf(client.call("pay"));
    const refuseAsExpired = () =>
      socket.refuse(socket.last("pay"), errorOf("token_expired", { context: "session" }));
    refuseAsExpired();
    await settled();
    socket.answer(socket.last("refresh"), granted(clock));
    await settled();
    refuse(socket, "pay");
    await answer();
    expect(socket.count("pay")).to.equal(3);
    socket.answer(socket.last("pay"), "paid");
    await settled();
    expect(pay).to.deep.equal({ value: "paid", count: 1 });
    await client.close();
  });

  it("is not repeated when the server doesn't say that it has not run", async () => {
    const { client, socket, questions } = await signedIn();
    const pay = outcomeOf(client.call("pay"));
    refuse(socket, "pay", { executed: undefined });
    await settled();
    expect(pay.error).to.include({ code: "step_up_required", sent: "maybe" });
    expect([questions.length, client.state]).to.deep.equal([0, "ready"]);
    await client.close();
  });

  it("rejects at once without token()", async () => {
    const { client, sockets } = scriptedClient({ token: null });
    await settled();
    sockets[0]?.open();
    const pay = outcomeOf(client.call("pay"));
    await settled();
    refuse(sockets[0] as ScriptedSocket, "pay");
    await settled();
    expect(pay.error).to.include({ code: "step_up_required" });
    await client.close();
  });

  it("in a batch waits without the others", async () => {
    const { client, socket, answer } = await signedIn();
    const batch = outcomeOf(client.batch((api) => [api.look?.(), api.pay?.({ sum: 1 })]));
    socket.answer(socket.last("look"), "seen");
    refuse(socket, "pay");
    await settled();
    await answer();
    expect([socket.count("look"), socket.count("pay")]).to.deep.equal([1, 2]);
    socket.answer(socket.last("pay"), "paid");
    await settled();
    expect(batch.value).to.deep.equal(["seen", "paid"]);
    await client.close();
  });

  it("that a subscription makes waits, and others go on meanwhile", async () => {
    for (const isOfApi of [false, true]) {
      const { client, socket, questions, answer } = await signedIn();
      const { audit } = client.api as unknown as Record<"audit", () => AsyncIterable<unknown>>;
      const events = consume(isOfApi ? audit() : client.subscribe("audit"));
      const other = client.subscribe("orders.watch");
      socket.answer(socket.last("orders.watch"), { subscription: "7" });
      refuse(socket, "audit");
      await settled();
      expect(questions).to.have.length(1);
      event(socket, "7", "shipped");
      expect((await other[Symbol.asyncIterator]().next()).value).to.equal("shipped");
      await other[Symbol.asyncDispose]();
      await answer();
      socket.answer(socket.last("audit"), { subscription: "8", $subscription: true });
      expect(socket.last("unsubscribe").params).to.deep.equal({ subscription: "7" });
      event(socket, "8", "paid");
      await settled();
      expect(events.events).to.deep.equal(["paid"]);
      await client.close();
    }
  });

  it("ends a subscription with the refusal when the user gives up, and it may be left before", async () => {
    const { client, socket, questions } = await signedIn();
    const events = consume(client.subscribe("audit"));
    refuse(socket, "audit");
    await settled();
    const left = client.subscribe("audit", { all: true });
    refuse(socket, "audit");
    await settled();
    await left[Symbol.asyncDispose]();
    questions[0]?.give(null);
    await settled();
    expect(events.error).to.include({ code: "step_up_required" });
    expect([socket.count("audit"), client.state]).to.deep.equal([2, "ready"]);
    await client.close();
  });

  it("of a subscription joins the question after a lost connection", async () => {
    const { client, clock, socket, questions, pass, signIn } = await signedIn({
      tokenTimeout: Number.POSITIVE_INFINITY,
    });
    const events = consume(client.subscribe("audit"));
    refuse(socket, "audit");
    await settled();
    socket.drop();
    await pass(20_000);
    const next = await signIn();
    refuse(next, "audit");
    await settled();
    expect(questions).to.have.length(1);
    questions[0]?.give("strong");
    await settled();
    next.answer(next.last("refresh"), granted(clock));
    await settled();
    next.answer(next.last("audit"), { subscription: "8" });
    event(next, "8", "paid");
    await settled();
    expect(events.events).to.deep.equal(["paid"]);
    await client.close();
  });

  it("may be called by token() itself, whose other calls go on", async () => {
    const ask = (name: string): Promise<unknown> => client.call(name);
    const { client, socket, signIn, clock } = scriptedClient({
      token: async ({ reason }): Promise<string> =>
        reason === "step_up" ? String(await ask("mfa.code")) : "token",
    });
    const open = await signIn();
    const pay = outcomeOf(client.call("pay"));
    refuse(open, "pay");
    await settled();
    open.answer(open.last("mfa.code"), "strong");
    await settled();
    expect((await socket()).last("refresh").params).to.deep.equal({ token: "strong" });
    open.answer(open.last("refresh"), granted(clock));
    await settled();
    open.answer(open.last("pay"), "paid");
    await settled();
    expect(pay.value).to.equal("paid");
    await client.close();
  });
});
