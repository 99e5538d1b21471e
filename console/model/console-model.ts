/**
 * What the console does, without its looks: one login at a time, one client of the SDK, and
 * everything that is seen of it.
 */
import {
  type Client,
  type ClientState,
  createClient,
  type StateChange,
} from "../../client/index.js";
import { Calls } from "./call/calls.js";
import { blank, type DeskState, type Entrance, type ExpectedLogin } from "./console-state.js";
import { membersOf, stringIn } from "./message.js";
import * as notices from "./notices.js";
import { methodsIn } from "./open-rpc.js";
import { failureOf, type Outcome, outcomeIn, resultOf } from "./outcome.js";
import type { Place } from "./place.js";
import { Credentials } from "./session/credentials.js";
import { decodedToken } from "./session/decoded-token.js";
import { SessionWatch } from "./session/session-watch.js";
import { TabTokenStorage } from "./session/tab-token-storage.js";
import { createTokenEndpoint, type TokenEndpoint, type Tokens } from "./session/token-endpoint.js";
import { Store } from "./store.js";
import { readingPace } from "./timeline/reading-pace.js";
import { RecordingSockets } from "./timeline/recording-sockets.js";
import { Subscriptions } from "./timeline/subscriptions.js";
import { Timeline } from "./timeline/timeline.js";
import { TimelineReader } from "./timeline/timeline-reader.js";

export class ConsoleModel {
  readonly place: Place;
  readonly state = new Store<DeskState>(blank);
  readonly timeline = new Timeline(readingPace());
  readonly reader = new TimelineReader(this.timeline);
  /** What has just happened, in a few words, for people who don't see the page change. */
  readonly announcement = new Store({ text: "" });
  readonly subscriptions = new Subscriptions(readingPace(), (text) => this.announce(text));
  readonly session = new SessionWatch();
  readonly calls = new Calls((method, params, signal) => this.call(method, params, signal));
  readonly #endpoint: TokenEndpoint | undefined;
  readonly #keeper = TabTokenStorage.isThere ? new TabTokenStorage() : undefined;
  #sockets: RecordingSockets | undefined;
  #credentials: Credentials | undefined;
  #client: Client | undefined;
  #lostAt: number | undefined; // when the network was dropped
  #entrance: Entrance | undefined;
  #login: ExpectedLogin = { username: "", way: "password" };
  /** Whom the timeline is about; null: the token doesn't tell, undefined: nobody. */
  #owner: string | null | undefined;

  constructor(place: Place) {
    this.place = place;
    this.#endpoint =
      place.issuer === null
        ? undefined
        : createTokenEndpoint(place.issuer, (path, status, took) => this.#told(path, status, took));
  }

  /** Can tokens be kept over a reload? */
  get canKeep(): boolean {
    return this.#keeper !== undefined;
  }

  /** Can the session be renewed without pasting another token? */
  get isRenewable(): boolean {
    return this.#credentials?.isRenewable === true;
  }

  /** Can this login be revoked from here? */
  get isRevocable(): boolean {
    return this.#endpoint !== undefined;
  }

  /** Goes on with what a reload of the page left. */
  async resume(): Promise<void> {
    const tokens = await this.#keeper?.resume();
    if (tokens === undefined || this.state.value.view !== "log-in" || this.#client) return;
    this.#start(tokens);
    this.state.patch({ view: "work" });
  }

  /** Throws what the issuer or the server said. */
  async logIn(username: string, password: string, isKept: boolean): Promise<void> {
    if (this.#endpoint === undefined) throw new Error("This server has no logins: paste a token");
    const tokens = await this.#endpoint.logIn(username, password);
    await this.#enter(tokens, isKept, { username, way: "password" });
  }

  /** Begins a session with a pasted token. Throws what the server said to it. */
  async present(access: string, isKept: boolean): Promise<void> {
    const subject = decodedToken(access)?.claims.sub;
    await this.#enter({ access }, isKept, { username: stringIn(subject) ?? "", way: "token" });
  }

  /** Throws what was thrown at the SDK; then nothing has changed. */
  async refresh(pasted?: string): Promise<void> {
    this.release();
    const client = this.#client;
    if (client === undefined) return;
    if (pasted !== undefined) this.#credentials?.paste(pasted);
    if (client.state === "waiting" || client.state === "closed") await client.reconnect();
    else await client.refresh();
  }

  /** No new token from now on: the session expires, and everybody can see what that means. */
  letExpire(): void {
    if (this.#credentials === undefined) return;
    this.#credentials.isHeld = true;
    const left = Math.max(0, (this.session.view.value?.endsAt ?? 0) - performance.now());
    this.timeline.note("auto-refresh paused", "warn");
    this.state.patch({ isHeld: true, notices: notices.held(left) });
  }

  release(): void {
    if (this.#credentials?.isHeld !== true) return;
    this.#credentials.isHeld = false;
    this.timeline.note("auto-refresh resumed");
    this.state.patch({ isHeld: false, notices: notices.released() });
  }

  drop(): void {
    this.#lostAt = performance.now();
    if (this.#sockets?.drop()) this.state.patch({ notices: notices.dropped() });
    else this.#lostAt = undefined;
  }

  /**
   * Has the issuer end this login; the server then closes the socket. Throws when the issuer can't
   * be reached.
   */
  async revoke(): Promise<void> {
    const tokens = this.#credentials?.tokens;
    if (tokens === undefined) return;
    this.state.patch({ notices: notices.revoking() });
    await this.#endpoint?.revoke(tokens.refresh ?? tokens.access);
  }

  /** Ends the login, and forgets everything that was seen of it. */
  async logOut(): Promise<void> {
    const client = this.#client;
    const refreshToken = this.#credentials?.tokens.refresh;
    this.#leave();
    this.#forget();
    this.#login = { username: "", way: "password" };
    this.state.set(blank);
    if (client === undefined) return;
    await client
      .call("logout", refreshToken === undefined ? {} : { refreshToken }, { timeout: 2_000 })
      .catch(() => {}); // it is over either way
    await client.close();
  }

  /** Shows the log-in form after the end of a session; the timeline says why it ended. */
  logInAgain(): void {
    const client = this.#client;
    this.#leave();
    this.state.set({ ...blank, expected: this.#login });
    client?.close().catch(reportError);
  }

  /**
   * Calls a method; never rejects. While an expired session is held back, past the SDK, so that the
   * server's own answer is seen.
   */
  async call(method: string, params: unknown, signal?: AbortSignal): Promise<Outcome> {
    const started = performance.now();
    const took = () => performance.now() - started;
    try {
      if (this.#client === undefined || this.#sockets === undefined)
        throw new Error("Log in first");
      if (this.state.value.isHeld && this.session.view.value?.closesAt !== undefined)
        return outcomeIn(await this.#sockets.ask(method, params, signal), took());
      return resultOf(await this.#client.call(method, params, { signal }), took());
    } catch (error) {
      return failureOf(error, took());
    }
  }

  /** Throws when there are too many. */
  subscribe(name: string, params: unknown): void {
    if (this.#client !== undefined) this.subscriptions.start(this.#client, name, params);
  }

  /** Calls a method; rejects with what the server said. */
  readonly ask = async (method: string, params: object): Promise<unknown> =>
    this.#client?.call(method, params);

  announce(text: string): void {
    this.announcement.set({ text });
  }

  /** Resolves when the server has accepted the token. */
  async #enter(tokens: Tokens, isKept: boolean, login: ExpectedLogin): Promise<void> {
    this.#leave(); // a log-in that is still under way
    this.#start(tokens);
    const client = this.#client;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#entrance = { resolve, reject };
      });
    } catch (error) {
      if (this.#client === client) {
        this.#leave();
        this.state.set({ ...blank, expected: this.state.value.expected });
      }
      client?.close().catch(reportError);
      throw error;
    }
    if (isKept) await this.#keeper?.start(tokens);
    if (this.#client !== client) return; // logged out meanwhile
    if (isKept && this.#credentials) this.#keeper?.update(this.#credentials.tokens);
    this.#login = login;
    this.state.patch({ view: "work" });
  }

  #leave(): void {
    this.#entrance?.reject(new Error("Another login has begun"));
    this.#keeper?.forget();
    this.#client = this.#credentials = this.#entrance = this.#sockets = undefined;
    this.session.forget();
    this.timeline.forgetAsked();
    this.subscriptions.clear();
  }

  #forget(): void {
    this.reader.forget();
    this.calls.clear();
    this.announce("");
    this.#owner = undefined;
  }

  #start(tokens: Tokens): void {
    const { iss, sub } = decodedToken(tokens.access)?.claims ?? {};
    const owner = sub === undefined ? null : JSON.stringify([iss, sub]);
    // what one user did is not for the next
    if (this.#owner !== undefined && (owner === null || this.#owner !== owner)) this.#forget();
    this.#owner = owner;
    const isCurrent = () => this.#credentials === credentials;
    const credentials = new Credentials(tokens, this.#endpoint, (changed) => {
      if (!isCurrent()) return;
      this.#keeper?.update(changed);
      this.state.patch({ token: decodedToken(changed.access) });
    });
    this.#credentials = credentials;
    const sockets = this.#recorded(isCurrent);
    this.#sockets = sockets;
    const client: Client = createClient({
      url: this.place.socket,
      connect: "now",
      token: (request) => credentials.give(request, () => client.session !== null),
      WebSocket: sockets.WebSocket,
      share: false, // a tab shows the life of its own session, and tells no other page its tokens
    });
    this.#client = client;
    client.on("state", (change) => {
      if (this.#client === client) this.#moved(change);
    });
    client.on("auth.expiring", (params) => {
      if (isCurrent() && credentials.isHeld)
        this.state.patch({ notices: notices.expiring(membersOf(params)) });
    });
    client.on("auth.expired", (params) => {
      if (isCurrent()) this.state.patch({ notices: notices.expired(membersOf(params)) });
    });
    this.state.set({
      ...blank,
      expected: this.state.value.expected,
      token: decodedToken(tokens.access),
      methods: methodsIn(undefined, []),
    });
  }

  /**
   * The sockets of one login. After it, what its client still sends and receives until it is closed
   * is not recorded: the next user would see it.
   */
  #recorded(isCurrent: () => boolean): RecordingSockets {
    return new RecordingSockets({
      opening: (url) => isCurrent() && this.timeline.note("socket opening", "plain", url),
      opened: () => isCurrent() && this.timeline.note("socket open", "good"),
      frame: (direction, text) => isCurrent() && this.#frame(direction, text),
      closed: (code, reason, how) => isCurrent() && this.#closed(code, reason, how),
    });
  }

  #moved({ from, to, code, reason, retryIn }: StateChange): void {
    const detail = [
      code,
      reason,
      retryIn === undefined ? undefined : `next attempt in ${Math.round(retryIn)} ms`,
    ];
    this.timeline.note(
      `SDK: ${to}`,
      to === "closed" ? "bad" : "plain",
      detail.filter((part) => part !== undefined).join(" · "),
    );
    this.state.patch({ client: to });
    this.#admit(to);
    if (to === "closed") this.#end(reason ?? "closed");
    if (to === "waiting" && reason === "token_revoked" && code !== 4401)
      return this.#end("token_revoked"); // a new token was refused, too
    // and there was no new one
    if (to === "waiting" && reason === "token_refused") return this.#end("token_refused");
    if (to === "waiting" && reason === "token_revoked")
      this.state.patch({ notices: notices.revoked() });
    if (to === "waiting" && reason === "token_expired")
      this.state.patch({ notices: notices.graceOver() });
    if (to === "ready") this.state.patch({ ended: undefined });
    if (to === "ready" && from !== "refreshing") this.#discover().catch(reportError);
    if (to === "ready" && this.#lostAt !== undefined) {
      this.state.patch({ notices: notices.back(performance.now() - this.#lostAt) });
      this.#lostAt = undefined;
    }
  }

  /** Lets a person in who waits for it, or tells why not. */
  #admit(to: ClientState): void {
    const entrance = this.#entrance;
    if (entrance === undefined || (to !== "ready" && to !== "waiting" && to !== "closed")) return;
    this.#entrance = undefined;
    const { refusal } = this.session;
    if (to === "ready") entrance.resolve();
    else if (refusal !== undefined) entrance.reject(new Error(notices.refused(refusal)));
    else entrance.reject(new Error("Can't reach the server. Is it running?"));
  }

  #end(reason: string): void {
    if (this.state.value.ended !== undefined) return;
    this.#client?.close().catch(reportError);
    this.#keeper?.forget();
    if (this.#credentials) this.#credentials.isHeld = false;
    const { notices: last } = this.state.value;
    const why = last?.title === notices.revoked().title ? "token_revoked" : reason;
    this.state.patch({
      ended: notices.ended(why, this.session.refusal),
      notices: undefined,
      isHeld: false,
    });
  }

  async #discover(): Promise<void> {
    const client = this.#client;
    try {
      const document = await client?.call("rpc.discover", undefined, { idempotent: true });
      if (this.#client !== client) return; // the methods of another login
      this.state.patch({ methods: methodsIn(document, this.state.value.methods) });
    } catch (error) {
      if (this.#client !== client) return;
      this.timeline.note(
        "Couldn't load the method list",
        "warn",
        error instanceof Error ? error.message : String(error),
      );
    }
    this.state.patch({ isDiscovered: true });
  }

  #frame(direction: "out" | "in", text: string): void {
    this.timeline.frame(direction, text);
    this.subscriptions.frame(direction, text);
    if (direction === "out") return this.session.sent(text);
    const before = this.session.view.value;
    this.session.received(text);
    const after = this.session.view.value;
    if (before === null || after === null || before === after || after.closesAt !== undefined)
      return;
    this.state.patch({
      notices: before.closesAt === undefined ? notices.refreshed() : notices.revived(),
    });
    if (before.scopes.join(" ") !== after.scopes.join(" "))
      queueMicrotask(() => this.#discover().catch(reportError));
  }

  #closed(
    code: number,
    reason: string,
    { wasDropped, isLast }: { readonly wasDropped: boolean; readonly isLast: boolean },
  ): void {
    const title = wasDropped ? "network dropped" : `socket closed ${code}`;
    this.timeline.note(title, code === 1000 ? "plain" : "bad", reason);
    if (!isLast) return;
    this.timeline.forgetAsked();
    this.subscriptions.forgetAsked();
    this.session.closed();
  }

  #told(path: string, status: number, took: number): void {
    const answer = status === 0 ? "no answer" : String(status);
    this.timeline.note(
      `POST ${path} → ${answer}`,
      status === 200 ? "plain" : "bad",
      `${Math.round(took)} ms, over HTTP`,
    );
  }
}
