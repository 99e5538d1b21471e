import { setImmediate as turn } from "node:timers/promises";
import { expect } from "chai";
import { z } from "zod";
import { createRpc, type MiddlewareResult } from "../../../src/index.js";
import { eventually } from "../../helpers/eventually.js";
import { expectError } from "../../helpers/server/expected.js";
import {
  ask,
  exchange,
  type Frame,
  leftovers,
  notification,
  request,
  resultOf,
} from "../../helpers/server/frames.js";
import { startTimed, type TimedServer } from "../../helpers/server/timed-server.js";

/** What the application's code has noted, in order. */
type Notes = string[];

/** Resolves when the test says so. */
class Gate {
  #open: () => void = () => {};
  readonly opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });

  open(): void {
    this.#open();
  }
}

const faults = ({ log }: TimedServer) =>
  log.filter(({ level }) => level === "error").map(({ fields }) => fields);

const messageOf = (fields: Readonly<Record<string, unknown>> | undefined) =>
  (fields?.err as { readonly message?: string } | undefined)?.message;

/** A call that is an internal error, of which the log has this reason. */
async function expectFault(server: TimedServer, answer: Frame, reason: RegExp): Promise<void> {
  expect(answer.error).to.include({ code: -32603 });
  const { errorId } = answer.error?.data ?? {};
  const line = faults(server).find((fields) => fields.errorId === errorId);
  expect(line).to.include({ event: "call.fail" });
  expect(messageOf(line)).to.match(reason);
}

describe("Middleware", () => {
  it("runs around the handler, the outermost first, each with the context as made so far", async () => {
    const notes: Notes = [];
    const seen: unknown[] = [];
    const rpc = createRpc({
      context: ({ auth, method, params }) => {
        seen.push([method, params, auth?.subject]);
        return { made: "by createRpc", replaced: false };
      },
    })
      .use(async ({ next, method, auth, context }) => {
        notes.push(`outer of ${method} for ${auth?.subject}`);
        expect(context).to.deep.equal({ made: "by createRpc", replaced: false });
        const passed = await next({ context: { replaced: true } });
        notes.push(`outer has ${JSON.stringify(passed.result)}`);
        return passed;
      })
      .use(async ({ next, context }) => {
        notes.push(`inner ${JSON.stringify(context)}`);
        return next({ context: { added: 1 } });
      });
    const app = rpc.router({
      look: rpc.method({
        params: z.object({ n: z.number().default(1) }),
        result: z.object({ n: z.number().transform((n) => n * 2) }),
        handler({ context, params }) {
          notes.push(`handler ${JSON.stringify(context)}`);
          return { n: params.n };
        },
      }),
    });
    await using server = await startTimed(app);
    const ada = await server.login({ sub: "ada" });
    expect(await resultOf(ada, "look", {}), "the result schema comes last").to.deep.equal({ n: 2 });
    expect(seen).to.deep.equal([["look", { n: 1 }, "ada"]]);
    expect(notes).to.deep.equal([
      "outer of look for ada",
      'inner {"made":"by createRpc","replaced":true}',
      'handler {"made":"by createRpc","replaced":true,"added":1}',
      'outer has {"n":1}',
    ]);
  });

  it("and the context wait for everything that may refuse the call", async () => {
    const notes: Notes = [];
    const rpc = createRpc({
      context: () => {
        notes.push("context");
        return {};
      },
    }).use(async ({ next }) => {
      notes.push("middleware");
      return next();
    });
    const asked = { params: z.object({ n: z.number() }), scope: "a" };
    const app = rpc.router({
      call: rpc.method({
        ...asked,
        authorize: async ({ params }) => {
          notes.push("authorize");
          return params.n > 0;
        },
        handler: () => "done",
      }),
      feed: rpc.topic({
        ...asked,
        key: ({ n }) => `feed:${n}`,
        authorize: ({ params }) => {
          notes.push("authorize");
          return params.n > 0;
        },
      }),
    });
    await using server = await startTimed(app);
    const [ada, bob] = [await server.login({ scope: "a" }), await server.login({ scope: "b" })];
    for (const method of ["call", "feed"]) {
      expectError(await ask(bob, method, { n: 1 }), "forbidden");
      expect((await ask(ada, method, { n: "1" })).error?.code).to.equal(-32602);
      expect(notes.splice(0)).to.deep.equal([]);
      expectError(await ask(ada, method, { n: 0 }), "forbidden");
      expect(notes.splice(0)).to.deep.equal(["authorize"]);
      expect((await ask(ada, method, { n: 1 })).error).to.equal(undefined);
      expect(notes.splice(0).slice(0, 3)).to.deep.equal(["authorize", "context", "middleware"]);
    }
  });

  it("may catch what the handler throws, and answers with what it throws itself", async () => {
    const caught: unknown[] = [];
    const rpc = createRpc().with({
      errors: { BUSY: { code: 1001, data: z.object({ seconds: z.number() }) } },
      async use({ next, error, params }) {
        try {
          return await next();
        } catch (thrown) {
          caught.push((thrown as Error).message);
          if (params === undefined) throw thrown;
          throw error.BUSY({ seconds: 1 });
        }
      },
    });
    const app = rpc.router({
      own: rpc.method({
        errors: { TAKEN: { code: 1002 } },
        handler: ({ error }) => {
          throw error.TAKEN();
        },
      }),
    });
    await using server = await startTimed(app);
    const ada = await server.login();
    expect((await ask(ada, "own")).error).to.deep.include({ code: 1002, message: "TAKEN" });
    expect((await ask(ada, "own", {})).error).to.deep.equal({
      code: 1001,
      message: "BUSY",
      data: { seconds: 1 },
    });
    expect(caught).to.deep.equal(["TAKEN", "TAKEN"]);
    expect(faults(server)).to.deep.equal([]);
  });

  it("that breaks the rules of next is an internal error, and runs the handler once at most", async () => {
    let ran = 0;
    let kept: Promise<MiddlewareResult<unknown>> | undefined;
    const rpc = createRpc();
    const fine = { handler: () => ++ran };
    const wrong = (middleware: (next: () => Promise<unknown>) => unknown) =>
      rpc.use(async ({ next }) => middleware(next as never) as never).method(fine);
    const later: (() => Promise<unknown>)[] = [];
    const app = rpc.router({
      never: wrong(() => undefined),
      own: wrong(() => "a result of its own"),
      forgotten: wrong(async (next) => void (await next())),
      twice: wrong(async (next) => {
        await next();
        return next().catch(() => "swallowed");
      }),
      together: wrong(async (next) => (await Promise.all([next(), next().catch(() => {})]))[0]),
      spare: wrong(async (next) => {
        const result = await next();
        void next(); // nobody hears that it is refused
        return result;
      }),
      alike: wrong(async (next) => ({ ...((await next()) as object) })),
      keep: wrong((next) => (kept = next() as never)),
      foreign: wrong(() => kept),
      unwaited: wrong((next) => {
        void next();
        return undefined;
      }),
      late: wrong((next) => {
        later.push(next);
        return undefined;
      }),
    });
    await using server = await startTimed(app);
    const ada = await server.login();
    const mustReturn = /must return what next\(\) resolves with, or throw/;
    const expected = {
      never: [mustReturn, 0],
      own: [mustReturn, 0],
      forgotten: [mustReturn, 1],
      twice: [/has called next\(\) twice/, 1],
      together: [/has called next\(\) twice/, 1],
      spare: [/has called next\(\) twice/, 1],
      alike: [mustReturn, 1],
      keep: [undefined, 1],
      foreign: [mustReturn, 0],
      unwaited: [mustReturn, 1],
      late: [mustReturn, 0],
    } as const;
    for (const [method, [reason, runs]] of Object.entries(expected)) {
      ran = 0;
      const answer = await ask(ada, method);
      if (reason === undefined) expect(answer.result).to.equal(1);
      else await expectFault(server, answer, reason);
      expect(ran, method).to.equal(runs);
    }
    ran = 0;
    const [next] = later;
    const refused = await next?.().catch((error: Error) => error.message);
    expect(refused).to.equal("a middleware has called next() after it has returned");
    expect(ran).to.equal(0);
  });

  it("may return any thenable, and gives next an object only", async () => {
    const rpc = createRpc();
    const thenName = "then";
    const app = rpc.router({
      thenable: rpc
        .use(
          ({ next }) =>
            ({ [thenName]: (done: (value: unknown) => void) => next().then(done) }) as never,
        )
        .method({
          handler: () => ({
            [thenName as string]: (done: (value: string) => void) => done("late"),
          }),
        }),
      primitive: rpc.use(({ next }) => next({ context: 5 as never })).method({ handler: () => 1 }),
    });
    await using server = await startTimed(app);
    const ada = await server.login();
    expect((await ask(ada, "thenable")).result).to.equal("late");
    await expectFault(server, await ask(ada, "primitive"), /context must be an object, not number/);
  });

  for (const [what, make] of Object.entries({
    "a middleware": (gate: Gate) =>
      createRpc().use(async ({ next }) => {
        await gate.opened;
        return next();
      }),
    "the function context": (gate: Gate) =>
      createRpc({ context: () => gate.opened.then(() => ({ made: true })) }),
  }))
    it(`lets no handler begin if the session has ended, expired or lost the scope during ${what}`, async () => {
      const ends: Record<string, (server: TimedServer) => Promise<void> | void> = {
        logout: () => {},
        expiry: ({ clock }) => clock.advance(900_000),
        scope: () => {},
        nothing: () => {},
      };
      for (const [name, end] of Object.entries(ends)) {
        const gate = new Gate();
        let ran = 0;
        const rpc = make(gate);
        const app = rpc.router({
          call: rpc.method({ scope: "a", timeout: 2_000_000, handler: () => ++ran }),
          open: rpc.method({ public: true, timeout: 2_000_000, handler: () => ++ran }),
        });
        await using server = await startTimed(app);
        const ada = await server.login({ scope: "a" });
        await exchange(ada, request(1, "call"), request(2, "open"));
        if (name === "logout") await exchange(ada, request(3, "logout"));
        if (name === "scope") {
          server.clock.advance(1_000);
          await resultOf(ada, "refresh", { token: server.token({ scope: "b" }) });
        }
        await end(server);
        gate.open();
        const answers = await leftovers(ada);
        const [call] = answers.filter(({ id }) => id === 1);
        if (name === "nothing") expect(call?.result).to.equal(1);
        if (name === "expiry") expectError(call, "token_expired");
        if (name === "scope") expectError(call, "forbidden");
        const expected = { logout: 0, expiry: 1, scope: 1, nothing: 2 };
        expect(ran, name).to.equal(expected[name as keyof typeof expected]);
      }
    });

  it("that gives up waiting answers at once; the handler's signal aborts, and it counts until it ends", async () => {
    const gate = new Gate();
    const reasons: unknown[] = [];
    const inner: Notes = [];
    const rpc = createRpc()
      .with({
        errors: { SLOW: { code: 1001 } },
        async use({ next, error }) {
          return Promise.race([
            next(),
            turn().then(() => {
              throw error.SLOW();
            }),
          ]);
        },
      })
      .use(async ({ next, method }) => {
        if (method === "late") await gate.opened;
        return next();
      });
    const app = rpc.router({
      slow: rpc.method({
        async handler({ signal }) {
          signal.addEventListener("abort", () => reasons.push((signal.reason as Error).name));
          await gate.opened;
          inner.push("slow ends");
        },
      }),
      late: rpc.method({ handler: () => inner.push("late runs") }),
    });
    await using server = await startTimed(app);
    const ada = await server.login();
    const inFlight = async () => (await server.server.sessions()).sessions[0]?.inFlight;
    for (const method of ["slow", "late"])
      expect((await ask(ada, method)).error).to.include({ code: 1001 });
    expect(reasons).to.deep.equal(["AbortError"]);
    expect(await inFlight()).to.equal(2);
    gate.open();
    await leftovers(ada);
    expect(inner).to.deep.equal(["slow ends"]);
    expect(await inFlight()).to.equal(0);
  });

  it("that gives up inside another that has given up leaves the call in flight", async () => {
    const [inner, handler] = [new Gate(), new Gate()];
    const rpc = createRpc()
      .use(async ({ next }) => {
        void next();
        throw new Error("the outer one gives up");
      })
      .use(async ({ next }) => {
        void next();
        await inner.opened;
        throw new Error("the inner one gives up");
      });
    const app = rpc.router({ slow: rpc.method({ handler: () => handler.opened }) });
    await using server = await startTimed(app);
    const ada = await server.login();
    const inFlight = async () => (await server.server.sessions()).sessions[0]?.inFlight;
    expect((await ask(ada, "slow")).error).to.include({ code: -32603 });
    inner.open();
    await leftovers(ada);
    expect(await inFlight()).to.equal(1);
    handler.open();
    await leftovers(ada);
    expect(await inFlight()).to.equal(0);
  });

  it("has the deadline and the cancellation of its call", async () => {
    const aborted: unknown[] = [];
    const rpc = createRpc().use(({ signal }) => {
      signal.addEventListener("abort", () => aborted.push((signal.reason as Error).name));
      return new Promise<never>(() => {});
    });
    const app = rpc.router({ stuck: rpc.method({ handler: () => 1 }) });
    await using server = await startTimed(app);
    const ada = await server.login();
    await exchange(ada, request(1, "stuck"), request(2, "stuck"));
    const [cancelled] = await exchange(ada, notification("$/cancelRequest", { id: 1 }));
    expectError(cancelled, "cancelled");
    server.clock.advance(30_000);
    expectError((await leftovers(ada))[0], "timeout");
    expect(aborted).to.deep.equal(["AbortError", "TimeoutError"]);
  });
});

describe("The context that createRpc makes", () => {
  it("is the same object for each call, or made anew for each, and empty without the option", async () => {
    const db = { name: "db" };
    const contexts: unknown[] = [];
    const look = { handler: ({ context }: { context: object }) => void contexts.push(context) };
    let made = 0;
    for (const rpc of [
      createRpc({ context: { db } }),
      createRpc({ context: () => ({ made: ++made }) }),
      createRpc({ context: async () => ({ made: ++made }) }),
      createRpc(),
    ]) {
      const app = (rpc as ReturnType<typeof createRpc>).router({
        look: (rpc as ReturnType<typeof createRpc>).method({ public: true, ...look }),
      });
      await using server = await startTimed(app);
      const client = await server.connect();
      await ask(client, "look");
      await ask(client, "look");
    }
    const [first, second, ...others] = contexts;
    expect(first).to.equal(second);
    expect(first).to.have.property("db", db);
    expect(others).to.deep.equal([{ made: 1 }, { made: 2 }, { made: 3 }, { made: 4 }, {}, {}]);
    expect(() => Object.assign(others[5] as object, { leaked: true })).to.throw(TypeError);
  });

  it("that fails, or is no object, is an internal error; one that never comes has the deadline", async () => {
    const causes: readonly [string, () => unknown, RegExp | undefined][] = [
      [
        "throws",
        () => {
          throw new Error("no database");
        },
        /no database/,
      ],
      ["rejects", () => Promise.reject(new Error("no database")), /no database/],
      ["null", () => null, /context must return an object, not null/],
      ["text", async () => "text", /context must return an object, not string/],
      ["never", () => new Promise(() => {}), undefined],
    ];
    for (const [name, context, reason] of causes) {
      let ran = 0;
      const rpc = createRpc({ context: context as () => object });
      const app = rpc.router({
        call: rpc.method({ handler: () => ++ran }),
        feed: rpc.subscription({
          async *handler() {
            ran++;
            yield 1;
          },
        }),
        topic: rpc.topic({ key: () => "topic" }),
      });
      await using server = await startTimed(app);
      const ada = await server.login();
      for (const method of ["call", "feed"]) {
        const pending = ask(ada, method);
        if (reason !== undefined) await expectFault(server, await pending, reason);
        else {
          await leftovers(await server.login());
          server.clock.advance(30_000);
          expectError(await pending, "timeout");
        }
      }
      expect(await resultOf(ada, "topic"), "a topic needs none").to.have.property("subscription");
      expect(ran, name).to.equal(0);
    }
    expect(() => createRpc({ context: 5 as never }).method({ handler: () => 1 })).to.not.throw();
  });
});

describe("Middleware of subscriptions and topics", () => {
  async function start(rule: () => boolean | Promise<boolean> = () => true) {
    const notes: Notes = [];
    const gate = new Gate();
    const hold = { isHeld: false, isBroken: false, isStuck: false };
    const rpc = createRpc({ context: { base: 1 } }).use(async ({ next, method, context }) => {
      notes.push(`${method} asked`);
      if (hold.isHeld) await gate.opened;
      const passed = await next({ context: { opened: `${method} ${context.base}` } });
      notes.push(`${method} open: ${(passed.result as { subscription: string }).subscription}`);
      if (hold.isStuck) await new Promise(() => {});
      if (hold.isBroken) throw new Error("broken after next");
      return passed;
    });
    const topic = rpc.topic({
      scope: "a",
      key: () => "topic",
      authorize: rule,
      history: { size: 9, ttl: 60_000 },
    });
    const app = rpc.router({
      topic,
      feed: rpc.subscription({
        scope: "a",
        authorize: rule,
        async *handler({ context, signal }) {
          notes.push("generator begins");
          yield context;
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      }),
    });
    const server = await startTimed(app);
    const ada = await server.login({ sub: "ada", scope: "a" });
    const open = async () => (await server.server.sessions()).sessions[0]?.subscriptions;
    return { ...server, ada, notes, gate, hold, topic, open };
  }

  it("runs around the call; the generator has its context", async () => {
    await using server = await start();
    const { subscription } = await resultOf(server.ada, "feed");
    const [event] = await leftovers(server.ada);
    expect(event?.params).to.deep.include({ subscription, data: { base: 1, opened: "feed 1" } });
    for (let n = 0; n < 2; n++) await resultOf(server.ada, "topic");
    expect(server.notes).to.deep.equal([
      "feed asked",
      `feed open: ${subscription}`,
      "generator begins",
      ...["topic asked", "topic open: topic", "topic asked", "topic open: topic"],
    ]);
    await server.server.publish(server.topic, undefined, "once");
    expect((await leftovers(server.ada)).map(({ params }) => params?.data)).to.deep.equal(["once"]);
  });

  it("that throws after next leaves no subscription", async () => {
    await using server = await start();
    server.hold.isBroken = true;
    for (const method of ["feed", "topic"])
      expect((await ask(server.ada, method)).error).to.include({ code: -32603 });
    expect(await server.open()).to.equal(0);
    expect(server.notes).to.not.include("generator begins");
    await server.server.publish(server.topic, undefined, "unheard");
    expect(await leftovers(server.ada)).to.deep.equal([]);
  });

  it("that never ends after next leaves no subscription when its call is over", async () => {
    for (const method of ["feed", "topic"]) {
      await using server = await start();
      server.hold.isStuck = true;
      server.ada.send(request(1, method), request(2, method));
      await eventually(() => expect(server.notes.join()).to.match(/open.*open/));
      const [cancelled] = await exchange(server.ada, notification("$/cancelRequest", { id: 1 }));
      expectError(cancelled, "cancelled");
      expect(await server.open(), method).to.equal(1);
      server.clock.advance(30_000);
      expectError((await leftovers(server.ada))[0], "timeout");
      expect(await server.open(), method).to.equal(0);
    }
  });

  it("that takes longer than its call, its session or its right opens nothing", async () => {
    const right = { isAllowed: true };
    const ends: Record<string, (server: Awaited<ReturnType<typeof start>>) => unknown> = {
      deadline: (server) => server.clock.advance(30_000),
      cancelled: ({ ada }) => exchange(ada, notification("$/cancelRequest", { id: 1 })),
      logout: ({ ada }) => exchange(ada, request(2, "logout")),
      closed: ({ ada }) => ada.close(),
      scope: async (server) => {
        server.clock.advance(1_000);
        const token = server.token({ sub: "ada", scope: "b" });
        await resultOf(server.ada, "refresh", { token });
      },
      right: async (server) => {
        right.isAllowed = false;
        await server.server.reauthorize("all");
      },
    };
    for (const [name, end] of Object.entries(ends))
      for (const method of ["feed", "topic"]) {
        right.isAllowed = true;
        await using server = await start(async () => right.isAllowed);
        server.hold.isHeld = true;
        server.ada.send(request(1, method));
        await eventually(() => expect(server.notes).to.deep.equal([`${method} asked`]));
        await end(server);
        server.gate.open();
        for (let n = 0; n < 5; n++) await turn();
        if (name !== "closed") {
          await leftovers(server.ada);
          expect(await server.open(), `${method} ${name}`).to.equal(0);
        }
        expect((await server.server.reauthorize("all")).asked, `${method} ${name}`).to.equal(0);
        expect(server.notes, `${method} ${name}`).to.deep.equal([`${method} asked`]);
      }
  });
});

describe("rpc.with", () => {
  it("adds scopes to those of a method, all of which a caller needs; discovery shows them", async () => {
    const rpc = createRpc();
    const staff = rpc.with({ scope: { anyOf: ["staff", "admin"] } }).with({ scope: "active" });
    const app = rpc.router({
      one: staff.method({ handler: () => "one" }),
      more: staff.method({ scope: { anyOf: ["x", "y"] }, handler: () => "more" }),
      topic: staff.topic({ scope: ["z", "active"], key: () => "topic" }),
      open: rpc.method({ handler: () => "open" }),
    });
    await using server = await startTimed(app);
    const may = async (scope: string) => {
      const client = await server.login({ scope });
      const allowed: string[] = [];
      for (const method of ["one", "more", "topic", "open"])
        if ((await ask(client, method)).error === undefined) allowed.push(method);
      return allowed;
    };
    expect(await may("active")).to.deep.equal(["open"]);
    expect(await may("staff")).to.deep.equal(["open"]);
    expect(await may("staff active")).to.deep.equal(["one", "open"]);
    expect(await may("admin active y")).to.deep.equal(["one", "more", "open"]);
    expect(await may("admin active z")).to.deep.equal(["one", "topic", "open"]);
    const client = await server.login({ scope: "staff active x z" });
    const { methods } = await resultOf(client, "rpc.discover");
    const scopes = (methods as readonly { name: string; "x-scopes"?: readonly string[] }[]).map(
      (method) => [method.name, method["x-scopes"]],
    );
    expect(scopes).to.deep.equal([
      ["one", ["active", "staff", "admin"]],
      ["more", ["active", "staff", "admin", "x", "y"]],
      ["topic", ["active", "z", "staff", "admin"]],
      ["open", undefined],
    ]);
    const missing = (await ask(await server.login({ scope: "active" }), "more")).error?.data;
    expect(missing).to.deep.include({ missing: ["staff", "admin"], executed: false });
  });

  it("leaves other builders as they are, and refuses what it does not know", async () => {
    const rpc = createRpc({ scopes: ["a"] });
    const behind = rpc.use(({ next }) => next());
    expect(rpc.method({ handler: () => 1 }).layers.middlewares).to.have.length(0);
    expect(behind.method({ handler: () => 1 }).layers.middlewares).to.have.length(1);
    expect(() => rpc.use(undefined as never)).to.throw(TypeError, "must be a function");
    expect(() => rpc.with({ use: {} as never })).to.throw(TypeError, "must be a function");
    expect(() => rpc.with({ scoep: "a" } as never)).to.throw(TypeError, 'did you mean "scope"');
    const start = (route: object) => startTimed(rpc.router({ route } as never));
    const unknown = rpc.with({ scope: "b" as "a" }).method({ handler: () => 1 });
    await expectRejection(start(unknown), /^route: scope "b" is not among the declared ones/);
    const open = rpc.with({ scope: "a" }).method({ public: true as never, handler: () => 1 });
    await expectRejection(start(open), /^route: a public method can't have a scope/);
    const noContext = createRpc({ context: "text" as never }).method({ handler: () => 1 });
    await expectRejection(start(noContext), /context must be an object, or a function/);
  });
});

async function expectRejection(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown as Error,
  );
  expect(error?.message).to.match(message);
}
