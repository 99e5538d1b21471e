import { errorOf } from "../../../src/protocol/error-codes.js";
import type { Frame, ScriptedSocket } from "../client/scripted-client.js";

/** The newest version of each card. */
export type Cards = Readonly<Record<string, number>>;

export interface CardEvent {
  readonly card: string;
  readonly version: number;
}

/**
 * One topic with snapshots, as the protocol wants it: a history of `size` events (0: none), on one
 * connection at a time. While a snapshot is asked for and not answered, events wait.
 */
export class LiveTopic {
  readonly #size: number;
  readonly #events: CardEvent[] = [];
  /** The state after each number of events. */
  readonly states: Cards[] = [{}];
  #epoch = 0;
  #base = 0; // events before the epoch
  #socket: ScriptedSocket | undefined;
  #answered = 0;
  #isSubscribed = false;
  #hasGap = false;
  #sent = 0; // events that the connection has got, or never will
  #refusals = 0;

  constructor(size: number) {
    this.#size = size;
  }

  get isSubscribed(): boolean {
    return this.#isSubscribed;
  }

  connect(socket: ScriptedSocket): void {
    this.#socket = socket;
    this.#answered = 0;
    this.#isSubscribed = this.#hasGap = false;
  }

  disconnect(): void {
    this.#socket = undefined;
  }

  /** The history is lost. */
  restart(): void {
    this.#epoch++;
    this.#base = this.#events.length;
  }

  /** `isLost`: the connection never gets it, and the next event says so. */
  publish(card: string, isLost = false): void {
    const before = this.states.at(-1) as Cards;
    const version = (before[card] ?? 0) + 1;
    this.#events.push({ card, version });
    this.states.push({ ...before, [card]: version });
    if (isLost && this.#isSubscribed) {
      this.#flush(this.#events.length - 1);
      this.#hasGap = true;
      this.#sent = this.#events.length;
    }
    if (!this.#isHeld()) this.#flush();
  }

  /** The next call is refused for the moment. */
  refuse(): void {
    this.#refusals++;
  }

  /** Answers at most so many calls. */
  serve(most = Number.POSITIVE_INFINITY): void {
    for (let count = 0; count < most && this.#socket?.readyState === 1; count++) {
      const { frames } = this.#socket;
      while (this.#answered < frames.length && !isOurs(frames[this.#answered])) this.#answered++;
      const frame = frames[this.#answered++];
      if (frame === undefined) {
        this.#answered = frames.length;
        return;
      }
      this.#take(this.#socket, frame);
    }
  }

  #waiting(): Frame[] {
    if (this.#socket?.readyState !== 1) return [];
    return this.#socket.frames.slice(this.#answered).filter(isOurs);
  }

  /** Events wait for the answer to a call for a snapshot. */
  #isHeld(): boolean {
    return this.#waiting().some(({ params }) => params?.$snapshot === true);
  }

  #take(socket: ScriptedSocket, frame: Frame): void {
    if (frame.method === "unsubscribe") {
      this.#isSubscribed = false;
      return socket.answer(frame, { ok: true });
    }
    if (this.#refusals > 0) {
      this.#refusals--;
      return socket.refuse(frame, errorOf("timeout"));
    }
    const { $since, $snapshot } = frame.params as {
      $since?: { epoch: string; offset: number };
      $snapshot?: boolean;
    };
    const offset = this.#events.length - this.#base;
    const epoch = `e${this.#epoch}`;
    const place = this.#size > 0 ? { epoch, offset } : {};
    if ($snapshot) {
      this.#isSubscribed = true;
      this.#sent = this.#events.length;
      this.#hasGap = false;
      return socket.answer(frame, {
        subscription: "b",
        $subscription: true,
        ...place,
        snapshot: this.states.at(-1),
      });
    }
    const recovered = $since?.epoch === epoch && $since.offset >= offset - this.#size;
    if (!this.#isSubscribed || $since) this.#sent = this.#events.length;
    if (recovered && $since) this.#sent = this.#base + $since.offset;
    this.#isSubscribed = true;
    socket.answer(frame, {
      subscription: "b",
      $subscription: true,
      ...place,
      ...($since ? { recovered } : {}),
    });
    if (!this.#isHeld()) this.#flush();
  }

  #flush(end = this.#events.length): void {
    if (!this.#isSubscribed || this.#socket?.readyState !== 1) return;
    for (; this.#sent < end; this.#sent++) {
      this.#socket.tell("subscription.event", {
        subscription: "b",
        ...(this.#size > 0 ? { offset: this.#sent + 1 - this.#base } : {}),
        ...(this.#hasGap ? { gap: true, epoch: `e${this.#epoch}` } : {}),
        data: this.#events[this.#sent],
      });
      this.#hasGap = false;
    }
  }
}

const isOurs = (frame: Frame | undefined) => /^(board|unsubscribe)$/.test(frame?.method ?? "");
