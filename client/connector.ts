import { type Reconnect, reconnectAfterClose } from "../src/protocol/close-codes.js";
import type { ErrorData } from "../src/protocol/error-codes.js";
import { backoff, between } from "./backoff.js";
import type { ClientState, StateChange } from "./client-state.js";
import { type Closing, closingFrom, secondsOf } from "./closing.js";
import { type AnswerHandlers, createControlRequests } from "./control-requests.js";
import { DisconnectedError, errorFrom } from "./errors.js";
import type { ClientSettings } from "./options.js";
import { watchPage } from "./page-watch.js";
import { grantFrom, type Session } from "./session.js";
import { createSessionClock } from "./session-clock.js";
import { openSocket, type Socket } from "./socket.js";
import { createTokenShare } from "./token-share.js";
import { createTokenSource, type TokenReason } from "./token-source.js";

export interface ConnectorEvents {
  ready(): void;
  lost(reason: string, code: number, cause: unknown): void;
  ended(reason: string, code: number, cause: unknown): void;
  answer(message: Readonly<Record<string, unknown>>): void;
  notification(name: string, params: unknown): void;
  /** What was held while the session was expired is lost. */
  gap(): void;
  state(change: StateChange): void;
  clockSkew(skew: number): void;
}

export interface Connector {
  state(): ClientState;
  session(): Session | null;
  /** The subject that signed in last; `null` before, and after the end. */
  subject(): string | null;
  isReady(): boolean;
  send(frame: string): boolean;
  /** A request whose answer is lost with the connection. Gives its id. */
  request(method: string, params: unknown, limit: number, handlers: AnswerHandlers): string;
  want(): void;
  mayRepeat(action: unknown, refusal: unknown): boolean;
  /** An answer has not come in time. Where nothing else comes either, the connection may be dead without a word. */
  doubt(): void;
  ready(): Promise<void>;
  refresh(): Promise<void>;
  reconnect(): Promise<void>;
  close(): Promise<void>;
}

const answerLimit = 10_000; // 10 s to open a socket, and for the answer to an auth method
const pingLimit = 5_000; // 5 s, after waking up
const silence = 10_000; // 10 s without a frame: whether the peer is still there is worth a ping
const stableAfter = 30_000; // 30 s in ready: the next loss is a new one
const tooManyWait = 30_000; // 30 s after a close with 4429 that doesn't say how long
const notableSkew = 30_000; // 30 s
const closeLimit = 2_000; // 2 s for the closing handshake: nobody waits longer for a dead peer
const lostCode = 1006; // RFC 6455 §7.1.5: no close frame was received

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/** Keeps one connection: opens it, authenticates, renews the session, and comes back after a loss. */
export function createConnector(settings: ClientSettings, events: ConnectorEvents): Connector {
  const { clock } = settings;
  const share = settings.share ? createTokenShare(clock, () => renew("refresh")) : undefined;
  const tokens = settings.token && createTokenSource(settings.token, clock, share);
  let state: ClientState = "idle";
  let socket: Socket | undefined;
  let gone: Promise<void> | undefined; // the last socket's end
  let session: Session | null = null;
  let subject: string | null = null;
  let token: string | undefined; // the one in force
  let deadAt = Number.POSITIVE_INFINITY; // when it expires at the latest, by the monotonic clock
  let closing: Closing | undefined; // what the server has told about the socket's end
  let generation = 0; // of the connection: what was begun for an older one is dropped
  let attempt = 0;
  let spread = 0; // seconds over which the server has asked its clients to come back
  let tries = 0; // to renew the session
  let readySince = 0;
  let heardAt = 0; // when something came from the server
  let nextReason: TokenReason = "connect";
  let isUnjudged = false; // the newest token: the server's answer to it was lost, or is to come
  let isRenewing = false;
  let isWaking = false;
  let isPinging = false;
  let mayHurry = false; // nobody has said when to try again
  let mayReuseToken = false; // the page itself gave the connection back: its token is as good as before
  let isTokenless = false; // it is token() that has failed: for want of a network, maybe
  let unwatch: (() => void) | undefined;
  let over: DisconnectedError | undefined;
  let cancelTimer = () => {}; // for the socket to open, or until the next try: never both
  const readyWaiters: Waiter[] = [];
  const refreshWaiters: Waiter[] = [];

  const later = (delay: number, callback: () => void) => {
    cancelTimer();
    cancelTimer = clock.after(delay, callback);
  };

  const move = (to: ClientState, detail: { code?: number; reason?: string; retryIn?: number; cause?: unknown } = {}) => {
    if (state === to) return;
    const { code, reason, retryIn, cause } = detail;
    const change = { from: state, to, code, reason, attempt, retryIn, cause };
    state = to;
    queueMicrotask(() => events.state(change)); // a listener may close the client, but not in the middle of a step
  };

  const requests = createControlRequests(
    clock,
    (frame) => socket?.send(frame),
    () => lost(lostCode, "no_answer"),
  );

  const pinged = () => {
    isPinging = false;
  };

  const ping = () => {
    if (!isPinging) requests.send("ping", undefined, pingLimit, { result: pinged, error: pinged });
    isPinging = true;
  };

  const sessionClock = createSessionClock(
    clock,
    () => renew("refresh"),
    (isDue) => {
      isWaking = isDue && session !== null;
      if (isWaking) renew("refresh");
      else ping();
    },
  );

  const wake = (isOnline?: boolean) => {
    if (state === "waiting" && (mayHurry || (isOnline && isTokenless))) connect();
    else sessionClock.check(true);
  };

  const drop = () => {
    const closed = socket;
    generation++;
    socket = closing = undefined;
    session = null;
    isRenewing = isWaking = isPinging = mayHurry = isTokenless = false;
    cancelTimer();
    sessionClock.stop();
    requests.clear();
    if (closed === undefined) return;
    gone = new Promise((resolve) => {
      const cancel = clock.after(closeLimit, resolve);
      closed.close(() => {
        cancel();
        resolve();
      });
    });
  };

  const stopped = (reason: string) => {
    if (state === "waiting") return; // there is no socket, and a time that the server named still holds
    if (session) mayReuseToken = true;
    drop();
    mayHurry = true; // when the page goes on
    move("waiting", { reason });
    events.lost(reason, lostCode, undefined);
  };

  const connect = () => {
    generation++;
    unwatch ??= watchPage(wake, stopped);
    cancelTimer();
    move("connecting");
    if (!tokens) return open(undefined);
    if (token !== undefined) {
      const inForce = token;
      if (clock.monotonic() >= deadAt) {
        tokens.bury(inForce);
        if (!isUnjudged) nextReason = "expired";
      } else if (mayReuseToken && nextReason === "connect") return open(() => present(inForce, "connect"));
    }
    void login(nextReason);
  };

  /** Gets a token and presents it. */
  const login = async (reason: TokenReason): Promise<void> => {
    if (!tokens) return;
    const mine = generation;
    isRenewing = true;
    const given = await tokens.get(reason, reason !== "connect");
    if (mine !== generation) return;
    if (given.is === "stop") return end(given.reason, given.cause);
    if (given.is === "failed") {
      retry(given.error, "token_unavailable");
      isTokenless = true;
      return;
    }
    isUnjudged = true;
    if (socket) present(given.token, reason);
    else open(() => present(given.token, reason));
  };

  const open = (opened: (() => void) | undefined) => {
    later(answerLimit, () => lost(lostCode, "connect_timeout"));
    try {
      socket = openSocket(settings.WebSocket, settings.url(), {
        opened() {
          cancelTimer();
          if (opened) return opened();
          sessionClock.start(Number.POSITIVE_INFINITY);
          becomeReady();
        },
        received: receive,
        closed(code, reason, cause) {
          socket = undefined;
          lost(code, reason, cause);
        },
      });
    } catch (error) {
      end("invalid_url", error); // what the constructor throws for; another attempt would get it again
    }
  };

  const present = (given: string, reason: TokenReason) => {
    if (!session) move("authenticating");
    requests.send(session ? "refresh" : "authenticate", { token: given }, answerLimit, {
      result: (result) => accept(given, result),
      error: (error) => refuse(given, reason, error),
    });
  };

  const accept = (given: string, result: unknown) => {
    const grant = grantFrom(result, clock.now());
    if (!grant) return retry(new Error("The answer to an auth method is no session"), "invalid_answer");
    ({ session } = grant);
    ({ subject } = session);
    token = given;
    isUnjudged = mayReuseToken = false;
    deadAt = clock.monotonic() + grant.expiresIn;
    nextReason = "connect";
    tries = 0;
    isRenewing = false;
    sessionClock.start(grant.refreshIn);
    if (Math.abs(grant.skew) > notableSkew) queueMicrotask(() => events.clockSkew(grant.skew));
    for (const waiter of refreshWaiters.splice(0)) waiter.resolve();
    if (isWaking) ping();
    isWaking = false;
    if (grant.gap) events.gap();
    becomeReady();
  };

  const refuse = (given: string, reason: TokenReason, error: unknown) => {
    const failure = errorFrom(error);
    isUnjudged = false;
    const { action, reason: why = failure.type, retryAfter } = Object(failure.data) as Partial<ErrorData>;
    if (action === "stop") return end(why, failure);
    if (action === "authenticate" && session) {
      session = null; // the server has lost it
      return present(given, reason);
    }
    if (action !== "newToken" && action !== "refresh") return retry(failure, why, retryAfter);
    tokens?.bury(given, failure);
    nextReason = "refused";
    if (reason === "refused") return retry(failure, why, retryAfter);
    void login("refused");
  };

  /** A temporary failure to get a session: a live one is untouched. */
  const retry = (error: unknown, reason: string, advice?: unknown) => {
    const retryAfter = secondsOf(advice) ?? 0;
    for (const waiter of refreshWaiters.splice(0)) waiter.reject(error);
    if (!session) return wait(retryAfter * 1_000, lostCode, reason, error);
    isRenewing = false;
    const delay = Math.max(backoff(++tries, settings.backoff, settings.random()), retryAfter * 1_000);
    later(delay, () => renew(state === "refreshing" ? "expired" : "refresh"));
    if (isWaking) ping();
    isWaking = false;
  };

  const renew = (reason: TokenReason) => {
    if (!session || isRenewing) return;
    cancelTimer();
    void login(nextReason === "connect" ? reason : nextReason);
  };

  const expire = () => {
    if (state === "ready") move("refreshing");
    renew("expired");
  };

  const becomeReady = () => {
    if (state !== "ready" && state !== "refreshing") readySince = clock.monotonic();
    spread = 0;
    move("ready");
    for (const waiter of readyWaiters.splice(0)) waiter.resolve();
    events.ready();
  };

  const wait = (least: number, code: number, reason: string, cause: unknown, told?: Closing) => {
    drop();
    attempt++;
    const jitter = backoff(attempt, settings.backoff, settings.random());
    const [soonest, latest] = told?.after ?? [0, spread]; // who finds nobody there spreads again: else all come when the server is back
    spread = latest - soonest;
    const advised = between(soonest, latest, settings.random()) * 1_000;
    const retryIn = Math.max(attempt > 1 || !told?.after ? advised + jitter : advised, least);
    later(retryIn, connect);
    move("waiting", { code, reason, retryIn, cause });
    events.lost(reason, code, cause);
  };

  /** The socket is closed, or as good as. */
  const lost = (closeCode: number, closeReason: string, cause?: unknown) => {
    const told = closing;
    const { code, reason } = told ?? { code: closeCode, reason: closeReason || "connection_lost" };
    const rule: Reconnect = told?.reconnect ?? reconnectAfterClose(code);
    if ((state === "ready" || state === "refreshing") && clock.monotonic() - readySince >= stableAfter) attempt = 0;
    if (rule === "no") return end(reason, cause, code);
    if (rule === "new_token" && tokens) {
      nextReason = reason === "token_revoked" ? "refused" : "expired";
      if (token !== undefined) tokens.bury(token, new DisconnectedError("no", reason, code));
    }
    wait(code === 4429 && !told?.after ? tooManyWait : 0, code, reason, cause, told);
    mayHurry = code !== 4429 && !told?.after;
  };

  const end = (reason: string, cause?: unknown, code = 1000) => {
    drop();
    unwatch?.();
    unwatch = undefined;
    tokens?.cancel();
    subject = null;
    over = new DisconnectedError("no", reason, code, cause);
    for (const waiter of [...readyWaiters.splice(0), ...refreshWaiters.splice(0)]) waiter.reject(over);
    events.ended(reason, code, cause);
    move("closed", { code, reason, cause });
  };

  const receive = (text: string) => {
    heardAt = clock.monotonic();
    let frame: unknown;
    try {
      frame = JSON.parse(text);
    } catch {
      return; // not of this protocol; the calls it may have been for have their deadlines
    }
    if (Array.isArray(frame)) frame.forEach(take);
    else take(frame);
  };

  const take = (value: unknown) => {
    if (typeof value !== "object" || value === null) return;
    const message = value as Readonly<Record<string, unknown>>;
    if (typeof message.method === "string") {
      if (message.id === undefined) notice(message.method, message.params);
    } else if (typeof message.id !== "string") events.answer(message);
    else requests.answer(message);
  };

  const notice = (name: string, params: unknown) => {
    if (name === "connection.closing") closing = closingFrom(params);
    else if (name === "auth.expiring" || name === "auth.refreshRequired") renew("refresh");
    else if (name === "auth.expired") {
      if (tokens && token !== undefined) tokens.bury(token);
      expire();
    }
    events.notification(name, params);
  };

  const want = () => {
    if (over) throw over;
    if (state === "idle") connect();
  };

  const ready = () =>
    new Promise<void>((resolve, reject) => {
      want();
      if (state === "ready") resolve();
      else readyWaiters.push({ resolve, reject });
    });

  return {
    state: () => state,
    session: () => session,
    subject: () => subject,
    isReady: () => state === "ready" && !closing,
    send: (frame) => socket?.send(frame) ?? false,
    request: requests.send,
    want,
    ready,
    mayRepeat(action, refusal) {
      if (action === "retry") return closing !== undefined; // draining: the next connection takes it
      if (!session || (action !== "authenticate" && action !== "refresh" && action !== "newToken")) return false;
      if (action !== "authenticate" && token !== undefined) tokens?.bury(token, refusal);
      expire();
      return true;
    },
    doubt() {
      if (state === "ready" && clock.monotonic() - heardAt >= silence) ping();
    },
    refresh: () =>
      new Promise((resolve, reject) => {
        want();
        if (!tokens) throw new TypeError("This client has no token() to refresh from");
        refreshWaiters.push({ resolve, reject });
        renew("refresh");
      }),
    reconnect() {
      if (state !== "closed") {
        drop();
        events.lost("reconnect", 1000, undefined);
      }
      tokens?.cancel();
      over = undefined;
      attempt = 0;
      mayReuseToken = false;
      connect();
      return ready();
    },
    async close() {
      if (state !== "closed") end("bye");
      await gone;
    },
  };
}
