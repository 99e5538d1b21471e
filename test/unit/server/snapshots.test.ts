import { AsyncLocalStorage } from "node:async_hooks";
import { expect } from "chai";
import type { Auth, SnapshotContext } from "../../../src/index.js";
import { type TopicName, Topics } from "../../../src/pubsub/topics.js";
import type { RpcFault } from "../../../src/rpc/dispatch/call.js";
import { Snapshots, type SnapshotTicket } from "../../../src/server/connection/snapshots.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { recordingLogger } from "../../helpers/server/test-server.js";

const topic: TopicName = { route: "board", name: "board:b1", history: undefined };
const kept = { size: 8, ttl: Number.POSITIVE_INFINITY };

interface Out {
  readonly context: SnapshotContext<Auth, unknown>;
  resolve(state: unknown): void;
  reject(error: unknown): void;
}

/** Snapshots of one topic, made when the test says so. */
class Rig {
  readonly clock = new ManualClock();
  readonly topics = new Topics(() => {});
  readonly log: ReturnType<typeof recordingLogger>["lines"];
  readonly snapshots: Snapshots;
  /** Calls of the application's function that are out, in order. */
  readonly out: Out[] = [];
  made = 0;

  readonly #begun: (context: SnapshotContext<Auth, unknown>) => void;

  constructor(begun: (context: SnapshotContext<Auth, unknown>) => void = () => {}) {
    this.#begun = begun;
    const { logger, lines } = recordingLogger();
    this.log = lines;
    let errors = 0;
    this.snapshots = new Snapshots({
      ...{ clock: this.clock, topics: this.topics, log: logger },
      limits: { requestTimeout: 30_000 },
      newErrorId: () => `error ${++errors}`,
    });
  }

  take(subject = "ada", given: unknown = { board: "b1" }, of = topic): SnapshotTicket {
    const auth = { issuer: "i", subject, scopes: [] as string[] } as unknown as Auth;
    return this.snapshots.take({
      ...{ topic: of, params: given, given, auth: () => auth },
      source: (context) => {
        this.made++;
        this.#begun(context);
        return new Promise((resolve, reject) => this.out.push({ context, resolve, reject }));
      },
    });
  }

  event(): void {
    this.topics.event({ topic: "board board:b1", data: "1" });
  }

  /** Makes the oldest snapshot that is out. */
  async finish(state: unknown): Promise<void> {
    this.out.shift()?.resolve(state);
    await turns();
  }

  /** Nobody waits, so nothing is kept. */
  expectClean(): void {
    expect(this.snapshots.size, "groups").to.equal(0);
    expect(this.topics.size, "topics").to.equal(0);
    expect(this.clock.pending, "timers").to.equal(0);
  }
}

/** Until everything has settled that waits for nothing. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate);
}

const reads = ({ auth }: SnapshotContext<Auth, unknown>) => void auth.subject;
const all = (tickets: readonly SnapshotTicket[]) => Promise.all(tickets.map(({ json }) => json));
const users = (count: number) => Array.from({ length: count }, (_, n) => `user ${n}`);

describe("Snapshots of one topic", () => {
  it("are one for 10,000 subscribers while no event comes, and one more for those behind an event", async () => {
    const rig = new Rig();
    const early = users(5_000).map((user) => rig.take(user));
    expect(rig.made).to.equal(1);
    rig.event();
    const late = users(5_000).map((user) => rig.take(user));
    expect(rig.made, "the second begins when the first is there").to.equal(1);
    await rig.finish(["old"]);
    expect(new Set(await all(early))).to.deep.equal(new Set(['["old"]']));
    expect(rig.made).to.equal(2);
    await rig.finish(["new"]);
    expect(new Set(await all(late))).to.deep.equal(new Set(['["new"]']));
    expect(rig.made).to.equal(2);
    rig.expectClean();
  });

  it("are shared by those who wait, when one who has hers no longer needs it", async () => {
    const rig = new Rig();
    const before = rig.take();
    await rig.finish("before");
    const first = rig.take("bob");
    before.cancel(); // such as of an answer that was too large
    const second = rig.take("cyd");
    expect(rig.made).to.equal(2);
    await rig.finish("after");
    expect(await all([before, first, second])).to.deep.equal(['"before"', '"after"', '"after"']);
    rig.expectClean();
  });

  it("are not shared over events that this node may have missed", async () => {
    const rig = new Rig();
    const early = rig.take();
    rig.topics.gap();
    const late = rig.take("bob");
    await rig.finish(1);
    await rig.finish(2);
    expect(await all([early, late])).to.deep.equal(["1", "2"]);
    rig.expectClean();
  });

  it("are shared by the same params of the same topic only", async () => {
    const rig = new Rig();
    const other = { ...topic, name: "board:b2", history: kept };
    const namesake = { ...topic, route: "boards" };
    const tickets = [
      rig.take("ada", { board: "b1" }),
      rig.take("bob", { board: "b1" }),
      rig.take("ada", { board: "b1", part: "x" }),
      rig.take("ada", { board: "b2" }, other),
      rig.take("ada", { board: "b1" }, namesake),
      rig.take("ada", []),
    ];
    expect(rig.made).to.equal(5);
    for (let n = 1; n <= 5; n++) await rig.finish(n);
    expect(await all(tickets)).to.deep.equal(["1", "1", "2", "3", "4", "5"]);
    rig.expectClean();
  });

  it("whose function reads auth at once are made for each subscriber, 32 at a time", async () => {
    const rig = new Rig(reads);
    const tickets = users(100).map((user) => rig.take(user));
    expect(rig.out).to.have.length(32);
    for (let n = 0; n < 100; n++) {
      const [first] = rig.out;
      await rig.finish(first?.context.auth.subject);
      expect(rig.out).to.have.length.at.most(32);
    }
    expect(await all(tickets)).to.deep.equal(users(100).map((user) => JSON.stringify(user)));
    expect(rig.made).to.equal(100);
    rig.expectClean();
  });

  it("whose function reads auth late, or in toJSON, are for the one whose auth it was", async () => {
    for (const isLate of [true, false]) {
      const rig = new Rig();
      const [ada, bob, eve] = [rig.take("ada"), rig.take("bob"), rig.take("eve")] as const;
      expect(rig.made).to.equal(1);
      const [first] = rig.out as [Out];
      const toJSON = () => first.context.auth.subject;
      await rig.finish(isLate ? toJSON() : { toJSON });
      expect(await ada.json).to.equal('"ada"');
      expect(rig.made, "one for each of the others").to.equal(3);
      await rig.finish(rig.out[0]?.context.auth.subject);
      await rig.finish(rig.out[0]?.context.auth.subject);
      expect(await all([bob, eve])).to.deep.equal(['"bob"', '"eve"']);
      rig.expectClean();
    }
  });

  it("whose function reads auth for some only are never given to others", async () => {
    const rig = new Rig(); // the first does not read it until others have joined
    const first = rig.take("ada");
    rig.event();
    const late = rig.take("bob");
    reads(rig.out[0]?.context as SnapshotContext<Auth, unknown>);
    expect(rig.made, "it holds up nobody any more").to.equal(2);
    const third = rig.take("eve");
    expect(rig.made).to.equal(3);
    await rig.finish("of ada");
    await rig.finish("of bob");
    await rig.finish("of eve");
    expect(await all([first, late, third])).to.deep.equal(['"of ada"', '"of bob"', '"of eve"']);
    rig.expectClean();
  });

  it("know nothing of the one who asked but auth", async () => {
    const current = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const rig = new Rig(() => seen.push(current.getStore()));
    const ticket = current.run("ada", () => rig.take("ada"));
    expect(seen).to.deep.equal([undefined]);
    await rig.finish(1);
    await ticket.json;
  });
});

describe("A snapshot that fails", () => {
  it("is an internal error for all who shared it, and one line in the log", async () => {
    const rig = new Rig();
    const tickets = users(50).map((user) => rig.take(user));
    const failures = tickets.map(({ json }) => rejectionOf(json));
    rig.out.shift()?.reject(new Error("no database"));
    const ids = (await Promise.all(failures)).map((error) => (error as RpcFault).error.data);
    expect(new Set(ids.map((data) => JSON.stringify(data)))).to.deep.equal(
      new Set(['{"errorId":"error 1"}']),
    );
    expect(rig.log.map(({ fields: { event, errorId } }) => [event, errorId])).to.deep.equal([
      ["snapshot.fail", "error 1"],
    ]);
    const after = rig.take();
    await rig.finish("there again");
    expect(await after.json).to.equal('"there again"');
    rig.expectClean();
  });

  it("of what is no JSON is one, too", async () => {
    const rig = new Rig();
    const failure = rejectionOf(rig.take().json);
    await rig.finish(1n);
    expect(((await failure) as RpcFault).error.code).to.equal(-32603);
    rig.expectClean();
  });

  it("because it never comes is a timeout after limits.requestTimeout, with its signal aborted", async () => {
    const rig = new Rig();
    const failure = rejectionOf(rig.take().json);
    const signal = rig.out[0]?.context.signal;
    rig.clock.advance(29_999);
    expect(signal?.aborted).to.equal(false);
    rig.clock.advance(1);
    expect(((await failure) as RpcFault).error.data).to.include({ reason: "timeout" });
    expect(signal?.aborted).to.equal(true);
    expect(rig.log.map(({ fields }) => fields.event)).to.deep.equal(["snapshot.fail"]);
    rig.expectClean();
  });
});

describe("A subscriber who no longer waits for a snapshot", () => {
  it("leaves it to the others; when nobody is left its signal is aborted, and nothing is logged", async () => {
    const rig = new Rig();
    const [ada, bob] = [rig.take("ada"), rig.take("bob")];
    const adas = rejectionOf(ada.json);
    const [{ context, reject }] = rig.out as [Out];
    const { signal } = context;
    ada.cancel();
    expect(((await adas) as RpcFault).error.data).to.include({ reason: "cancelled" });
    expect(signal.aborted).to.equal(false);
    const bobs = rejectionOf(bob.json);
    bob.cancel();
    await bobs;
    expect(signal.aborted).to.equal(true);
    const eve = rig.take("eve");
    expect(rig.made, "the next begins without the one that nobody wants").to.equal(2);
    reject(new DOMException("aborted", "AbortError"));
    await turns();
    expect(rig.log).to.deep.equal([]);
    rig.out.shift();
    await rig.finish("eve's");
    expect(await eve.json).to.equal('"eve\'s"');
    rig.expectClean();
  });

  it("takes what was made for it alone along, and others begin anew", async () => {
    const rig = new Rig();
    const [ada, bob] = [rig.take("ada"), rig.take("bob")];
    const adas = rejectionOf(ada.json);
    ada.cancel();
    await adas;
    reads(rig.out[0]?.context as SnapshotContext<Auth, unknown>); // only now
    expect(rig.made).to.equal(2);
    await rig.finish("of ada, for nobody");
    await rig.finish("of bob");
    expect(await bob.json).to.equal('"of bob"');
    rig.expectClean();
  });

  it("is forgotten while it waits for its turn, or behind an event", async () => {
    const rig = new Rig();
    const first = rig.take("ada");
    rig.event();
    const late = rig.take("bob");
    const lates = rejectionOf(late.json);
    late.cancel();
    await lates;
    await rig.finish(1);
    await first.json;
    expect(rig.made).to.equal(1);
    rig.expectClean();
  });
});

describe("Slow snapshots of one user", () => {
  it("hold up neither others' topics, nor others of a topic that the user waits for, too", async () => {
    const rig = new Rig();
    const slow = users(8).map((name) => rig.take("mallory", { board: name }));
    const mine = rig.take("mallory", { board: "popular" });
    expect(rig.made, "a quarter of the places").to.equal(8);
    const bob = rig.take("bob", { board: "popular" });
    expect(rig.made).to.equal(9);
    rig.out.pop()?.resolve("popular");
    expect(await all([bob, mine])).to.deep.equal(['"popular"', '"popular"']);
    const failures = slow.map(({ json }) => rejectionOf(json));
    for (const { cancel } of slow) cancel();
    await Promise.all(failures);
    const more = rejectionOf(rig.take("mallory", { board: "more" }).json);
    expect(rig.made, "a place is taken until the function has settled").to.equal(9);
    rig.clock.advance(30_000);
    await turns();
    expect(rig.made).to.equal(10);
    rig.clock.advance(30_000);
    expect(((await more) as RpcFault).error.data).to.include({ reason: "timeout" });
    rig.expectClean();
  });
});
