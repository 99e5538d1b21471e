import { errorOf } from "../../../src/protocol/error-codes.js";
import type { Frame, ScriptedSocket } from "../client/scripted-client.js";

interface Subscribed {
  readonly id: string;
  readonly topic: string;
}

interface Event {
  readonly offset: number;
  readonly n: number;
}

/**
 * A server as the protocol wants it, as simple as can be: topics with a history of `size` events
 * (0: none), on one connection at a time. Events are numbered from 1 for each topic, over restarts
 * too.
 */
export class TopicReference {
  readonly #size: number;
  readonly #room: number;
  readonly #published = new Map<string, Event[]>();
  #epoch = 0;
  #base = new Map<string, number>(); // events before the epoch began
  #subscribed: Subscribed[] = [];
  #hasGap = new Set<string>();
  #owed = new Set<string>(); // by the connection
  #socket: ScriptedSocket | undefined;
  #answered = 0;
  #refusals = 0; // to come
  /** Requests over the limit of those in flight. */
  excess = 0;

  /** `room`: requests in flight. */
  constructor(size: number, room = Number.POSITIVE_INFINITY) {
    this.#size = size;
    this.#room = room;
  }

  /** How many subscriptions the connection has. */
  get subscriptions(): number {
    return this.#subscribed.length;
  }

  count(topic: string): number {
    return this.#of(topic).length;
  }

  connect(socket: ScriptedSocket): void {
    this.#socket = socket;
    this.#answered = 0;
    this.#subscribed = [];
    this.#hasGap = new Set();
    this.#owed = new Set();
  }

  disconnect(): void {
    this.#socket = undefined;
  }

  /** History begins anew. */
  restart(): void {
    this.#epoch++;
    this.#base = new Map([...this.#published].map(([topic, { length }]) => [topic, length]));
  }

  publish(topic: string): void {
    const events = this.#of(topic);
    const event = {
      n: events.length + 1,
      offset: events.length + 1 - (this.#base.get(topic) ?? 0),
    };
    events.push(event);
    if (this.#isSubscribed(topic)) this.#tell(topic, event);
  }

  /**
   * An event that the connection never gets: the next one says so.
   */
  swallow(topic: string): void {
    const events = this.#of(topic);
    events.push({ n: events.length + 1, offset: events.length + 1 - (this.#base.get(topic) ?? 0) });
    if (!this.#isSubscribed(topic)) return;
    this.#owed.add(topic);
    this.#hasGap.add(topic);
  }

  /** Were events swallowed that no later one has told of? */
  owes(topic: string): boolean {
    return this.#owed.has(topic);
  }

  /** Ends the subscription of a topic as a slow one. */
  slow(topic: string): void {
    if (!this.#isSubscribed(topic)) return;
    this.#forget(topic);
    this.#socket?.tell("subscription.ended", { subscription: topic, reason: "slow" });
  }

  /** Has no room for the next subscription. */
  refuse(): void {
    this.#refusals++;
  }

  /** Answers what has come, and what comes for that, in order. */
  serve(): void {
    const socket = this.#socket;
    if (socket?.readyState !== 1) return;
    for (
      let frame = socket.frames[this.#answered];
      frame !== undefined;
      frame = socket.frames[this.#answered]
    ) {
      const inFlight = socket.frames
        .slice(this.#answered)
        .filter(({ method }) => method === "watch");
      if (inFlight.length > this.#room) this.excess++;
      this.#answered++;
      if (frame.method === "unsubscribe") {
        this.#forget(String(frame.params?.subscription));
        socket.answer(frame, { ok: true });
      } else if (frame.method === "watch") this.#subscribe(socket, frame);
    }
  }

  #subscribe(socket: ScriptedSocket, frame: Frame): void {
    const { topic, $since } = frame.params as {
      topic: string;
      $since?: { epoch: string; offset: number };
    };
    if (this.#refusals > 0) {
      this.#refusals--;
      return socket.refuse(frame, errorOf("overloaded", { retryAfter: 1 }));
    }
    if (!this.#isSubscribed(topic)) {
      this.#subscribed.push({ id: topic, topic });
      this.#hasGap.delete(topic);
    }
    if (this.#size === 0) return socket.answer(frame, { subscription: topic });
    const epoch = `e${this.#epoch}`;
    const now = this.#of(topic).slice(this.#base.get(topic) ?? 0);
    const offset = now.length;
    if ($since === undefined) return socket.answer(frame, { subscription: topic, epoch, offset });
    const recovered = $since.epoch === epoch && $since.offset >= offset - this.#size;
    socket.answer(frame, { subscription: topic, epoch, offset, recovered });
    if (!recovered) return;
    this.#hasGap.delete(topic); // what was swallowed follows
    for (const event of now.filter((one) => one.offset > $since.offset)) this.#tell(topic, event);
  }

  #tell(topic: string, { offset, n }: Event): void {
    const hasGap = this.#hasGap.delete(topic);
    const place = this.#size === 0 ? {} : { offset };
    this.#owed.delete(topic);
    this.#socket?.tell("subscription.event", {
      subscription: topic,
      ...place,
      ...(hasGap ? { gap: true } : {}),
      data: n,
    });
  }

  #isSubscribed(topic: string): boolean {
    return this.#socket !== undefined && this.#subscribed.some((one) => one.topic === topic);
  }

  #forget(topic: string): void {
    this.#subscribed = this.#subscribed.filter((one) => one.topic !== topic);
  }

  #of(topic: string): Event[] {
    const events = this.#published.get(topic) ?? [];
    this.#published.set(topic, events);
    return events;
  }
}
