import { eventually } from "../helpers/eventually.js";
import { judgeExecutions } from "./execution-ledger.js";
import type { Fleet } from "./fleet.js";
import { Member } from "./member.js";
import { Publisher } from "./publisher.js";
import type { Tally } from "./tally.js";

const atOnce = 40; // clients that connect at the same time, at the beginning
const hearing = 3_000; // 3 s for an event to reach all
const timeoutMs = 60_000; // 1 min for all to be connected again, or to have heard the last event

export interface CrowdOptions {
  readonly clients: number;
  /** Milliseconds between two calls of a client, on average. */
  readonly pace: number;
  /** Default: any node. */
  readonly url?: () => string;
  /** The store may forget logins. Default: false. */
  readonly mayForget?: boolean;
}

/** Clients under load, and what is published to them. */
export class Crowd implements AsyncDisposable {
  readonly #fleet: Fleet;
  readonly #tally: Tally;
  readonly #options: CrowdOptions;
  readonly #publisher: Publisher;
  readonly #members: Member[] = [];
  #made = 0;

  private constructor(fleet: Fleet, tally: Tally, options: CrowdOptions) {
    this.#fleet = fleet;
    this.#tally = tally;
    this.#options = options;
    this.#publisher = new Publisher(fleet, 50);
  }

  static async gather(fleet: Fleet, tally: Tally, options: CrowdOptions): Promise<Crowd> {
    const crowd = new Crowd(fleet, tally, options);
    try {
      await crowd.#join(options.clients);
      return crowd;
    } catch (error) {
      await crowd[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** How many members there were in all. */
  get made(): number {
    return this.#made;
  }

  /** Some leave, and as many new ones come. */
  async churn(count: number): Promise<void> {
    const leaving = this.#members.splice(0, count);
    await Promise.all(leaving.map((member) => member.rest()));
    await Promise.all(leaving.map((member) => this.#part(member)));
    await this.#join(leaving.length);
  }

  /** Resolves when all are connected; violation when some are not in time. */
  async whenReady(): Promise<void> {
    const away = () => this.#members.filter(({ client }) => client.state !== "ready").length;
    await eventually(() => {
      if (away() > 0) throw new Error();
    }, timeoutMs).catch(() =>
      this.#tally.violation(`${away()} clients did not come back within ${timeoutMs} ms`),
    );
  }

  /** Ends the load, waits for what is under way, and judges all of it. */
  async settle(): Promise<void> {
    await this.whenReady();
    await Promise.all(this.#members.map((member) => member.rest()));
    await this.#allHear();
    await Promise.all(this.#members.splice(0).map((member) => this.#part(member)));
    this.#tally.eventsPublished += this.#publisher.published;
    const { lost, twice, late } = judgeExecutions(
      await this.#fleet.executions(),
      this.#tally.acknowledged,
    );
    this.#tally.servedLate += late.length;
    for (const id of lost) this.#tally.violation(`${id} was acknowledged, and is lost`);
    for (const id of twice) this.#tally.violation(`${id} was executed twice`);
    for (const id of late) this.#tally.violation(`${id} was served after its session had expired`);
    this.#tally.lost += lost.length;
    this.#tally.twice += twice.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.splice(0).map((member) => member.leave()));
    await this.#publisher.stop();
  }

  /**
   * Until one event has reached all. Who is only just subscribing has missed none, and hears a
   * later one; who is deaf, never any.
   */
  async #allHear(): Promise<void> {
    const behind = (last: number) =>
      this.#members.filter(({ events }) => events !== undefined && events.last !== last).length;
    const round = async () => {
      const last = await this.#publisher.finish();
      await eventually(() => {
        if (behind(last) > 0)
          throw new Error(`${behind(last)} subscribers never heard the last event`);
      }, hearing);
    };
    await eventually(round, timeoutMs).catch((error: Error) =>
      this.#tally.violation(error.message),
    );
  }

  async #join(count: number): Promise<void> {
    for (let from = 0; from < count; from += atOnce) {
      const some = Array.from({ length: Math.min(atOnce, count - from) }, () => this.#newMember());
      this.#members.push(...some);
      await Promise.all(some.map((member) => member.start()));
    }
  }

  #newMember(): Member {
    const { pace, mayForget = false, url = () => this.#fleet.any().url } = this.#options;
    const user = this.#made++;
    const { isPublished } = this.#publisher;
    return new Member({
      name: `c${user}`,
      user,
      tally: this.#tally,
      url,
      pace,
      mayForget,
      isPublished,
    });
  }

  async #part(member: Member): Promise<void> {
    await member.leave();
    const { events } = member;
    if (events === undefined) return;
    this.#tally.eventsHeard += events.heard;
    this.#tally.gapsTold += events.gaps;
    for (const fault of events.faults) this.#tally.violation(fault);
  }
}
