import { reconnectAfterClose } from "../../src/protocol/close-codes.js";
import { DisconnectedError, type Disconnection, type UpgradeRefusedError } from "../errors.js";
import type { ClientSettings } from "../options.js";
import {
  type Hasten,
  hastenedBy,
  type RenewalPort,
  SessionRenewal,
} from "../session/session-renewal.js";
import { between, delayOf } from "../transport/backoff.js";
import type { ClientClock } from "../transport/clock.js";
import { adviceOf, type Closing, closingFrom } from "../transport/closing.js";
import { type Answered, frameOf } from "../transport/frame.js";
import { watchPage } from "../transport/page-watch.js";
import { pause } from "../transport/pause.js";
import { askWhy } from "../transport/refusal.js";
import { openSocket, type Socket } from "../transport/socket.js";
import type { ClientState, StateChange } from "./client-state.js";
import { join, rejected, resolved, settle, type Waiters } from "./waiters.js";

export interface ConnectionEvents {
  ready(): void;
  /** The connection is gone. `isOver`: there won't be another one. */
  lost(isOver: boolean, ...why: Disconnection): void;
  answer(message: Readonly<Record<string, unknown>>): void;
  notification(name: string, params: unknown): void;
  /** The server dropped pushes while the session was expired. */
  gap(): void;
  /** A frame was taken as a whole. */
  received(): void;
  /** Tells the application's listeners. */
  emit(name: "state", change: StateChange): void;
  emit(name: "clockSkew", event: { readonly skew: number }): void;
}

/**
 * ```
 *        connect()              socket made, opened            closing told
 *   idle ─────────► connecting ─────────────────────► open ─────────────────► open, draining
 *                    ▲  │    ▲                         │                        │
 *          retryIn   │  │    └───── reconnect() ───────┤                        │
 *          is over   │  ▼                              │ lost                   │ closed, or closeIn is over
 *                   waiting ◄──────────────────────────┴────────────────────────┘
 *   closed: from any state, by close(), sign-out, or a close code that forbids to come back; left by reconnect()
 * ```
 * In `open` the session decides between `authenticating`, `ready` and `refreshing`. Whoever waits
 * compares the state object with that of before.
 */
type State =
  | {
      readonly is: "idle" | "closed";
      readonly socket?: undefined;
      readonly closing?: undefined;
      readonly error?: DisconnectedError;
    }
  /** Without a socket: the session gets a token, or the application the URL. */
  | { readonly is: "connecting"; readonly socket?: Socket; readonly closing?: undefined }
  | { readonly is: "open"; readonly socket: Socket; readonly closing?: Closing | undefined }
  /**
   * `hasten`: what lets it try at once: `wake`, when nobody has said when to; `online`, when
   * `token()` has failed, for want of a network maybe.
   */
  | {
      readonly is: "waiting";
      readonly socket?: undefined;
      readonly closing?: undefined;
      readonly hasten: Hasten;
    };

type Detail = Partial<Pick<StateChange, "code" | "reason" | "retryIn" | "cause">>;

const openLimit = 10_000; // 10 s to open a socket
const whyLimit = 3_000; // 3 s to ask why the server refused the handshake
const answerLimit = 10_000; // 10 s for the answer to an auth method
const pingLimit = 5_000; // 5 s for anything to come after a ping
// 5 s without a frame, while an answer is awaited: whether the peer is still there is worth a ping
const silence = 5_000;
const stableAfter = 30_000; // 30 s that a socket was open: the next loss is a new one
const wellAfter = 1_000; // 1 s, if it was the session's end: the server is well
// 30 s after a close with 4429 that doesn't say how long
const tooManyWait = [30_000, 30_000] as const;
const closeLimit = 2_000; // 2 s for the closing handshake: nobody waits longer for a dead peer
const lostCode = 1006; // RFC 6455 §7.1.5: no close frame was received

/** Keeps one connection: opens it, has it authenticated, and opens another one after a loss. */
export class Connection implements RenewalPort {
  readonly #settings: ClientSettings;
  readonly #clock: ClientClock;
  readonly #events: ConnectionEvents;
  readonly renewal: SessionRenewal;
  #state: State = { is: "idle" };
  #told: ClientState = "idle";
  #gone: Promise<void> | undefined; // the last socket's end
  #attempt = 0;
  #spread = 0; // milliseconds over which the server has asked its clients to come back
  #openedAt = 0;
  #heardAt = 0; // when something came from the server
  // why the server refuses the handshake; `undefined` until it was asked in this outage
  #refusal: UpgradeRefusedError | null | undefined;
  #answered: Answered = () => {}; // the auth method that waits for its answer
  #authCount = 0;
  readonly #readyWaiters: Waiters = [];
  // of the state: for the socket to open or to be closed, or until the next try
  #cancelTimer = () => {};
  #cancelAuth = () => {};
  #cancelPing: (() => void) | undefined; // until anything comes after a ping
  #unwatch = () => {};

  constructor(settings: ClientSettings, events: ConnectionEvents) {
    this.#settings = settings;
    this.#clock = settings.clock;
    this.#events = events;
    this.renewal = new SessionRenewal(settings, events, this);
  }

  state(): ClientState {
    return this.#state.is === "open" ? this.renewal.state() : this.#state.is;
  }

  isReady(): boolean {
    return this.#told === "ready" && !this.#state.closing;
  }

  /** `false`: the socket isn't open, and nothing was sent. */
  send(frame: string): boolean {
    return this.#state.socket?.send(frame) ?? false;
  }

  /** Connects, if nothing has yet. Throws a `DisconnectedError` if the client is closed. */
  ensureConnecting(): void {
    if (this.#state.is === "closed") throw this.#state.error;
    if (this.renewal.isAsking() && this.#told !== "ready")
      throw new TypeError("token() waits for its own client");
    if (this.#state.is === "idle") this.#connect();
  }

  /** An answer is overdue: pings, if nothing else has come for a while. */
  probe(): void {
    if (this.#clock.monotonic() - this.#heardAt >= silence) this.ping();
  }

  readonly ready = async (): Promise<void> => {
    this.ensureConnecting();
    if (this.#told !== "ready") await join(this.#readyWaiters);
  };

  readonly refresh = async (): Promise<void> => {
    this.ensureConnecting();
    await this.renewal.refresh();
  };

  /**
   * Time may have passed unseen, and the network may be another one (`isOnline`): tries at once, or
   * makes sure of the session and of the connection.
   */
  readonly resume = (isOnline?: boolean): void => {
    if (
      this.#state.is === "waiting" &&
      this.#state.hasten > (isOnline ? hastenedBy.nothing : hastenedBy.network)
    )
      this.#connect();
    else this.renewal.check();
  };

  readonly reconnect = (): Promise<void> => {
    if (this.#state.is !== "closed") this.#leave({ is: "idle" }, 1000, "reconnect");
    this.renewal.signOut();
    this.#attempt = 0;
    this.#refusal = undefined;
    this.#connect();
    return this.ready();
  };

  async close(): Promise<void> {
    if (this.#state.is !== "closed") this.end("bye");
    await this.#gone;
  }

  report(detail?: Detail): void {
    const from = this.#told;
    this.#told = this.state();
    if (this.#told !== from)
      this.#events.emit("state", {
        from,
        to: this.#told,
        attempt: this.#attempt,
        ...detail, // what isn't there is undefined all the same
      } as StateChange);
    if (this.#told !== "ready") return;
    this.#spread = 0;
    this.#refusal = undefined;
    settle(this.#readyWaiters, resolved);
  }

  ping(): void {
    if (this.#state.is !== "open" || this.#cancelPing) return;
    this.#cancelPing = this.#clock.after(pingLimit, () => this.#lost("no_answer"));
    this.send(frameOf("ping", undefined, "ping"));
  }

  sendAuth(method: string, params: unknown, answered: Answered): void {
    this.#answered = answered;
    this.#cancelAuth(); // of one that a `step_up` was quicker than
    this.#cancelAuth = this.#clock.after(answerLimit, () => this.#lost("no_answer"));
    // a string: the ids of calls are numbers
    this.send(frameOf(method, params, `${++this.#authCount}`));
  }

  async open(then: () => void): Promise<void> {
    if (this.#state.is === "open") return then();
    const before = this.#state;
    this.#later(openLimit, () => this.#lost("connect_timeout"));
    let url: string;
    try {
      url = await this.#settings.url();
      if (this.#state !== before) return;
    } catch (error) {
      if (this.#state === before) this.wait("url_unavailable", error, hastenedBy.network);
      return;
    }
    try {
      const socket = openSocket(this.#settings.WebSocket, url, {
        opened: () => {
          this.#cancelTimer();
          this.#openedAt = this.#clock.monotonic();
          this.#transition({ is: "open", socket });
          then();
        },
        received: this.#receive,
        closed: async (code, reason, cause) => {
          const before = this.#state;
          // the platform's own sockets don't say why; others tell a cause, if they know any
          if (before.is === "connecting" && !cause) {
            if (this.#refusal === undefined && this.#settings.WebSocket === globalThis.WebSocket) {
              this.#refusal = null;
              this.#later(whyLimit, () => this.#lost(reason, code));
              const refusal = await askWhy(url, whyLimit);
              if (this.#state !== before) return;
              this.#refusal = refusal;
            }
            if (this.#refusal) return this.#lost(this.#refusal.code, code, this.#refusal);
          }
          this.#lost(reason, code, cause);
        },
      });
      this.#transition({ is: "connecting", socket });
    } catch (error) {
      // what the constructor throws for; another attempt would get it again
      this.end("invalid_url", error);
    }
  }

  wait(
    reason: string,
    cause: unknown,
    hasten: Hasten = hastenedBy.nothing,
    retryAfter?: unknown,
    code = lostCode,
    advice?: readonly [number, number],
  ): void {
    this.#attempt++;
    // who finds nobody there spreads again: else all come when the server is back
    const [soonest, latest] = advice ?? [0, this.#spread];
    this.#spread = latest - soonest;
    const advised = between(soonest, latest, this.#settings.random());
    const jitter = this.#attempt > 1 || !advice ? delayOf(this.#attempt, this.#settings) : 0;
    const retryIn = Math.max(advised + jitter, adviceOf(retryAfter) || 0);
    this.#leave({ is: "waiting", hasten }, code, reason, cause, retryIn);
    this.#later(retryIn, this.#connect);
  }

  end(reason: string, cause?: unknown, code = 1000): void {
    const error = new DisconnectedError("no", reason, code, cause);
    this.#leave({ is: "closed", error }, code, reason, cause);
    this.#unwatch();
    this.renewal.signOut();
    settle(this.#readyWaiters, rejected, error);
  }

  /**
   * The only writer of the state. One without a socket leaves nothing of the last socket behind.
   */
  #transition(next: State, detail?: Detail): void {
    const { socket } = this.#state;
    this.#state = next;
    if (!next.socket) {
      this.#cancelTimer();
      this.#cancelAuth();
      this.#heard();
      this.renewal.reset();
      if (socket) {
        this.#gone = pause(this.#clock, closeLimit, undefined, new Promise<void>(socket.close));
      }
    }
    this.report(detail);
  }

  /** Goes on without a socket, and tells those whose answers are lost. */
  #leave(next: State, code: number, reason: string, cause?: unknown, retryIn?: number): void {
    this.#transition(next, { code, reason, cause, retryIn });
    this.renewal.lost(new DisconnectedError("maybe", reason, code, cause));
    this.#events.lost(next.is === "closed", reason, code, cause);
  }

  #later(delay: number, callback: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(delay, callback);
  }

  readonly #connect = (): void => {
    this.#unwatch();
    this.#unwatch = watchPage(this.resume, (reason) => {
      // there is no socket, and a time that the server named still holds
      if (this.#state.is === "waiting") return;
      this.renewal.keepToken();
      this.#leave({ is: "waiting", hasten: hastenedBy.waking }, lostCode, reason);
    });
    this.#transition({ is: "connecting" });
    this.renewal.begin();
  };

  /** The socket is closed, or as good as. */
  #lost(closeReason: string, closeCode = lostCode, cause?: unknown): void {
    const {
      code = closeCode,
      reason = closeReason || "connection_lost",
      reconnect = reconnectAfterClose(code),
      after = code === 4429 ? tooManyWait : undefined,
    } = Object(this.#state.closing) as Partial<Closing>;
    const enough = reconnect === "new_token" ? wellAfter : stableAfter;
    if (this.#state.is === "open" && this.#clock.monotonic() - this.#openedAt >= enough)
      this.#attempt = 0;
    if (reconnect === "no") return this.end(reason, cause, code);
    if (reconnect === "new_token")
      this.renewal.invalidate(
        reason === "token_revoked" ? "refused" : "expired",
        new DisconnectedError("no", reason, code),
      );
    this.wait(reason, cause, after ? undefined : hastenedBy.waking, undefined, code, after);
  }

  /** Something has come from the server. */
  #heard(): void {
    this.#cancelPing?.();
    this.#cancelPing = undefined;
  }

  readonly #receive = (text: string): void => {
    if (text.length > this.#settings.maxFrameBytes) return this.#lost("frame_too_large");
    this.#heardAt = this.#clock.monotonic();
    this.#heard();
    let frame: unknown;
    try {
      frame = JSON.parse(text);
    } catch {
      return; // not of this protocol; the calls it may have been for have their deadlines
    }
    for (const value of [frame].flat()) this.#take(Object(value)); // a batch, or one
    this.#events.received();
  };

  #take(message: Readonly<Record<string, unknown>>): void {
    const { method, id, params, error, result } = message;
    if (typeof method === "string") {
      if (id === undefined) this.#notice(method, params);
    } else if (typeof id !== "string") this.#events.answer(message);
    else if (id === `${this.#authCount}`) {
      this.#cancelAuth();
      this.#authCount++; // no second answer counts
      this.#answered(error, result);
    }
  }

  #notice(name: string, params: unknown): void {
    if (name === "connection.closing") {
      const closing = closingFrom(params);
      this.#transition({ ...this.#state, closing } as State); // it is open
      // it has not come
      if (closing) this.#later(closing.closeIn + closeLimit, () => this.#lost(""));
    }
    this.renewal.notice(name);
    this.#events.notification(name, params);
  }
}
