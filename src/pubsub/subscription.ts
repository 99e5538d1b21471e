import type { EndReason } from "../protocol/messages.js";
import type { PastEvent } from "./bus.js";
import type { Push } from "./push.js";
import { afterGap, EventPush, endPush } from "./subscription-frames.js";

/** What happens when more events wait for a slow reader than there is room for. */
export type Overflow = "drop-oldest" | "drop-newest" | "end";

/** Why a subscription is over: the reason that the peer receives, or one without a message. */
export type SubscriptionEnding = EndReason | "unsubscribe" | "closed";

/** What a subscription asks of its connection. */
export interface SubscriberPort {
  /** Sends an event, or holds it while the session is expired. */
  send(push: Push): void;
  /** Tells that a subscription has ended, in any state. */
  tellEnd(push: Push): void;
  /** Drops what was sent and is not written yet. */
  forget(subscription: string): void;
  /** Takes back, in order, what was sent and is not written yet. */
  takeBack(subscription: string): readonly Push[];
  /** Are events held until a refresh, which may take the right to them away? */
  holds(subscription: string): boolean;
  /**
   * So much waits to be sent that events had better wait too. `resume` is called when that is over.
   */
  isHigh(): boolean;
  /** Is there a session in force? `resume` is called when there is one again. */
  isLive(): boolean;
  /**
   * More events waited than there is room for: some were dropped, or the subscription ends. Told
   * once for each gap.
   */
  tooSlow(outcome: "gap" | "ended"): void;
  /** The subscription begins: its response was sent. May end the subscription. */
  began(subscription: Subscription): void;
  /** The subscription is over: it need not be remembered. */
  ended(subscription: Subscription, ending: SubscriptionEnding): void;
}

export interface SlowRule {
  readonly overflow: Overflow;
  /** How many events may wait. */
  readonly buffer: number;
}

interface Waiting {
  readonly event: EventPush;
  hasGap: boolean;
}

/**
 * Events that were missed before the subscription began. Their frames are made when there is room
 * to send them.
 */
interface Replay {
  readonly events: readonly PastEvent[];
  readonly epoch: string;
  /** How many were sent. */
  sent: number;
}

/**
 * One subscription of one connection.
 *
 *   opening ── begin: the response is sent ──► live ── stop, or end ──► ended
 *
 * Events wait while it is opening, while it is paused, and while the connection's send buffer is
 * high. A replay is sent before them, and waits for a live session, too: it would fill what is held
 * for an expired one.
 */
export abstract class Subscription {
  readonly id: string;
  protected readonly port: SubscriberPort;
  readonly #rule: SlowRule;
  #state: "opening" | "live" | "ended" = "opening";
  #waiting: Waiting[] = [];
  /** Events were lost before the next one. */
  #hasGap = false;
  #replay: Replay | undefined;
  #replayLength = 0;
  #isPaused = false;
  /** Called when it is no longer paused, or over. */
  #confirmed: (() => void)[] | undefined;
  /** For each answer that comes before further events: called when it is over. */
  #holds: Set<() => void> | undefined;
  /** Events that were taken back when it was paused. They come before all others. */
  #returned: EventPush[] = [];
  /** Events were lost before the next one that is sent, which may wait already. */
  #owesGap = false;
  /** How it ended while it was paused, or while events of it were held. */
  #ending: { readonly reason: EndReason; readonly code: number | undefined } | undefined;
  /** It ended before its response was sent, which comes first. */
  #lastWord: Push | undefined;
  #endReason: EndReason | undefined;

  constructor(id: string, rule: SlowRule, port: SubscriberPort) {
    this.id = id;
    this.#rule = rule;
    this.port = port;
  }

  get state(): "opening" | "live" | "ended" {
    return this.#state;
  }

  /** Why it was ended; undefined: it was stopped, or is not over. */
  get endReason(): EndReason | undefined {
    return this.#endReason;
  }

  /** How many events wait, those of a replay left out. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Characters of the events of a replay that were not sent yet. */
  get replayLength(): number {
    return this.#replayLength;
  }

  /**
   * The offset of the first event that was not sent yet. Undefined: all were sent, or it is not
   * known.
   */
  get firstUnsent(): number | undefined {
    const { events, sent } = this.#replay ?? { events: [], sent: 0 };
    return (this.#returned[0] ?? events[sent] ?? this.#waiting[0]?.event)?.offset;
  }

  /** Were events lost that the peer was not told of yet? */
  get hasGap(): boolean {
    const isAfterGap = ({ hasGap }: { readonly hasGap: boolean }) => hasGap;
    return (
      this.#hasGap ||
      this.#owesGap ||
      this.#returned.some(isAfterGap) ||
      this.#waiting.some(isAfterGap)
    );
  }

  /** The response has been sent: events may follow. */
  begin(): void {
    if (this.#lastWord !== undefined) this.port.tellEnd(this.#lastWord);
    if (this.#state === "opening") this.port.began(this);
    if (this.#state !== "opening") return;
    this.#state = "live";
    this.resume();
  }

  /** There is room again, or a session. */
  resume(): void {
    if (!this.#isGoing) return;
    const ending = this.#ending;
    if (ending !== undefined) return this.end(ending.reason, ending.code);
    this.#resumeReturned();
    if (this.#returned.length > 0) return;
    this.#resumeReplay();
    if (this.#replay !== undefined) return;
    this.#resumeWaiting();
  }

  /** Holds back all events, also those that are sent and not written yet, until `proceed`. */
  pause(): void {
    if (this.#state === "ended") return;
    this.#isPaused = true;
    this.#giveBack(this.port.takeBack(this.id));
  }

  /** Goes on after `pause`. */
  proceed(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#tellConfirmed();
    this.resume();
  }

  /** Resolves as soon as it is not paused, or over. */
  async whenConfirmed(): Promise<void> {
    while (this.#isPaused && this.#state !== "ended")
      await new Promise<void>((resolve) => {
        this.#confirmed ??= [];
        this.#confirmed.push(resolve);
      });
  }

  /**
   * Holds back the events that come from now on, until the returned function is called. Those that
   * were sent are not taken back. Calls `ended` if it is over before that.
   */
  hold(ended: () => void): () => void {
    this.#holds ??= new Set();
    this.#holds.add(ended);
    return () => {
      if (this.#holds?.delete(ended)) this.resume();
    };
  }

  /** Takes back events that were sent and not written, in order: they are older than all others. */
  #giveBack(pushes: readonly Push[]): void {
    const events = pushes.filter((push) => push instanceof EventPush);
    if (events.length > 0) this.#returned = [...events, ...this.#returned];
  }

  /** Whether events are held back until `proceed`. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Some of its events were lost: the next one says so. */
  missed(): void {
    this.#hasGap = true;
  }

  /** Events that were sent were lost before they were written: the next one that is sent says so. */
  lost(): void {
    this.#owesGap = true;
  }

  /** An event that was held, as it may be written now; undefined: it may not. */
  released(event: EventPush): EventPush | undefined {
    if (this.mayReceive(event)) return this.#marked(event, event.hasGap);
    this.#owesGap ||= event.hasGap;
    return undefined;
  }

  /** Ends it without a word: the client asked for it, or is gone. */
  stop(ending: SubscriptionEnding = "unsubscribe"): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#waiting = [];
    this.#returned = [];
    this.#endReplay();
    this.#tellConfirmed();
    this.release();
    this.port.ended(this, ending);
    for (const ended of this.#holds ?? []) ended();
  }

  /**
   * Ends it and says why. What may still be seen goes first; `forbidden` and `logout`: nothing may.
   */
  end(reason: EndReason, code?: number): void {
    if (this.#state === "ended") return;
    const mayBeSeen = reason === "completed" || reason === "error";
    if (mayBeSeen && (this.#isPaused || this.port.holds(this.id))) {
      this.#ending = { reason, code };
      return;
    }
    const hasBegun = this.#state === "live";
    this.#endReason = reason;
    if (mayBeSeen) this.#sendWaiting();
    else if (reason !== "slow" || this.#isPaused) this.port.forget(this.id);
    this.stop(reason);
    const lastWord = endPush(this.id, reason, code);
    if (hasBegun) this.port.tellEnd(lastWord);
    else this.#lastWord = lastWord;
  }

  /**
   * Sends what was missed before the subscription began, all of it and before anything else, as
   * room allows.
   */
  protected replay(events: readonly PastEvent[], epoch: string): void {
    if (events.length === 0) return;
    this.#replay = { events, epoch, sent: 0 };
    for (const { data } of events) this.#replayLength += data.length;
  }

  /** Sends an event now, or lets it wait. */
  protected accept(event: EventPush): void {
    if (this.#state === "ended") return;
    const hasGap = this.#hasGap;
    this.#hasGap = false;
    if (
      this.#isGoing &&
      this.#returned.length === 0 &&
      this.#replay === undefined &&
      this.#waiting.length === 0 &&
      !this.port.isHigh()
    ) {
      this.#send(event, hasGap);
      return;
    }
    this.#waiting.push({ event, hasGap });
    if (this.#waiting.length > this.#rule.buffer) this.#overflow();
  }

  /** Whether this subscriber may receive that event now. */
  mayReceive(_event: EventPush): boolean {
    return true;
  }

  /** Lets go of what makes the events. */
  protected abstract release(): void;

  /** May events be sent, if there is room? What asks the application may have changed that. */
  get #isGoing(): boolean {
    return this.#state === "live" && !this.#isPaused && !this.#holds?.size;
  }

  #tellConfirmed(): void {
    const confirmed = this.#confirmed;
    this.#confirmed = undefined;
    for (const tell of confirmed ?? []) tell();
  }

  #resumeReplay(): void {
    for (let replay = this.#replay; replay !== undefined; replay = this.#replay) {
      if (this.port.isHigh() || !this.port.isLive()) return;
      const { data, offset } = replay.events[replay.sent] as PastEvent;
      const event = new EventPush(this.id, data, offset, replay.epoch);
      const mayReceive = this.mayReceive(event);
      if (!this.#isGoing) return;
      this.#replayLength -= data.length;
      replay.sent++;
      if (replay.sent === replay.events.length) this.#endReplay();
      if (mayReceive) this.#send(event, false);
    }
  }

  #endReplay(): void {
    this.#replay = undefined;
    this.#replayLength = 0;
  }

  #sendWaiting(): void {
    for (const event of this.#returned.splice(0))
      this.#sendIf(this.mayReceive(event), event, event.hasGap);
    for (const { event, hasGap } of this.#waiting.splice(0))
      this.#sendIf(this.mayReceive(event), event, hasGap);
  }

  #resumeReturned(): void {
    for (let [event] = this.#returned; event !== undefined; [event] = this.#returned) {
      if (this.port.isHigh()) return;
      const mayReceive = this.mayReceive(event);
      if (!this.#isGoing) return;
      this.#returned.shift();
      this.#sendIf(mayReceive, event, event.hasGap);
    }
  }

  #resumeWaiting(): void {
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      if (this.port.isHigh()) return;
      const mayReceive = this.mayReceive(next.event);
      if (!this.#isGoing) return;
      this.#waiting.shift();
      this.#sendIf(mayReceive, next.event, next.hasGap);
    }
  }

  #send(event: EventPush, hasGap: boolean): void {
    this.port.send(this.#marked(event, hasGap));
  }

  /** The event, which says so if others before it were lost. */
  #marked(event: EventPush, hasGap: boolean): EventPush {
    const isAfterGap = hasGap || this.#owesGap;
    this.#owesGap = false;
    return isAfterGap && !event.hasGap ? afterGap(event) : event;
  }

  #sendIf(mayReceive: boolean, event: EventPush, hasGap: boolean): void {
    if (mayReceive) this.#send(event, hasGap);
    else this.#owesGap ||= hasGap;
  }

  #overflow(): void {
    if (this.#rule.overflow === "end" && this.#state === "live") {
      this.port.tooSlow("ended");
      return this.end("slow");
    }
    const isNewest = this.#rule.overflow === "drop-newest";
    const dropped = isNewest ? this.#waiting.pop() : this.#waiting.shift();
    if (dropped?.hasGap !== true) this.port.tooSlow("gap"); // else the gap has grown
    const next = isNewest ? undefined : this.#waiting[0];
    if (next === undefined) this.#hasGap = true;
    else next.hasGap = true;
  }
}
