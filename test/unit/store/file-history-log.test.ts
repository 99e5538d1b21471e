import { appendFile, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import type { TopicEvent, TopicState } from "../../../src/pubsub/bus.js";
import type { OpenedLog } from "../../../src/pubsub/history-log.js";
import { LoggedBus } from "../../../src/pubsub/logged-bus.js";
import { FileHistoryLog } from "../../../src/store/file/file-history-log.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { withFolder } from "../../helpers/temporary-folder.js";

const history = { size: 4, ttl: Number.POSITIVE_INFINITY };
const day = 86_400_000;

/** One life of a server, on a folder that outlives it. */
class Life {
  readonly log: FileHistoryLog;
  readonly bus: LoggedBus;
  readonly events: TopicEvent[] = [];
  readonly failures: unknown[] = [];
  opened: OpenedLog | undefined;
  time = 1_000_000;

  constructor(folder: string, prepared: () => Promise<void> = async () => {}) {
    this.log = new FileHistoryLog(folder, prepared);
    this.bus = new LoggedBus(this.log, {
      monotonic: () => this.time,
      now: () => this.time,
      newEpoch: () => "in memory",
      opened: (opened) => {
        this.opened = opened;
      },
      failed: (error) => void this.failures.push(error),
    });
    this.bus.subscribe({ event: (event) => void this.events.push(event), gap() {}, message() {} });
  }

  async publish(topic: string, ...data: readonly (string | number)[]): Promise<void> {
    await Promise.all(data.map((one) => this.bus.publish(topic, String(one), history)));
  }

  async read(topic: string, since?: { epoch: string; offset: number }): Promise<TopicState> {
    return this.bus.read(topic, history, since);
  }
}

const dataOf = ({ missed }: TopicState) => missed.map(({ data }) => data);

/** The file as a process leaves it that is killed. */
const pathOf = (folder: string) => join(folder, "history.log");

/** A life that ends in order, with these events; and where its topic stands. */
async function lived(folder: string, ...data: readonly number[]): Promise<TopicState> {
  const life = new Life(folder);
  await life.publish("t", ...data);
  const place = await life.read("t");
  await life.bus.close();
  return place;
}

/**
 * What a killed process leaves: the bytes as they are before the file is closed. A new life in the
 * same process cannot have the file as long as an old one is open, so the old one is closed and its
 * last line taken away.
 */
async function killed(folder: string, life: Life): Promise<void> {
  const before = await readFile(pathOf(folder));
  await life.bus.close();
  await writeFile(pathOf(folder), before);
}

describe("A history in a file", () => {
  it("has after a restart what a subscriber missed, in the same epoch, and goes on counting", () =>
    withFolder(async (folder) => {
      const { epoch, offset } = await lived(folder, 1, 2, 3);
      expect(offset).to.equal(3);
      const next = new Life(folder);
      const state = await next.read("t", { epoch, offset: 1 });
      expect(state).to.include({ epoch, offset: 3, recovered: true });
      expect(dataOf(state)).to.deep.equal(["2", "3"]);
      await next.publish("t", 4, 5);
      expect(next.events.map((event) => event.offset)).to.deep.equal([4, 5]);
      expect(next.events[0]?.epoch).to.equal(epoch);
      expect(dataOf(await next.read("t", { epoch, offset: 1 }))).to.deep.equal([
        "2",
        "3",
        "4",
        "5",
      ]);
      expect(await next.read("t", { epoch, offset: 0 }), "over its size").to.include({
        recovered: false,
      });
      expect(await next.read("t", { epoch, offset: 9 }), "made up").to.include({
        recovered: false,
      });
      await next.bus.close();
    }));

  it("keeps to its time limit over a restart, and remembers the place of what is forgotten", () =>
    withFolder(async (folder) => {
      const life = new Life(folder);
      const brief = { size: 9, ttl: day };
      await life.bus.publish("t", "1", brief);
      life.time += day / 2;
      await life.bus.publish("t", "2", brief);
      const { epoch } = await life.read("t");
      await killed(folder, life);
      for (const [time, offset, missed] of [
        [life.time, 0, ["1", "2"]],
        [life.time + day / 2, 1, ["2"]],
        [life.time + day, 2, []],
        [life.time + 9 * day, 2, []],
      ] as const) {
        const next = new Life(folder);
        next.time = time;
        const state = await next.bus.read("t", brief, { epoch, offset });
        expect(state, String(time)).to.include({ recovered: true, offset: 2, epoch });
        expect(dataOf(state)).to.deep.equal(missed);
        if (offset > 0)
          expect(await next.bus.read("t", brief, { epoch, offset: offset - 1 })).to.include({
            recovered: false,
          });
        await next.bus.close();
      }
    }));

  it("is a prefix of what was published, with all that was told, wherever a crash cuts the file", async () => {
    const step = fc.record({
      topic: fc.constantFrom("a", "b", "a route with\ttabs, \n and ä"),
      count: fc.integer({ min: 1, max: 5 }),
      data: fc.constantFrom('"ä\u2028"', "1", '{"text":"a\\tb\\n"}', `"${"x".repeat(300)}"`),
    });
    const lives = fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(lives, fc.double({ min: 0, max: 1, noNaN: true }), async (all, cut) => {
        await withFolder(async (folder) => {
          const published = new Map<string, string[]>();
          let epoch = "";
          for (const steps of all) {
            const life = new Life(folder);
            for (const { topic, count, data } of steps) {
              const before = published.get(topic) ?? [];
              published.set(topic, [...before, ...new Array<string>(count).fill(data)]);
              await life.publish(topic, ...new Array<string>(count).fill(data));
            }
            for (const [topic, { length }] of published) {
              const place = await life.read(topic);
              epoch ||= place.epoch;
              expect(place).to.include({ epoch, offset: length });
            }
            await killed(folder, life);
          }
          const whole = await readFile(pathOf(folder));
          // the header was durable before anything was told
          const start = whole.indexOf(10, whole.indexOf(10) + 1) + 1;
          const end = start + Math.floor((whole.length - start) * cut);
          await truncate(pathOf(folder), end);
          const told = new Map<string, number>();
          const lines = whole.toString("utf8", 0, whole.lastIndexOf(10, end - 1) + 1).split("\n");
          for (const line of lines.slice(2, -1)) {
            const [topic, offset] = JSON.parse(line.slice(9).split("\t")[0] as string);
            told.set(topic, offset);
          }
          const next = new Life(folder);
          for (const [topic, offset] of told) {
            const oldest = Math.max(offset - history.size, 0);
            const state = await next.read(topic, { epoch, offset: oldest });
            expect(state).to.include({ offset, epoch });
            if (state.recovered === true)
              expect(dataOf(state)).to.deep.equal(published.get(topic)?.slice(oldest, offset));
            else expect(all.length, "only an older file was compacted").to.be.greaterThan(1);
            await next.publish(topic, 0);
            expect(next.events.at(-1)).to.include({ topic, offset: offset + 1 });
          }
          expect(JSON.stringify(next.opened ?? {})).to.not.match(/renewed|inUse/);
          await next.bus.close();
        });
      }),
      { numRuns: 60 },
    );
  });

  it("begins anew, with another epoch, if a byte of it has changed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        await withFolder(async (folder) => {
          const { epoch } = await lived(folder, 1, 2, 3);
          const bytes = await readFile(pathOf(folder));
          // the last newline is that of the mark of an orderly close
          const index = at % (bytes.length - 1);
          bytes[index] = (bytes[index] as number) ^ change;
          await writeFile(pathOf(folder), bytes);
          const next = new Life(folder);
          expect(await next.read("t", { epoch, offset: 1 })).to.include({
            recovered: false,
            offset: 0,
          });
          expect(next.opened).to.have.property("renewed");
          await next.publish("t", 1);
          expect(next.events[0]?.epoch).to.not.equal(epoch);
          await next.bus.close();
        });
      }),
      { numRuns: 40 },
    );
  });

  it("begins anew after a start of the machine, unless the server had closed it in order", () =>
    withFolder(async (folder) => {
      const { epoch } = await lived(folder, 1, 2);
      const otherBoot = async () => {
        const text = await readFile(pathOf(folder), "utf8");
        const header = JSON.parse((text.split("\n")[0] as string).slice(9));
        if (header.boot === "") return false; // each write was durable
        const { crc32 } = await import("node:zlib");
        const body = JSON.stringify({ ...header, boot: "an earlier start" });
        const rest = text.slice(text.indexOf("\n"));
        await writeFile(
          pathOf(folder),
          `${crc32(body).toString(16).padStart(8, "0")} ${body}${rest}`,
        );
        return true;
      };
      const isKnown = await otherBoot();
      const closed = new Life(folder);
      expect(await closed.read("t", { epoch, offset: 1 })).to.include({ recovered: true });
      await closed.publish("t", 3);
      await killed(folder, closed);
      await otherBoot();
      const cut = new Life(folder);
      expect(await cut.read("t", { epoch, offset: 1 })).to.include({ recovered: !isKnown });
      if (isKnown) expect(cut.opened).to.have.property("renewed").that.includes("restarted");
      await cut.bus.close();
    }));

  it("is bounded in its file, whatever is published", () =>
    withFolder(async (folder) => {
      const life = new Life(folder);
      const text = JSON.stringify("x".repeat(100_000));
      let longest = 0;
      for (let n = 0; n < 200; n++) {
        await life.publish("t", text);
        longest = Math.max(longest, (await stat(pathOf(folder))).size);
      }
      expect(longest).to.be.within(4_000_000, 6_000_000);
      const { epoch, offset } = await life.read("t");
      await killed(folder, life);
      const next = new Life(folder);
      const state = await next.read("t", { epoch, offset: offset - 4 });
      expect(state).to.include({ recovered: true, offset: 200 });
      expect(state.missed).to.have.lengthOf(4);
      await next.bus.close();
    }));

  it("is told to nobody when it cannot be written, and goes on when it can be again", () =>
    withFolder(async (folder) => {
      const life = new Life(folder);
      await life.publish("t", 1);
      const { epoch } = await life.read("t");
      await appendFile(pathOf(folder), "of another program");
      for (const data of [2, 3])
        expect(await rejectionOf(life.publish("t", data)))
          .to.have.property("message")
          .that.includes("another program");
      expect(life.events).to.have.lengthOf(1);
      expect(await life.read("t")).to.include({ offset: 1 });
      expect(life.failures, "told once").to.have.lengthOf(1);
      const { size } = await stat(pathOf(folder));
      await truncate(pathOf(folder), size - "of another program".length);
      await life.publish("t", 4);
      expect(life.events.at(-1)).to.include({ offset: 2, data: "4", epoch });
      await killed(folder, life);
      const next = new Life(folder);
      expect(dataOf(await next.read("t", { epoch, offset: 0 }))).to.deep.equal(["1", "4"]);
      await next.bus.close();
    }));

  it("opens when it can be, if it could not at first", () =>
    withFolder(async (folder) => {
      let isReady = false;
      const life = new Life(folder, async () => {
        if (!isReady) throw new Error("no disk");
      });
      expect(await rejectionOf(life.publish("t", 1))).to.have.property("message", "no disk");
      expect(await rejectionOf(life.read("t"))).to.have.property("message", "no disk");
      expect(life.failures).to.have.lengthOf(1);
      isReady = true;
      await life.publish("t", 2);
      expect(life.events.map(({ data }) => data)).to.deep.equal(["2"]);
      await life.bus.close();
    }));

  it("belongs to one server; another one keeps its own in memory, and the next to have the file begins anew", () =>
    withFolder(async (folder) => {
      const first = new Life(folder);
      await first.publish("t", 1);
      const { epoch } = await first.read("t");
      const second = new Life(folder);
      await second.publish("t", 7);
      expect(second.opened).to.have.property("inUse");
      expect(second.events[0]?.epoch).to.include("in memory");
      await first.publish("t", 2);
      expect(dataOf(await first.read("t", { epoch, offset: 0 }))).to.deep.equal(["1", "2"]);
      await Promise.all([first.bus.close(), second.bus.close()]);
      const third = new Life(folder);
      expect(await third.read("t", { epoch, offset: 2 }), "7 is missing").to.include({
        recovered: false,
      });
      expect(third.opened).to.have.property("renewed");
      const { epoch: last } = await third.read("t");
      await third.publish("t", 8);
      await third.bus.close();
      const fourth = new Life(folder);
      expect(await fourth.read("t", { epoch: last, offset: 0 })).to.include({ recovered: true });
      await fourth.bus.close();
    }));

  it("is free for the next server when it was closed while it was being opened", () =>
    withFolder(async (folder) => {
      const { epoch } = await lived(folder, 1);
      const life = new Life(folder);
      const reading = life.read("t").catch(() => {});
      await life.bus.close();
      await reading;
      const next = new Life(folder);
      expect(await next.read("t")).to.include({ epoch, offset: 1 });
      expect(next.opened).to.not.have.any.keys("inUse", "renewed");
      await next.bus.close();
    }));

  it("refuses small events, too, when too many wait for the disk", () =>
    withFolder(async (folder) => {
      const life = new Life(folder, () => new Promise(() => {}));
      let refusal: unknown;
      let accepted = 0;
      const publish = () => {
        accepted++;
        life.bus.publish("t", "1", history)?.catch((error: unknown) => {
          refusal = error;
        });
      };
      while (refusal === undefined && accepted < 400_000) {
        for (let n = 0; n < 1_000; n++) publish();
        await undefined;
      }
      expect(String(refusal)).to.match(/too many events wait/);
    }));

  it("writes what is published at the same time together, and in order", () =>
    withFolder(async (folder) => {
      const life = new Life(folder);
      await life.publish("t", 0);
      let writes = 0;
      const append = life.log.append.bind(life.log);
      life.log.append = (...batch) => {
        writes++;
        return append(...batch);
      };
      const data = Array.from({ length: 200 }, (_, n) => n + 1);
      await life.publish("t", ...data);
      expect(writes).to.equal(1);
      expect(life.events.map((event) => Number(event.data))).to.deep.equal([0, ...data]);
      expect(life.events.at(-1)?.offset).to.equal(201);
      await life.bus.close();
      expect(await rejectionOf(life.publish("t", 1))).to.be.an("error");
    }));
});
