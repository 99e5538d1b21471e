import { type ErrorObject, standardError } from "../../src/protocol/error-codes.js";
import {
  type EndReason,
  isAuthMethod,
  type Request,
  type Response,
  subscriptionMark,
} from "../../src/protocol/messages.js";
import { errorObjectOf, MockError, namedError } from "./mock-error.js";
import type { MockSocket } from "./mock-socket.js";

/** Options of `mockServer`. */
export interface MockServerOptions {
  /**
   * Who every token is for.
   * @default "mock-user"
   */
  readonly subject?: string;
  /**
   * The scopes that every token grants.
   * @default none
   */
  readonly scopes?: readonly string[];
}

/** A call that has come. */
export interface MockCall {
  /** Wire name of the method or subscription. */
  readonly method: string;
  /** Its params. */
  readonly params: unknown;
}

interface Feed {
  readonly id: string;
  readonly name: string;
  readonly params: unknown;
  readonly iterator: AsyncIterator<unknown> | undefined;
}

type Answer = { readonly result: unknown } | { readonly error: ErrorObject };

const lifetime = 3_600; // s, as the wire has it

/** The mock server's side of one connection. */
export class MockConnection {
  readonly socket: MockSocket;
  readonly #handlers: ReadonlyMap<string, unknown>;
  readonly #user: MockServerOptions;
  readonly #called: (call: MockCall) => void;
  readonly #feeds = new Map<string, Feed>();
  #lastId = 0;
  #isSignedIn = false;

  constructor(
    socket: MockSocket,
    handlers: ReadonlyMap<string, unknown>,
    user: MockServerOptions,
    called: (call: MockCall) => void,
  ) {
    this.socket = socket;
    this.#handlers = handlers;
    this.#user = user;
    this.#called = called;
  }

  receive(text: string): void {
    const message = JSON.parse(text) as Request | readonly Request[];
    if (Array.isArray(message)) this.#respondToBatch(message).catch(() => {});
    else this.#respond(message as Request).catch(() => {});
  }

  emit(name: string, event: unknown, where: (params: unknown) => boolean): void {
    for (const feed of this.#feeds.values())
      if (feed.name === name && where(feed.params)) this.#event(feed, event);
  }

  end(name: string, reason: EndReason): void {
    for (const feed of this.#feeds.values()) if (feed.name === name) this.#end(feed, reason);
  }

  notify(method: string, params: unknown): void {
    this.socket.deliver({ method, params });
  }

  close(): void {
    for (const feed of this.#feeds.values()) this.#forget(feed);
  }

  async #respond(request: Request): Promise<void> {
    const { response, started } = await this.#answer(request);
    if (response !== undefined) this.socket.deliver(response);
    started?.();
  }

  async #respondToBatch(requests: readonly Request[]): Promise<void> {
    const answers = await Promise.all(requests.map((request) => this.#answer(request)));
    const responses = answers.flatMap(({ response }) => (response === undefined ? [] : [response]));
    if (responses.length > 0) this.socket.deliverText(JSON.stringify(responses));
    for (const { started } of answers) started?.();
  }

  /** The response, unless it was a notification; and what begins once that was sent. */
  async #answer({ id, method, params }: Request): Promise<{
    readonly response?: Response;
    readonly started?: () => void;
  }> {
    let started: (() => void) | undefined;
    let answer: Answer;
    try {
      const result = isAuthMethod(method)
        ? this.#signIn(method)
        : await this.#run(method, params, (begin) => {
            started = begin;
          });
      answer = { result: result === undefined ? null : result };
    } catch (thrown) {
      answer = { error: errorObjectOf(thrown) };
    }
    if (id === undefined) return {};
    return { response: { jsonrpc: "2.0", id, ...answer }, ...(started && { started }) };
  }

  #signIn(method: string): unknown {
    this.#isSignedIn = method !== "logout";
    if (method === "logout") return { ok: true };
    const { subject, scopes, serverTime } = this.#session();
    return {
      ...{ subject, scopes, serverTime, connectionId: "mock", grace: 30 },
      ...{ expiresIn: lifetime, refreshIn: lifetime * 0.75, expiresAt: serverTime + lifetime },
      ...(method === "refresh" && { changed: true, gap: false }),
    };
  }

  #session() {
    const { subject = "mock-user", scopes = [] } = this.#user;
    return { subject, scopes, serverTime: Date.now() / 1_000 };
  }

  async #run(
    method: string,
    params: unknown,
    starts: (begin: () => void) => void,
  ): Promise<unknown> {
    if (method === "ping") return params ?? "pong";
    if (method === "$/cancelRequest") return null;
    if (method === "whoami") return this.#whoami();
    if (method === "unsubscribe") return this.#unsubscribe(params);
    this.#called({ method, params });
    const handler = this.#handlers.get(method);
    if (handler === undefined)
      throw new MockError(
        standardError("methodNotFound", { hint: `the mock server has no "${method}"` }),
      );
    const answer =
      typeof handler === "function" ? await handler(params, { error: namedError }) : handler;
    const isFeed = typeof handler !== "function" || isAsyncIterable(answer);
    return isFeed ? this.#subscribe(method, params, answer, starts) : answer;
  }

  #whoami(): object {
    const { subject, scopes, serverTime } = this.#session();
    const isIn = this.#isSignedIn;
    return {
      ...{ state: isIn ? "active" : "open", subject: isIn ? subject : null, scopes },
      ...{ expiresIn: isIn ? lifetime : null, grace: 30, serverTime, connectionId: "mock" },
    };
  }

  #unsubscribe(params: unknown): { readonly ok: boolean } {
    const feed = this.#feeds.get(String(Object(params).subscription));
    if (feed !== undefined) this.#forget(feed);
    return { ok: feed !== undefined };
  }

  #subscribe(
    name: string,
    params: unknown,
    events: readonly unknown[] | AsyncIterable<unknown>,
    starts: (begin: () => void) => void,
  ): object {
    const iterator = isAsyncIterable(events) ? events[Symbol.asyncIterator]() : undefined;
    const feed: Feed = { id: `mock-${++this.#lastId}`, name, params, iterator };
    this.#feeds.set(feed.id, feed);
    starts(() => {
      if (isAsyncIterable(events)) this.#pull(feed).catch(() => this.#end(feed, "error"));
      else for (const event of events) this.#event(feed, event);
    });
    return { subscription: feed.id, [subscriptionMark]: true };
  }

  async #pull(feed: Feed): Promise<void> {
    const { iterator } = feed;
    while (iterator !== undefined && this.#feeds.has(feed.id)) {
      const { done, value } = await iterator.next();
      if (done) return this.#end(feed, "completed");
      this.#event(feed, value);
    }
  }

  #event({ id: subscription }: Feed, data: unknown): void {
    if (this.#feeds.has(subscription))
      this.socket.deliver({ method: "subscription.event", params: { subscription, data } });
  }

  #end(feed: Feed, reason: EndReason): void {
    if (!this.#feeds.has(feed.id)) return;
    this.#forget(feed);
    const params = { subscription: feed.id, reason, ...(reason === "error" && { code: -32603 }) };
    this.socket.deliver({ method: "subscription.ended", params });
  }

  #forget({ id, iterator }: Feed): void {
    this.#feeds.delete(id);
    iterator?.return?.().catch(() => {});
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof Object(value)[Symbol.asyncIterator] === "function";
}
