import { expect } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { AuthStopError, type CallOptions, JotwireError } from "../../../client/index.js";
import { errorOf } from "../../../src/protocol/error-codes.js";
import { Pages } from "../../helpers/client/pages.js";
import {
  type Frame,
  granted,
  outcomeOf,
  type ScriptedSocket,
  scriptedClient,
  settled,
} from "../../helpers/client/scripted-client.js";

const refusals = [
  "token_expired",
  "unauthenticated",
  "token_revoked",
  "overloaded",
  "rate_limited",
  "auth_unavailable",
  "forbidden",
] as const;
/** What the server takes of one connection. */
const limits = {
  frameBytes: 600,
  batchLength: 2,
  requestsInFlight: 4,
  subscriptions: 1,
  responseBytes: 1_000,
};
const forTheTimeBeing = ["overloaded", "rate_limited", "auth_unavailable"];
const closings = [
  { code: 1012, reason: "server_restart", reconnect: "yes", reconnectAfter: [1, 5] },
  { code: 4401, reason: "token_expired", reconnect: "new_token" },
  { code: 4429, reason: "too_many_requests", reconnect: "yes" },
  { code: 1009, reason: "too_big", reconnect: "yes", reconnectAfter: [0, 1] },
  { code: 4403, reason: "kicked", reconnect: "no" },
  { code: "garbage" },
] as const;
const garbage = [
  "",
  "{",
  "null",
  "[null,[[]],7]",
  '{"id":1e400,"result":1}',
  '{"id":"authenticate-1"}',
  '{"id":{},"error":{}}',
  '{"method":"auth.expired","id":3}',
];

type Step =
  | {
      readonly do: "call";
      readonly times: number;
      readonly idempotent: boolean;
      readonly timeout: number;
      readonly inBatch: boolean;
      readonly length: number;
    }
  | { readonly do: "abort" | "run" | "answer twice"; readonly which: number }
  | { readonly do: "refuse"; readonly which: number; readonly why: (typeof refusals)[number] }
  | { readonly do: "fail"; readonly which: number; readonly why: "internal" | "timeout" }
  | { readonly do: "garbage"; readonly text: string }
  | { readonly do: "closing" | "close socket"; readonly how: (typeof closings)[number] }
  | { readonly do: "token"; readonly is: Token }
  | { readonly do: "grant" | "sign in"; readonly user: string }
  | {
      readonly do: "refuse token";
      readonly why:
        | "token_expired"
        | "token_invalid"
        | "auth_unavailable"
        | "rate_limited"
        | "unauthenticated";
    }
  | { readonly do: "pass"; readonly ms: number }
  | {
      readonly do:
        | "drop"
        | "open"
        | "expire"
        | "renew"
        | "refresh"
        | "reconnect"
        | "close"
        | "online"
        | "turn";
    };
type Token = "fresh" | "same" | "throws" | "stops" | "hangs" | "late";

const which = fc.nat(7);
const of = <const D extends string>(...names: D[]) => fc.constantFrom(...names);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      ...{ do: of("call"), times: fc.integer({ min: 1, max: 6 }), idempotent: fc.boolean() },
      ...{
        timeout: fc.constantFrom(Number.POSITIVE_INFINITY, 2_000, 600_000),
        inBatch: fc.boolean(),
        length: fc.constantFrom(0, 0, 0, 300, 700),
      },
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: of("run", "answer twice"), which }) },
  { weight: 2, arbitrary: fc.record({ do: of("abort"), which }) },
  { weight: 2, arbitrary: fc.record({ do: of("fail"), which, why: of("internal", "timeout") }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: of("refuse"), which, why: fc.constantFrom(...refusals) }),
  },
  { weight: 1, arbitrary: fc.record({ do: of("garbage"), text: fc.constantFrom(...garbage) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: of("closing", "close socket"), how: fc.constantFrom(...closings) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: of("token"),
      is: fc.constantFrom<Token>("fresh", "fresh", "same", "throws", "stops", "hangs", "late"),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: of("grant", "sign in"), user: of("ada", "ada", "ada", "grace") }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: of("refuse token"),
      why: fc.constantFrom(
        "token_expired" as const,
        "token_invalid" as const,
        "auth_unavailable" as const,
        "rate_limited" as const,
        "unauthenticated" as const,
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: of("pass"), ms: fc.constantFrom(1, 800, 6_000, 20_000, 700_000) }),
  },
  { weight: 10, arbitrary: fc.record({ do: of("open", "turn") }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: of("drop", "expire", "renew", "refresh", "reconnect", "close", "online"),
    }),
  },
);

interface Sending {
  readonly frame: Frame;
  readonly socket: ScriptedSocket;
  /** `unknown`: it may have run. */
  fate: "unknown" | "refused" | "answered";
  isCancelled?: boolean;
}

/** A call, and all that became of it. */
class Ledger {
  readonly isIdempotent: boolean;
  readonly isTooLarge: boolean;
  readonly controller = new AbortController();
  /**
   * Who was signed in when it was made, or sent first; of nobody while that is for the next user to
   * come.
   */
  user: string | undefined;
  readonly sendings: Sending[] = [];
  outcome: ReturnType<typeof outcomeOf> = { count: 0 };

  constructor(isIdempotent: boolean, isTooLarge: boolean, user: string | undefined) {
    this.isIdempotent = isIdempotent;
    this.isTooLarge = isTooLarge;
    this.user = user;
  }

  get mayHaveRun(): boolean {
    return this.sendings.some(({ fate }) => fate !== "refused");
  }
}

class Run {
  readonly #script = scriptedClient(
    { token: (request) => this.#token(request.signal) },
    undefined,
    (socket) => this.#made(socket),
  );
  readonly #calls: Ledger[] = [];
  readonly #seen = new Map<ScriptedSocket, number>();
  readonly #users = new Map<ScriptedSocket, string>();
  readonly #waits: ReturnType<typeof outcomeOf>[] = [];
  readonly #late: ((token: string) => void)[] = [];
  readonly faults: string[] = [];
  readonly #pages: Pages;
  #user: string | undefined; // who signed in last, as long as it is for nobody else to do
  #is: Token = "fresh";
  #tokens = 0;

  constructor(pages: Pages) {
    this.#pages = pages;
  }

  #token(signal: AbortSignal): string | Promise<string> {
    if (this.#is === "throws") throw new Error("no network");
    if (this.#is === "stops") throw new AuthStopError();
    if (this.#is === "hangs")
      return new Promise(
        (_, reject) => void signal.addEventListener("abort", () => reject(signal.reason)),
      );
    if (this.#is === "late") return new Promise((resolve) => void this.#late.push(resolve));
    if (this.#is === "fresh" && !signal.aborted) this.#tokens++;
    return `token-${this.#tokens}`;
  }

  get #socket(): ScriptedSocket | undefined {
    return this.#script.sockets.at(-1);
  }

  #made(socket: ScriptedSocket): void {
    socket.answersPings = true;
    const send = socket.send.bind(socket);
    socket.send = (text) => {
      send(text);
      this.look();
    };
  }

  /** Notes what was sent, and whether it was right to. */
  look(): void {
    for (const socket of this.#script.sockets) {
      const { texts } = socket;
      for (const text of texts.slice(this.#seen.get(socket) ?? 0)) {
        if (text.length > limits.frameBytes) this.faults.push(`a frame has ${text.length} bytes`);
        const frame: Frame | Frame[] = JSON.parse(text);
        if (Array.isArray(frame) && frame.length > limits.batchLength)
          this.faults.push(`a batch has ${frame.length} calls`);
        for (const one of [frame].flat()) this.#saw(one, socket);
        const open = this.#sendings(socket).filter(
          ({ fate, isCancelled }) => fate === "unknown" && !isCancelled,
        );
        if (open.length > limits.requestsInFlight)
          this.faults.push(`${open.length} calls are in flight`);
      }
      this.#seen.set(socket, texts.length);
    }
  }

  #sendings(socket: ScriptedSocket | undefined): Sending[] {
    return this.#calls
      .flatMap(({ sendings }) => sendings)
      .filter((sending) => sending.socket === socket);
  }

  #saw(frame: Frame, socket: ScriptedSocket): void {
    const call = this.#calls[Number(/^call-(\d+)$/.exec(frame.method)?.[1])];
    if (call) this.#sent(call, { frame, socket, fate: "unknown" });
    if (frame.method !== "$/cancelRequest") return;
    for (const sending of this.#sendings(socket))
      if (sending.frame.id === frame.params?.id) sending.isCancelled = true;
  }

  #sent(call: Ledger, sending: Sending): void {
    const { method } = sending.frame;
    const last = call.sendings.at(-1);
    if (call.outcome.count > 0) this.faults.push(`${method} was sent when it was settled`);
    if (last?.fate === "answered") this.faults.push(`${method} was sent again after its answer`);
    if (last?.fate === "unknown" && !call.isIdempotent)
      this.faults.push(`${method} was sent again though it may have run`);
    if (last?.fate === "unknown" && last.socket === sending.socket)
      this.faults.push(`${method} was sent twice on one connection`);
    const user = this.#users.get(sending.socket);
    if (user === undefined) this.faults.push(`${method} was sent before anybody was signed in`);
    else if (call.user !== undefined && call.user !== user)
      this.faults.push(`${method} of ${call.user} was sent for ${user}`);
    call.user ??= user;
    call.sendings.push(sending);
  }

  #make(step: Extract<Step, { do: "call" }>): void {
    const { client } = this.#script;
    const make = (call: (name: string, options: CallOptions) => Promise<unknown>) => {
      const ledger = new Ledger(step.idempotent, step.length > limits.frameBytes, this.#user);
      const { isIdempotent: idempotent, controller } = ledger;
      const name = `call-${this.#calls.push(ledger) - 1}`;
      ledger.outcome = outcomeOf(
        call(name, { idempotent, signal: controller.signal, timeout: step.timeout }),
      );
    };
    const times = Array(step.times).fill(0);
    const params = { text: "x".repeat(step.length) };
    if (!step.inBatch)
      for (const _ of times) make((name, options) => client.call(name, params, options));
    else {
      const made = client.batch((api) =>
        times.map(() =>
          make((name, options) => api[name]?.(params, options) ?? Promise.reject(new Error(name))),
        ),
      );
      made.catch(() => {});
    }
  }

  /** What was sent on the open socket and has no answer. */
  #open(index: number): Sending | undefined {
    const open = this.#sendings(this.#socket).filter(({ fate }) => fate === "unknown");
    return this.#isOpen ? open[index % Math.max(open.length, 1)] : undefined;
  }

  get #isOpen(): boolean {
    return this.#socket?.readyState === 1;
  }

  /** The auth request that waits for an answer. */
  #auth(): Frame | undefined {
    const socket = this.#socket;
    if (socket?.readyState !== 1) return undefined;
    const last = socket.frames.findLast(
      ({ method }) => method === "authenticate" || method === "refresh",
    );
    return last && !this.#answered.has(`${this.#script.sockets.length} ${last.id}`)
      ? last
      : undefined;
  }
  readonly #answered = new Set<string>();

  #answerAuth(frame: Frame, say: (socket: ScriptedSocket) => void): void {
    this.#answered.add(`${this.#script.sockets.length} ${frame.id}`);
    if (this.#socket) say(this.#socket);
  }

  async take(step: Step): Promise<void> {
    const { client, clock, pass } = this.#script;
    const socket = this.#socket;
    if (step.do === "call") this.#make(step);
    else if (step.do === "abort") this.#calls.at(-1 - step.which)?.controller.abort();
    else if (
      step.do === "run" ||
      step.do === "answer twice" ||
      step.do === "refuse" ||
      step.do === "fail"
    )
      this.#reply(step);
    else if (step.do === "garbage" && this.#isOpen) socket?.receive(step.text);
    else if (step.do === "closing" && this.#isOpen) socket?.tell("connection.closing", step.how);
    else if (step.do === "close socket" && this.#isOpen) {
      socket?.tell("connection.closing", step.how);
      socket?.drop(typeof step.how.code === "number" ? step.how.code : 1006);
    } else if (step.do === "token") this.#give(step.is);
    else if (step.do === "grant") this.#grant(step.user);
    else if (step.do === "sign in") await this.#signIn(step.user);
    else if (step.do === "refuse token") {
      const auth = this.#auth();
      if (auth)
        this.#answerAuth(auth, (open) => open.refuse(auth, errorOf(step.why, { retryAfter: 3 })));
    } else if (step.do === "pass") await pass(step.ms);
    else if (step.do === "drop" && socket && socket.readyState < 2) socket.drop();
    else if (step.do === "open" && socket?.readyState === 0) socket.open();
    else if (step.do === "expire" && this.#isOpen) socket?.tell("auth.expired", { closeIn: 30 });
    else if (step.do === "renew" && this.#isOpen)
      socket?.tell("auth.refreshRequired", { within: 30 });
    else if (step.do === "refresh" || step.do === "reconnect" || step.do === "close") {
      if (step.do !== "refresh") this.#user = undefined; // whoever comes next
      this.#waits.push(outcomeOf(client[step.do]()));
    } else if (step.do === "online") this.#pages.window.dispatchEvent(new Event("online"));
    else if (step.do === "turn") await settled();
    this.look();
    if (client.state === "closed") this.#user = undefined;
    expect(clock.pending).to.be.below(20);
  }

  /** Whatever was: everything goes well now. */
  async #signIn(user: string): Promise<void> {
    const { client, pass } = this.#script;
    this.#give("fresh");
    if (client.state === "closed") this.#waits.push(outcomeOf(client.reconnect()));
    await settled();
    const isTokenAwaited = client.state === "connecting" && this.#socket?.readyState !== 0;
    if (client.state === "waiting" || isTokenAwaited) await pass(20_000);
    if (this.#socket?.readyState === 0) this.#socket.open();
    await settled();
    this.#grant(user);
  }

  #give(is: Token): void {
    this.#is = is;
    for (const resolve of this.#late.splice(0)) resolve(`token-${++this.#tokens}`);
  }

  #grant(user: string): void {
    const auth = this.#auth();
    const socket = this.#socket;
    if (!auth || !socket) return;
    const who = auth.method === "refresh" ? (this.#users.get(socket) ?? user) : user;
    this.#users.set(socket, who);
    this.#user = who;
    this.#answerAuth(auth, () =>
      socket.answer(
        auth,
        granted(this.#script.clock, { subject: who, changed: true, gap: false, limits }),
      ),
    );
  }

  #reply(step: Extract<Step, { which: number }>): void {
    const sending = this.#open(step.which);
    if (!sending) return;
    const { frame, socket } = sending;
    if (step.do === "refuse") {
      sending.fate = "refused";
      return socket.refuse(frame, errorOf(step.why));
    }
    sending.fate = "answered";
    if (step.do === "fail")
      return socket.refuse(
        frame,
        step.why === "timeout" ? errorOf("timeout") : { code: -32603, message: "Internal error" },
      );
    socket.answer(frame, frame.method);
    if (step.do === "answer twice") socket.refuse(frame, errorOf("token_expired"));
  }

  /** Everything goes well at last, and every call that waits has its answer. */
  async #makeWell(): Promise<void> {
    if (this.#isOpen) this.#socket?.drop(); // maybe it had told that it would close
    for (let tries = 0; tries < 10 && this.#script.client.state !== "ready"; tries++)
      await this.#signIn("ada");
    expect(this.#script.client.state).to.equal("ready");
    this.look();
    for (let open = this.#open(0); open; open = this.#open(0)) this.#reply({ do: "run", which: 0 });
    await settled();
  }

  #judge(call: Ledger, error: unknown, index: number): void {
    if (!(error instanceof JotwireError))
      return void this.faults.push(`call-${index} is rejected with ${error}`);
    const { code, sent } = error;
    if (sent !== "no" && sent !== "maybe")
      this.faults.push(`call-${index} doesn't say whether it was sent`);
    if (sent === "no" && call.mayHaveRun)
      this.faults.push(`call-${index} says that it was not sent, but was`);
    if (forTheTimeBeing.includes(code))
      this.faults.push(`call-${index} is rejected with ${code}, and could be repeated`);
    if (code === "too_large" && !call.isTooLarge)
      this.faults.push(`call-${index} is called too large`);
    if (code === "subject_changed" && call.user === undefined)
      this.faults.push(`call-${index} was of nobody else`);
  }

  /** `isWell`: the client is closed when all is well, and not in the middle of it all. */
  async end(isWell: boolean): Promise<void> {
    const { client, clock } = this.#script;
    if (isWell) await this.#makeWell();
    if (isWell)
      for (const [index, { outcome }] of this.#calls.entries())
        if (outcome.count === 0) this.faults.push(`call-${index} is forgotten`);
    this.look();
    await client.close();
    await settled();
    this.look();
    for (const [index, call] of this.#calls.entries()) {
      const { outcome, sendings } = call;
      if (outcome.count !== 1) this.faults.push(`call-${index} was settled ${outcome.count} times`);
      if ("value" in outcome && outcome.value !== `call-${index}`)
        this.faults.push(`call-${index} got ${outcome.value}`);
      if ("value" in outcome && sendings.at(-1)?.fate !== "answered")
        this.faults.push(`call-${index} has a result that nobody gave`);
      if ("error" in outcome) this.#judge(call, outcome.error, index);
    }
    for (const { count } of this.#waits)
      expect(count, "refresh, reconnect and close settle").to.equal(1);
    expect(this.faults.join("; ")).to.equal("");
    expect(clock.pending, "timers").to.equal(0);
  }
}

describe("The client's calls, whatever happens", function () {
  this.timeout(120_000);

  it("settle once, are sent again only when they can't have run or may run twice, and for nobody else", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 70 }),
        fc.boolean(),
        async (steps, isWell) => {
          using pages = new Pages();
          const run = new Run(pages);
          for (const one of steps) await run.take(one);
          await run.end(isWell);
          expect(pages.listeners, "listeners").to.equal(0);
        },
      ),
      { numRuns: Number(process.env.CALL_MODEL_RUNS ?? 500) },
    );
  });
});
