import { type Reconnect, reconnectAfterClose } from "../../src/protocol/close-codes.js";
import { DisconnectedError, type Disconnection } from "../errors.js";
import type { ClientSettings } from "../options.js";
import type { ClientLimits, Session } from "../session/session.js";
import {
  createSessionRenewal,
  type Hasten,
  type RenewalPort,
  type SessionRenewal,
} from "../session/session-renewal.js";
import { backoff, between } from "../transport/backoff.js";
import { type Closing, closingFrom } from "../transport/closing.js";
import { watchPage } from "../transport/page-watch.js";
import { openSocket, type Socket } from "../transport/socket.js";
import type { ClientState, StateChange } from "./client-state.js";
import { createControlRequests } from "./control-requests.js";
import { dismiss, join, release, type Waiters } from "./waiters.js";

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

export interface Connection {
  state(): ClientState;
  signedIn(): Session | null;
  /** The subject that signed in last; `null` before anybody did, and after the end. */
  owner(): string | null;
  allowed(): ClientLimits;
  isReady(): boolean;
  /** `false`: the socket isn't open, and nothing was sent. */
  send(frame: string): boolean;
  /** Connects, if nothing has yet. Throws a `DisconnectedError` if the client is closed. */
  ensureConnecting(): void;
  /**
   * Whether a call that was refused before it ran may be sent again; then the connection becomes
   * ready once more.
   */
  mayRepeat(action: unknown, refusal: unknown): boolean;
  /** An answer is overdue: pings, if nothing else has come for a while. */
  probe(): void;
  ready(): Promise<void>;
  refresh(): Promise<void>;
  reconnect(): Promise<void>;
  close(): Promise<void>;
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
      readonly hasten: Hasten | undefined;
    };

interface Detail {
  readonly code?: number;
  readonly reason?: string;
  readonly retryIn?: number | undefined;
  readonly cause?: unknown;
}

const openLimit = 10_000; // 10 s to open a socket
const pingLimit = 5_000; // 5 s for the answer to a ping
// 5 s without a frame, while an answer is awaited: whether the peer is still there is worth a ping
const silence = 5_000;
const stableAfter = 30_000; // 30 s in ready: the next loss is a new one
const tooManyWait = 30_000; // 30 s after a close with 4429 that doesn't say how long
const closeLimit = 2_000; // 2 s for the closing handshake: nobody waits longer for a dead peer
const lostCode = 1006; // RFC 6455 §7.1.5: no close frame was received

/** Keeps one connection: opens it, has it authenticated, and opens another one after a loss. */
export function createConnection(settings: ClientSettings, events: ConnectionEvents): Connection {
  const { clock } = settings;
  let state: State = { is: "idle" };
  let told: ClientState = "idle";
  let gone: Promise<void> | undefined; // the last socket's end
  let attempt = 0;
  let spread = 0; // milliseconds over which the server has asked its clients to come back
  let openedAt = 0;
  let heardAt = 0; // when something came from the server
  let isPinging = false; // and nothing has come since
  let unwatch = () => {};
  const readyWaiters: Waiters = [];
  // of the state: for the socket to open or to be closed, or until the next try
  let cancelTimer = () => {};

  const stateNow = (): ClientState => (state.is === "open" ? renewal.state() : state.is);

  const report = ({ code, reason, retryIn, cause }: Detail = {}) => {
    const from = told;
    told = stateNow();
    if (told !== from)
      events.emit("state", { from, to: told, code, reason, attempt, retryIn, cause });
    if (told !== "ready") return;
    spread = 0;
    release(readyWaiters);
  };

  /**
   * The only writer of the state. One without a socket leaves nothing of the last socket behind.
   */
  const transition = (next: State, detail?: Detail) => {
    const { socket } = state;
    state = next;
    if (!next.socket) {
      isPinging = false;
      cancelTimer();
      requests.forgetAll();
      renewal.reset();
      if (socket) {
        gone = new Promise((resolve) => {
          const cancel = clock.after(closeLimit, resolve);
          socket.close(() => {
            cancel();
            resolve();
          });
        });
      }
    }
    report(detail);
  };

  /** Goes on without a socket, and tells those whose answers are lost. */
  const leave = (next: State, code: number, reason: string, cause?: unknown, retryIn?: number) => {
    transition(next, { code, reason, cause, retryIn });
    renewal.lost(new DisconnectedError("maybe", reason, code, cause));
    events.lost(next.is === "closed", reason, code, cause);
  };

  const later = (delay: number, callback: () => void) => {
    cancelTimer();
    cancelTimer = clock.after(delay, callback);
  };

  const send = (frame: string) => state.socket?.send(frame) ?? false;

  const requests = createControlRequests(clock, send, () => lost(lostCode, "no_answer"));

  const ping = () => {
    if (state.is !== "open" || isPinging) return;
    isPinging = true;
    requests.send("ping", undefined, pingLimit);
  };

  const wake = (isOnline?: boolean) => {
    if (state.is === "waiting" && (state.hasten === "wake" || (isOnline && state.hasten)))
      connect();
    else renewal.check();
  };

  const stopped = (reason: string) => {
    // there is no socket, and a time that the server named still holds
    if (state.is === "waiting") return;
    renewal.keepToken();
    leave({ is: "waiting", hasten: "wake" }, lostCode, reason);
  };

  const connect = () => {
    unwatch();
    unwatch = watchPage(wake, stopped);
    transition({ is: "connecting" });
    renewal.begin();
  };

  const open = async (then: () => void) => {
    if (state.is === "open") return then();
    const before = state;
    later(openLimit, () => lost(lostCode, "connect_timeout"));
    let url: string;
    try {
      url = await settings.url();
      if (state !== before) return;
    } catch (error) {
      if (state === before) wait("url_unavailable", error, 0, "online");
      return;
    }
    try {
      const socket = openSocket(settings.WebSocket, url, {
        opened() {
          cancelTimer();
          openedAt = clock.monotonic();
          transition({ is: "open", socket });
          then();
        },
        received: receive,
        closed: lost,
      });
      transition({ is: "connecting", socket });
    } catch (error) {
      // what the constructor throws for; another attempt would get it again
      end("invalid_url", error);
    }
  };

  const wait: RenewalPort["wait"] = (
    reason,
    cause,
    least,
    hasten,
    code = lostCode,
    advice = undefined,
  ) => {
    attempt++;
    // who finds nobody there spreads again: else all come when the server is back
    const [soonest, latest] = advice ?? [0, spread];
    spread = latest - soonest;
    const advised = between(soonest, latest, settings.random());
    const jitter =
      attempt > 1 || !advice ? backoff(attempt, settings.backoff, settings.random()) : 0;
    const retryIn = Math.max(advised + jitter, least);
    leave({ is: "waiting", hasten }, code, reason, cause, retryIn);
    later(retryIn, connect);
  };

  /** The socket is closed, or as good as. */
  const lost = (closeCode: number, closeReason: string, cause?: unknown) => {
    const { closing } = state;
    const { code = closeCode, reason = closeReason || "connection_lost", after } = closing ?? {};
    const rule: Reconnect = closing?.reconnect ?? reconnectAfterClose(code);
    if ((told === "ready" || told === "refreshing") && clock.monotonic() - openedAt >= stableAfter)
      attempt = 0;
    if (rule === "no") return end(reason, cause, code);
    if (rule === "new_token")
      renewal.invalidate(
        reason === "token_revoked" ? "refused" : "expired",
        new DisconnectedError("no", reason, code),
      );
    const isAdvised = after || code === 4429;
    wait(
      reason,
      cause,
      isAdvised && !after ? tooManyWait : 0,
      isAdvised ? undefined : "wake",
      code,
      after,
    );
  };

  const end = (reason: string, cause?: unknown, code = 1000) => {
    const error = new DisconnectedError("no", reason, code, cause);
    leave({ is: "closed", error }, code, reason, cause);
    unwatch();
    renewal.signOut();
    dismiss(readyWaiters, error);
  };

  const renewal: SessionRenewal = createSessionRenewal(settings, events, {
    open,
    request: requests.send,
    ping,
    wait,
    end,
    report,
  });

  const receive = (text: string) => {
    if (text.length > settings.maxFrameBytes) return lost(lostCode, "frame_too_large");
    heardAt = clock.monotonic();
    isPinging = false;
    let frame: unknown;
    try {
      frame = JSON.parse(text);
    } catch {
      return; // not of this protocol; the calls it may have been for have their deadlines
    }
    if (Array.isArray(frame)) frame.forEach(take);
    else take(frame);
    events.received();
  };

  const take = (value: unknown) => {
    const message: Readonly<Record<string, unknown>> = Object(value);
    const { method, id, params } = message;
    if (typeof method === "string") {
      if (id === undefined) notice(method, params);
    } else if (typeof id === "string") requests.answer(message);
    else events.answer(message);
  };

  const notice = (name: string, params: unknown) => {
    if (name === "connection.closing" && state.is === "open") {
      const closing = closingFrom(params);
      transition({ ...state, closing });
      // it has not come
      if (closing) later(closing.closeIn + closeLimit, () => lost(lostCode, ""));
    }
    renewal.notice(name);
    events.notification(name, params);
  };

  const ensureConnecting = () => {
    if (state.is === "closed") throw state.error;
    if (renewal.isAsking() && told !== "ready")
      throw new TypeError("token() waits for its own client");
    if (state.is === "idle") connect();
  };

  const ready = async () => {
    ensureConnecting();
    if (told !== "ready") await join(readyWaiters);
  };

  return {
    state: stateNow,
    signedIn: renewal.signedIn,
    owner: renewal.owner,
    allowed: renewal.allowed,
    isReady: () => told === "ready" && !state.closing,
    send,
    ensureConnecting,
    mayRepeat: renewal.mayRepeat,
    probe() {
      if (clock.monotonic() - heardAt >= silence) ping();
    },
    ready,
    async refresh() {
      ensureConnecting();
      await renewal.refresh();
    },
    reconnect() {
      if (state.is !== "closed") leave({ is: "idle" }, 1000, "reconnect");
      renewal.signOut();
      attempt = 0;
      connect();
      return ready();
    },
    async close() {
      if (state.is !== "closed") end("bye");
      await gone;
    },
  };
}
